#include "ptx/types.h"

#include <array>
#include <utility>

namespace cudasim::ptx {

std::optional<Type> typeFromName(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, Type>, 27> kTypes{{
        {"pred", kPred},
        {"b8", {Kind::Untyped, 8}},
        {"b16", kB16},
        {"b32", kB32},
        {"b64", kB64},
        {"b128", {Kind::Untyped, 128}},
        {"u8", {Kind::Unsigned, 8}},
        {"u16", {Kind::Unsigned, 16}},
        {"u32", {Kind::Unsigned, 32}},
        {"u64", {Kind::Unsigned, 64}},
        {"s8", {Kind::Signed, 8}},
        {"s16", {Kind::Signed, 16}},
        {"s32", {Kind::Signed, 32}},
        {"s64", {Kind::Signed, 64}},
        {"f16", kF16},
        {"f16x2", {Kind::Float, 16, 2}},
        {"bf16", kBF16},
        {"bf16x2", {Kind::BFloat, 16, 2}},
        {"tf32", {Kind::TFloat, 32}},
        {"f32", kF32},
        {"f64", kF64},
        {"u16x2", {Kind::Unsigned, 16, 2}},
        {"s16x2", {Kind::Signed, 16, 2}},
        {"f32x2", {Kind::Float, 32, 2}},
        {"u4", {Kind::Unsigned, 4}},
        {"s4", {Kind::Signed, 4}},
        {"b1", {Kind::Untyped, 1}},
    }};
    for (const auto& [key, type] : kTypes) {
        if (key == name) return type;
    }
    return std::nullopt;
}

std::optional<Space> spaceFromName(std::string_view name) {
    if (name == "global") return Space::Global;
    if (name == "shared" || name == "shared::cta") return Space::Shared;
    if (name == "local") return Space::Local;
    if (name == "param" || name == "param::entry" || name == "param::func") return Space::Param;
    if (name == "const") return Space::Const;
    return std::nullopt;
}

}  // namespace cudasim::ptx
