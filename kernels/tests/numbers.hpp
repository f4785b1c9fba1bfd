// Storage types on the host, reproducible inputs, and comparison with float64 references.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nj {

enum class Type { f32, f16, bf16 };

const char* name(Type type);
int size(Type type);

/** Half the distance from 1 to the next number: the relative error of one rounding. */
double roundoff(Type type);

/** To nearest, ties to even; overflow gives infinity. */
double roundTo(Type type, double value);

std::vector<uint8_t> encode(Type type, const std::vector<double>& values);
std::vector<double> decode(Type type, const std::vector<uint8_t>& bytes);

/** Values that depend on the seed alone, not on the standard library. */
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed * 2862933555777941757ULL + 3037000493ULL) {}

    uint32_t bits();
    double uniform(double low, double high);
    int integer(int limit) { return static_cast<int>(bits() % static_cast<uint32_t>(limit)); }

    /** Roughly normal with mean 0, rounded to `type` so that kernel and reference start from the same numbers. */
    std::vector<double> normal(Type type, size_t count, double deviation, double mean = 0);

private:
    uint64_t state_;
};

/**
 * Throws with the worst element unless `actual` is as near to `exact` as its type must be: float32 within 1e-5 (absolute below 1,
 * relative above) or, for inputs so ill-conditioned that no float32 can be, as the 16-bit types: within twice the greatest error that `plain`,
 * a computation rounded after every step, has. What one correct rounding of the result costs is always allowed.
 */
void expectClose(const std::string& what, Type type, const std::vector<double>& actual, const std::vector<double>& exact,
                 const std::vector<double>& plain);

}  // namespace nj
