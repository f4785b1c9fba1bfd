// Evaluates a few PTX instructions on vectors of operands: thread i computes %d from %a, %b, %c.
#pragma once

#include "harness.h"

namespace test {

template <class T>
std::string registerType() {
    if (std::is_same_v<T, float>) return "f32";
    if (std::is_same_v<T, double>) return "f64";
    return "b" + std::to_string(8 * sizeof(T));
}

inline std::string module(const std::string& body, const std::string& parameters, const std::string& name = "k", const std::string& outside = "") {
    return ".version 8.5\n.target sm_90\n.address_size 64\n" + outside + ".visible .entry " + name + "(" + parameters + ")\n{\n" + body + "\n ret;\n}\n";
}

/// %d for every set of operands. `body` may use %p, %q (predicates), %t32, %t64 and %i (the thread's number).
template <class D, class... S>
std::vector<D> evaluate(const std::string& body, const std::vector<S>&... sources) {
    Device device;
    const char* const names[] = {"a", "b", "c"};
    const std::string types[] = {registerType<S>()...};
    const std::size_t sizes[] = {sizeof(S)...};
    const std::size_t n = std::max({sources.size()...});
    std::string text = ".reg .pred %p, %q; .reg .b32 %i, %t32; .reg .b64 %at, %base, %t64, %off;\n.reg ." + registerType<D>() + " %d;\nmov.u32 %i, %tid.x;\n";
    std::string parameters = ".param .u64 out";
    for (std::size_t k = 0; k < sizeof...(S); ++k) {
        const std::string s = names[k];
        parameters += ", .param .u64 in_" + s;
        text += ".reg ." + types[k] + " %" + s + "; ld.param.u64 %base, [in_" + s + "]; mul.wide.u32 %off, %i, " + std::to_string(sizes[k]) + "; add.s64 %at, %base, %off; ld.global." +
                types[k] + " %" + s + ", [%at];\n";
    }
    text += body + "\nld.param.u64 %base, [out]; mul.wide.u32 %off, %i, " + std::to_string(sizeof(D)) + "; add.s64 %at, %base, %off; st.global." + registerType<D>() + " [%at], %d;\n";
    const CUfunction f = device.load(module(text, parameters), "k");
    const CUdeviceptr out = device.allocate(n * sizeof(D));
    CU(device.launch(f, 1, static_cast<unsigned>(n), 0, out, device.upload(sources)...));
    CHECK_CLEAN();
    return device.download<D>(out, n);
}

/// Checks `body` against a function of the operands, element by element.
template <class D, class F, class... S>
void expect(const char* file, int line, const std::string& body, F want, const std::vector<S>&... sources) {
    const std::vector<D> got = evaluate<D>(body, sources...);
    for (std::size_t i = 0; i < got.size(); ++i) {
        const D wanted = want(sources[i]...);
        if (same(got[i], wanted)) continue;
        std::string operands;
        ((operands += " " + show(sources[i])), ...);
        fail(file, line, body + " of" + operands + ": " + show(got[i]) + " instead of " + show(wanted));
    }
}
#define EXPECT(D, body, ...) test::expect<D>(__FILE__, __LINE__, body, __VA_ARGS__)

/// All pairs of the values.
template <class T>
void pairs(const std::vector<T>& values, std::vector<T>& a, std::vector<T>& b) {
    for (const T x : values) {
        for (const T y : values) {
            a.push_back(x);
            b.push_back(y);
        }
    }
}

}  // namespace test
