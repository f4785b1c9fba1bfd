// PTX fundamental types and state spaces.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cudasim::ptx {

enum class Kind : std::uint8_t { Untyped, Unsigned, Signed, Float, BFloat, TFloat, Predicate };

struct Type {
    Kind kind = Kind::Untyped;
    std::uint8_t bits = 0;   // of one element
    std::uint8_t lanes = 1;  // 2 for the packed types f16x2, bf16x2, u16x2, s16x2

    constexpr unsigned bytes() const { return bits * lanes / 8U; }
    constexpr unsigned totalBits() const { return bits * lanes; }
    constexpr bool isInteger() const { return kind == Kind::Untyped || kind == Kind::Unsigned || kind == Kind::Signed; }
    constexpr bool isSigned() const { return kind == Kind::Signed; }
    constexpr bool isPredicate() const { return kind == Kind::Predicate; }
    constexpr bool isFloat() const { return kind == Kind::Float || kind == Kind::BFloat || kind == Kind::TFloat; }
    constexpr bool is(Kind k, unsigned b, unsigned l = 1) const { return kind == k && bits == b && lanes == l; }
    friend constexpr bool operator==(const Type&, const Type&) = default;
};

inline constexpr Type kPred{Kind::Predicate, 1};
inline constexpr Type kB16{Kind::Untyped, 16};
inline constexpr Type kB32{Kind::Untyped, 32};
inline constexpr Type kB64{Kind::Untyped, 64};
inline constexpr Type kF16{Kind::Float, 16};
inline constexpr Type kF32{Kind::Float, 32};
inline constexpr Type kF64{Kind::Float, 64};
inline constexpr Type kBF16{Kind::BFloat, 16};

/// The type that a PTX type suffix (without its dot) names, if it names one.
std::optional<Type> typeFromName(std::string_view name);

enum class Space : std::uint8_t { Generic, Global, Shared, Local, Param, Const };

std::optional<Space> spaceFromName(std::string_view name);

}  // namespace cudasim::ptx
