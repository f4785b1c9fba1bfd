// What the kernels compute, as plain loops in float64; with a rounding after every step, the plain low-precision computation they are
// compared with.
#pragma once

#include "numbers.hpp"

namespace nj {

using Values = std::vector<double>;

/** What is done to every intermediate result. */
class Rounding {
public:
    static Rounding exact() { return Rounding(Type::f32, false); }
    static Rounding to(Type type) { return Rounding(type, true); }

    double operator()(double value) const { return active_ ? roundTo(type_, value) : value; }

    /** A running sum with one more term: in float32, whatever the type, where anything is rounded at all. */
    double accumulate(double sum, double term) const { return active_ ? static_cast<float>(sum + term) : sum + term; }

private:
    Rounding(Type type, bool active) : type_(type), active_(active) {}

    Type type_;
    bool active_;
};

constexpr double kEpsilon = 1e-12;

/** layerNorm of each row of x [rows, dim]. */
Values layerNorm(const Values& x, const Values& gamma, const Values& beta, int dim, Rounding round);

/** words[id] + places[position], [T, dim]. */
Values embed(const std::vector<int>& ids, const std::vector<int>& positions, const Values& words, const Values& places, int dim,
             Rounding round);

/** act(x W' + bias) + residual; bias and residual may be empty. x [rows, k], weight [n, k]. */
Values linear(const Values& x, const Values& weight, const Values& bias, const Values& residual, int activation, int n, int k,
              Rounding round);

/** act(x + bias), x [rows, n]. */
Values biasActivation(const Values& x, const Values& bias, int activation, int n, Rounding round);

/** x + y, element by element. */
Values add(const Values& x, const Values& y, Rounding round);

/** qkv [T, 3 heads headDim] to [T, heads headDim]. */
Values attention(const Values& qkv, const std::vector<int>& cuSeqlens, int heads, int headDim, double scale, Rounding round);

/** Softmax of each row of x [rows, n]. */
Values softmax(const Values& x, int n, Rounding round);

}  // namespace nj
