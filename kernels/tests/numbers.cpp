#include "numbers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace nj {
namespace {

struct Format {
    int mantissa;     // stored bits
    int exponentBits;
};

Format format(Type type) {
    switch (type) {
        case Type::f32: return {23, 8};
        case Type::f16: return {10, 5};
        case Type::bf16: return {7, 8};
    }
    throw std::logic_error("type");
}

uint32_t toBits(Type type, double value) {
    if (type == Type::f32) return std::bit_cast<uint32_t>(static_cast<float>(value));
    const auto [mantissa, exponentBits] = format(type);
    const int bias = (1 << (exponentBits - 1)) - 1;
    const uint32_t sign = std::signbit(value) ? 1u << (mantissa + exponentBits) : 0;
    const double rounded = std::fabs(roundTo(type, value));
    if (std::isnan(rounded)) return sign | ((1u << (exponentBits + 1)) - 1) << (mantissa - 1);
    if (std::isinf(rounded)) return sign | ((1u << exponentBits) - 1) << mantissa;
    if (rounded == 0) return sign;
    const int exponent = std::max(std::ilogb(rounded), 1 - bias);
    const auto digits = static_cast<uint32_t>(std::ldexp(rounded, mantissa - exponent));
    return sign | ((static_cast<uint32_t>(exponent + bias - 1) << mantissa) + digits);
}

double fromBits(Type type, uint32_t bits) {
    if (type == Type::f32) return std::bit_cast<float>(bits);
    const auto [mantissa, exponentBits] = format(type);
    const int bias = (1 << (exponentBits - 1)) - 1;
    const double sign = bits >> (mantissa + exponentBits) & 1 ? -1 : 1;
    const int exponent = static_cast<int>(bits >> mantissa & ((1u << exponentBits) - 1));
    const double digits = bits & ((1u << mantissa) - 1);
    if (exponent == (1 << exponentBits) - 1) return digits == 0 ? sign * INFINITY : NAN;
    if (exponent == 0) return sign * std::ldexp(digits, 1 - bias - mantissa);
    return sign * std::ldexp(digits + (1 << mantissa), exponent - bias - mantissa);
}

}  // namespace

const char* name(Type type) {
    return type == Type::f32 ? "f32" : type == Type::f16 ? "f16" : "bf16";
}

int size(Type type) { return type == Type::f32 ? 4 : 2; }

double roundoff(Type type) { return std::ldexp(1.0, -format(type).mantissa - 1); }

double roundTo(Type type, double value) {
    if (type == Type::f32) return static_cast<float>(value);
    if (value == 0 || !std::isfinite(value)) return value;
    const auto [mantissa, exponentBits] = format(type);
    const int bias = (1 << (exponentBits - 1)) - 1;
    const int exponent = std::max(std::ilogb(value), 1 - bias);
    const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, mantissa - exponent)), exponent - mantissa);
    const double greatest = std::ldexp(2 - std::ldexp(1.0, -mantissa), bias);
    return std::fabs(rounded) > greatest ? std::copysign(INFINITY, value) : rounded;
}

std::vector<uint8_t> encode(Type type, const std::vector<double>& values) {
    std::vector<uint8_t> bytes(values.size() * size(type));
    for (size_t i = 0; i < values.size(); ++i) {
        const uint32_t bits = toBits(type, values[i]);
        std::memcpy(&bytes[i * size(type)], &bits, size(type));
    }
    return bytes;
}

std::vector<double> decode(Type type, const std::vector<uint8_t>& bytes) {
    std::vector<double> values(bytes.size() / size(type));
    for (size_t i = 0; i < values.size(); ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, &bytes[i * size(type)], size(type));
        values[i] = fromBits(type, bits);
    }
    return values;
}

uint32_t Random::bits() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<uint32_t>(state_ >> 33) ^ static_cast<uint32_t>(state_ >> 20);
}

double Random::uniform(double low, double high) { return low + (high - low) * (bits() / 4294967296.0); }

std::vector<double> Random::normal(Type type, size_t count, double deviation, double mean) {
    std::vector<double> values(count);
    for (double& value : values) {
        double sum = 0;
        for (int i = 0; i < 4; ++i) sum += uniform(-1, 1);
        value = roundTo(type, mean + deviation * sum * std::sqrt(0.75));
    }
    return values;
}

void expectClose(const std::string& what, Type type, const std::vector<double>& actual, const std::vector<double>& exact,
                 const std::vector<double>& plain) {
    if (actual.size() != exact.size() || plain.size() != exact.size()) throw std::logic_error(what + ": sizes differ");
    double greatest = 0;
    double plainError = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
        greatest = std::max(greatest, std::fabs(exact[i]));
        plainError = std::max(plainError, std::fabs(plain[i] - exact[i]));
    }
    // One per cent for the float32 sums that decide a tie.
    const double limit = 1.01 * std::max(2 * plainError, roundoff(type) * greatest);
    for (size_t i = 0; i < exact.size(); ++i) {
        const double allowed = type == Type::f32 ? std::max(1e-5 * std::max(1.0, std::fabs(exact[i])), 2 * plainError) : limit;
        if (!(std::fabs(actual[i] - exact[i]) <= allowed)) {
            throw std::runtime_error(what + ": element " + std::to_string(i) + " of " + std::to_string(exact.size()) + " is "
                                     + std::to_string(actual[i]) + ", expected " + std::to_string(exact[i]) + " within "
                                     + std::to_string(allowed));
        }
    }
}

}  // namespace nj
