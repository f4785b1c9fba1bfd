// A PTX module as the parser delivers it: names resolved to registers, everything else still text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ptx/types.h"

namespace cudasim::ptx {

/// PTX that is malformed or uses something the simulator does not know. `line` is that of the module's text, from 1.
class Error : public std::runtime_error {
public:
    Error(int line, const std::string& what) : std::runtime_error("PTX line " + std::to_string(line) + ": " + what) {}
};

struct Operand {
    enum class Kind : std::uint8_t {
        Register,   // reg; `negated` for !p
        Integer,    // bits
        Float32,    // bits: 0f... literal
        Float64,    // bits: 0d... literal or a decimal literal
        Symbol,     // name (+ offset): variable, label, function or special register
        Memory,     // [base + offset]; the base is reg (>= 0), name (not empty), or nothing
        Vector,     // elements
        List,       // parenthesised elements (call)
        Sink        // _
    };
    Kind kind = Kind::Sink;
    int reg = -1;
    bool negated = false;
    std::uint64_t bits = 0;
    std::int64_t offset = 0;
    std::string name;
    std::vector<Operand> elements;  // of Vector and List; the second destination of d|p; the extra operands inside [] of Memory

    bool isImmediate() const { return kind == Kind::Integer || kind == Kind::Float32 || kind == Kind::Float64; }
};

struct Instruction {
    int line = 0;
    int scope = 0;  // innermost {} it stands in, to resolve labels
    int guard = -1;
    bool guardNegated = false;
    std::vector<std::string> opcode;  // "ld", "global", "v4", "f32"
    std::vector<Operand> operands;

    std::string spelled() const;
};

struct Variable {
    std::string name;
    Space space = Space::Global;
    Type type;
    unsigned align = 1;
    std::size_t bytes = 0;
    bool external = false;  // of unknown size: dynamic shared memory
    std::vector<std::uint8_t> initial;
    struct Relocation {
        std::size_t offset;
        std::string symbol;
        std::int64_t addend;
    };
    std::vector<Relocation> relocations;
};

struct Function {
    std::string name;
    int line = 0;
    bool entry = false;
    bool defined = false;
    std::vector<Variable> returns;
    std::vector<Variable> params;
    std::vector<Variable> variables;  // .shared, .local and call-site .param variables
    std::vector<Type> registers;
    std::vector<Instruction> body;
    std::vector<int> scopeParent;                             // scope -> enclosing scope, -1 for the outermost
    std::map<std::pair<int, std::string>, std::size_t> labels;  // (scope, name) -> index in body
    std::map<std::string, std::vector<std::string>> branchTargets;
    std::optional<unsigned> maxThreads, requiredThreads;

    /// Index in body of the label visible from `scope`.
    std::optional<std::size_t> findLabel(int scope, const std::string& label) const;
};

struct Module {
    int version = 0;  // 10 * major + minor
    int target = 0;   // compute capability: 10 * major + minor
    std::vector<Function> functions;
    std::vector<Variable> variables;

    const Function* find(const std::string& name) const;
};

/// Parses the text of a PTX module.
/// @throws Error
Module parse(std::string_view text);

}  // namespace cudasim::ptx
