#include "reference.hpp"

#include <algorithm>
#include <cmath>

namespace nj {
namespace {

double activate(double x, int activation) {
    if (activation == 1) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    return activation == 2 ? std::max(x, 0.0) : x;
}

}  // namespace

Values layerNorm(const Values& x, const Values& gamma, const Values& beta, int dim, Rounding round) {
    Values out(x.size());
    for (size_t row = 0; row < x.size() / dim; ++row) {
        const double* in = &x[row * dim];
        double mean = 0;
        for (int i = 0; i < dim; ++i) mean += in[i] / dim;
        double variance = 0;
        for (int i = 0; i < dim; ++i) variance += (in[i] - mean) * (in[i] - mean) / dim;
        const double scale = 1 / std::sqrt(variance + kEpsilon);
        for (int i = 0; i < dim; ++i) out[row * dim + i] = round((in[i] - mean) * scale * gamma[i] + beta[i]);
    }
    return out;
}

Values embed(const std::vector<int>& ids, const std::vector<int>& positions, const Values& words, const Values& places, int dim,
             Rounding round) {
    Values out(ids.size() * dim);
    for (size_t t = 0; t < ids.size(); ++t) {
        for (int i = 0; i < dim; ++i) {
            out[t * dim + i] = round(words[static_cast<size_t>(ids[t]) * dim + i] + places[static_cast<size_t>(positions[t]) * dim + i]);
        }
    }
    return out;
}

Values linear(const Values& x, const Values& weight, const Values& bias, const Values& residual, int activation, int n, int k,
              Rounding round) {
    const size_t rows = x.size() / k;
    Values product(rows * n);
    for (size_t row = 0; row < rows; ++row) {
        for (int column = 0; column < n; ++column) {
            double sum = 0;
            for (int i = 0; i < k; ++i) {
                sum = round.accumulate(sum, x[row * k + i] * weight[static_cast<size_t>(column) * k + i]);
            }
            product[row * n + column] = round(sum);
        }
    }
    const Values out = biasActivation(product, bias, activation, n, round);
    return residual.empty() ? out : add(out, residual, round);
}

Values biasActivation(const Values& x, const Values& bias, int activation, int n, Rounding round) {
    Values out(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        out[i] = round(activate(bias.empty() ? x[i] : round(x[i] + bias[i % n]), activation));
    }
    return out;
}

Values add(const Values& x, const Values& y, Rounding round) {
    Values out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out[i] = round(x[i] + y[i]);
    return out;
}

Values attention(const Values& qkv, const std::vector<int>& cuSeqlens, int heads, int headDim, double scale, Rounding round) {
    const int dim = heads * headDim;
    Values out(qkv.size() / 3);
    for (size_t s = 0; s + 1 < cuSeqlens.size(); ++s) {
        const int length = cuSeqlens[s + 1] - cuSeqlens[s];
        for (int head = 0; head < heads; ++head) {
            const auto row = [&](int token, int part) {
                return &qkv[(static_cast<size_t>(cuSeqlens[s] + token) * 3 + part) * dim + head * headDim];
            };
            for (int query = 0; query < length; ++query) {
                Values scores(length);
                for (int key = 0; key < length; ++key) {
                    double sum = 0;
                    for (int i = 0; i < headDim; ++i) sum = round.accumulate(sum, row(query, 0)[i] * row(key, 1)[i]);
                    scores[key] = round(sum * scale);
                }
                const Values weights = softmax(scores, length, round);
                double* target = &out[static_cast<size_t>(cuSeqlens[s] + query) * dim + head * headDim];
                for (int i = 0; i < headDim; ++i) {
                    double sum = 0;
                    for (int key = 0; key < length; ++key) sum = round.accumulate(sum, weights[key] * row(key, 2)[i]);
                    target[i] = round(sum);
                }
            }
        }
    }
    return out;
}

Values softmax(const Values& x, int n, Rounding round) {
    Values out(x.size());
    for (size_t first = 0; first < x.size(); first += n) {
        const double highest = *std::max_element(&x[first], &x[first] + n);
        double total = 0;
        for (int i = 0; i < n; ++i) total += std::exp(x[first + i] - highest);
        for (int i = 0; i < n; ++i) out[first + i] = round(std::exp(x[first + i] - highest) / total);
    }
    return out;
}

}  // namespace nj
