#include "training.hpp"

#include <algorithm>
#include <cmath>

#include "launches.hpp"

namespace nj {

Philox::Philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) : word{c0, c1, c2, c3} {
    auto k0 = static_cast<uint32_t>(key);
    auto k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t{word[0]} * 0xD2511F53u;
        const uint64_t p1 = uint64_t{word[2]} * 0xCD9E8D57u;
        const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ word[1] ^ k0, static_cast<uint32_t>(p1),
                                  static_cast<uint32_t>(p0 >> 32) ^ word[3] ^ k1, static_cast<uint32_t>(p0)};
        std::copy(next, next + 4, word);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

unsigned DropoutSpec::threshold() const { return static_cast<unsigned>(std::llround(probability * 0x1p32)); }

double DropoutSpec::factor(int column, unsigned row, int key) const {
    if (probability == 0) return 1;
    const Philox philox(seed, static_cast<uint32_t>(column / 4), row, static_cast<uint32_t>(key), stream());
    return philox.word[column % 4] >= threshold() ? scale() : 0;
}

Batch::Batch(const std::vector<int>& lengths, int padding) : lengths(lengths), cuSeqlens(prefixSums(lengths)) {
    for (size_t b = 0; b < lengths.size(); ++b) {
        // No relation to the place in the batch, and one with the highest bit set.
        keys.push_back(static_cast<int>(0x80000011u - b * 977));
        for (int i = 0; i < lengths[b]; ++i) {
            positions.push_back(i);
            sequences.push_back(static_cast<int>(b));
        }
    }
    positions.resize(positions.size() + padding, -1 << 20);
    sequences.resize(sequences.size() + padding, -1 << 20);
}

Values Batch::drop(const DropoutSpec& dropout, const Values& x, int dim, Rounding round) const {
    Values out(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        out[i] = round(x[i] * factor(dropout, static_cast<int>(i / dim), static_cast<int>(i % dim)));
    }
    return out;
}

Values rowStats(const Values& x, int dim) {
    Values stats;
    for (size_t row = 0; row < x.size() / dim; ++row) {
        const double* in = &x[row * dim];
        double mean = 0;
        for (int i = 0; i < dim; ++i) mean += in[i] / dim;
        double variance = 0;
        for (int i = 0; i < dim; ++i) variance += (in[i] - mean) * (in[i] - mean) / dim;
        stats.push_back(static_cast<float>(mean));
        stats.push_back(static_cast<float>(1 / std::sqrt(variance + kEpsilon)));
    }
    return stats;
}

NormGradients layerNormBackward(const Values& dOut, const Values& sum, const Values& stats, const Values& gamma, int dim, Rounding round) {
    NormGradients result{Values(sum.size()), Values(dim), Values(dim)};
    for (size_t row = 0; row < sum.size() / dim; ++row) {
        const double mean = stats[2 * row];
        const double rstd = stats[2 * row + 1];
        Values g(dim);
        Values y(dim);
        double gradient = 0;
        double product = 0;
        for (int i = 0; i < dim; ++i) {
            const size_t at = row * dim + i;
            y[i] = round((sum[at] - mean) * rstd);
            g[i] = round(dOut[at] * gamma[i]);
            result.dGamma[i] = round.accumulate(result.dGamma[i], round(dOut[at] * y[i]));
            result.dBeta[i] = round.accumulate(result.dBeta[i], dOut[at]);
            gradient += g[i] / dim;
            product += g[i] * y[i] / dim;
        }
        for (int i = 0; i < dim; ++i) result.dSum[row * dim + i] = round(rstd * round(g[i] - gradient - round(y[i] * product)));
    }
    return result;
}

Values activationBackward(const Values& gradient, const Values& preActivation, int activation, Rounding round) {
    Values out(gradient.size());
    for (size_t i = 0; i < out.size(); ++i) {
        const double x = preActivation[i];
        double slope = 1;
        if (activation == 1) slope = 0.5 * (1 + std::erf(x / std::sqrt(2.0))) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
        if (activation == 2) slope = x > 0 ? 1 : 0;
        out[i] = round(gradient[i] * round(slope));
    }
    return out;
}

Values transposedProduct(const Values& a, const Values& b, const Values& initial, int m, int n, Rounding round) {
    Values out = initial;
    for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
            double sum = 0;
            for (size_t row = 0; row < a.size() / m; ++row) sum = round.accumulate(sum, a[row * m + i] * b[row * n + j]);
            out[static_cast<size_t>(i) * n + j] = round.accumulate(initial[static_cast<size_t>(i) * n + j], round(sum));
        }
    }
    return out;
}

Values product(const Values& a, const Values& b, const Values& initial, int k, int n, Rounding round) {
    const size_t rows = a.size() / k;
    Values out(rows * n);
    for (size_t row = 0; row < rows; ++row) {
        for (int j = 0; j < n; ++j) {
            double sum = 0;
            for (int i = 0; i < k; ++i) sum = round.accumulate(sum, a[row * k + i] * b[static_cast<size_t>(i) * n + j]);
            out[row * n + j] = initial.empty() ? round(sum) : round(initial[row * n + j] + round(sum));
        }
    }
    return out;
}

Values columnSums(const Values& a, const Values& initial, int n, Rounding round) {
    Values sums(n);
    for (size_t i = 0; i < a.size(); ++i) sums[i % n] = round.accumulate(sums[i % n], a[i]);
    for (int j = 0; j < n; ++j) sums[j] = round.accumulate(initial[j], round(sums[j]));
    return sums;
}

float AttentionSpec::scale() const { return static_cast<float>(1 / std::sqrt(headDim)); }

namespace {

/** One sequence's and head's rows in the packed matrices. */
struct HeadView {
    int first;
    int length;
    int head;
    int key;
    const AttentionSpec& spec;

    size_t qkv(int token, int part) const {
        return (static_cast<size_t>(first + token) * 3 + part) * spec.dim() + static_cast<size_t>(head) * spec.headDim;
    }

    size_t out(int token) const { return static_cast<size_t>(first + token) * spec.dim() + static_cast<size_t>(head) * spec.headDim; }

    size_t scalar(int token) const { return static_cast<size_t>(first + token) * spec.heads + head; }

    double factor(int query, int keyPlace) const {
        return spec.dropout.factor(keyPlace, static_cast<unsigned>(head) << 16 | static_cast<unsigned>(query), key);
    }

    double dot(const double* a, const double* b, Rounding round) const {
        double sum = 0;
        for (int i = 0; i < spec.headDim; ++i) sum = round.accumulate(sum, a[i] * b[i]);
        return round(sum);
    }
};

template <class Function> void forEachHead(const Batch& batch, const AttentionSpec& spec, Function function) {
    for (int b = 0; b < batch.count(); ++b) {
        for (int head = 0; head < spec.heads; ++head) {
            function(HeadView{batch.cuSeqlens[b], batch.lengths[b], head, batch.keys[b], spec});
        }
    }
}

}  // namespace

AttentionResult attentionForward(const Values& qkv, const Batch& batch, const AttentionSpec& spec, Rounding round) {
    AttentionResult result{Values(qkv.size() / 3), Values(static_cast<size_t>(batch.tokens()) * spec.heads)};
    forEachHead(batch, spec, [&](const HeadView& h) {
        for (int query = 0; query < h.length; ++query) {
            Values scores(h.length);
            for (int key = 0; key < h.length; ++key) {
                scores[key] = round(h.dot(&qkv[h.qkv(query, 0)], &qkv[h.qkv(key, 1)], round) * spec.scale());
            }
            const double highest = *std::max_element(scores.begin(), scores.end());
            double total = 0;
            for (const double score : scores) total += std::exp(score - highest);
            result.logSumExp[h.scalar(query)] = highest + std::log(total);
            Values weights = softmax(scores, h.length, round);
            for (int key = 0; key < h.length; ++key) weights[key] = round(weights[key] * h.factor(query, key));
            for (int i = 0; i < spec.headDim; ++i) {
                double sum = 0;
                for (int key = 0; key < h.length; ++key) sum = round.accumulate(sum, weights[key] * qkv[h.qkv(key, 2) + i]);
                result.out[h.out(query) + i] = round(sum);
            }
        }
    });
    return result;
}

AttentionGradients attentionBackward(const Values& qkv, const AttentionResult& forward, const Values& dOut, const Batch& batch,
                                     const AttentionSpec& spec, Rounding round) {
    const size_t count = qkv.size() / 3;
    AttentionGradients g{Values(count), Values(count), Values(count)};
    forEachHead(batch, spec, [&](const HeadView& h) {
        for (int query = 0; query < h.length; ++query) {
            const double delta = h.dot(&dOut[h.out(query)], &forward.out[h.out(query)], Rounding::exact());
            for (int key = 0; key < h.length; ++key) {
                const double score = h.dot(&qkv[h.qkv(query, 0)], &qkv[h.qkv(key, 1)], round) * spec.scale();
                const double weight = round(std::exp(round(score) - forward.logSumExp[h.scalar(query)]));
                const double factor = h.factor(query, key);
                const double dWeight = round(h.dot(&dOut[h.out(query)], &qkv[h.qkv(key, 2)], round) * factor);
                const double dScore = round(weight * round(dWeight - delta));
                for (int i = 0; i < spec.headDim; ++i) {
                    const auto add = [&](double& sum, double term) { sum = round.accumulate(sum, term); };
                    add(g.dValues[h.out(key) + i], round(weight * factor) * dOut[h.out(query) + i]);
                    add(g.dQueries[h.out(query) + i], dScore * qkv[h.qkv(key, 1) + i]);
                    add(g.dKeys[h.out(key) + i], dScore * qkv[h.qkv(query, 0) + i]);
                }
            }
        }
    });
    for (Values* values : {&g.dQueries, &g.dKeys}) {
        for (double& value : *values) value = round(round(value) * spec.scale());
    }
    for (double& value : g.dValues) value = round(value);
    return g;
}

}  // namespace nj
