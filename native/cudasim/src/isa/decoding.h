// What the decoder of one instruction works with: its modifiers, to be taken one by one, and its operands, to be turned
// into register slots.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/instr.h"

namespace cudasim {

class KernelBuilder;

class Decoding {
public:
    Decoding(KernelBuilder& builder, const ptx::Instruction& source);

    const ptx::Instruction& source;
    Instr out;

    // ---- modifiers: each must be taken exactly once, or the instruction is refused ----

    /// Takes the modifier if it is there.
    bool take(std::string_view modifier);
    /// Takes the first of these that is there; its index, or -1.
    int takeOneOf(std::initializer_list<std::string_view> modifiers);
    /// Takes the next type in order.
    ptx::Type type();
    std::optional<ptx::Type> maybeType();
    std::optional<ptx::Space> maybeSpace();
    /// Takes the modifiers that only hint at caching.
    void takeCacheHints();
    /// The modifiers that nobody has taken.
    std::string untaken() const;

    // ---- operands ----

    std::size_t operandCount() const { return source.operands.size(); }
    const ptx::Operand& operand(std::size_t i) const;
    void expectOperands(std::size_t least, std::size_t most);

    std::uint32_t dest(std::size_t i, unsigned bits) { return destOf(operand(i), bits); }
    std::uint32_t src(std::size_t i, ptx::Type type) { return sourceOf(operand(i), type); }
    std::uint32_t destOf(const ptx::Operand& op, unsigned bits);
    std::uint32_t sourceOf(const ptx::Operand& op, ptx::Type type);
    /// Slots of a vector operand (or of a scalar one, as a vector of 1), appended to the kernel's slots; the index of
    /// the first.
    std::uint32_t destVector(const ptx::Operand& op, unsigned bits, std::size_t expected);
    std::uint32_t sourceVector(const ptx::Operand& op, ptx::Type type, std::size_t expected);
    std::uint32_t appendSlot(std::uint32_t slot);
    std::uint32_t slotAt(std::uint32_t index) const;
    /// Predicates have one slot for all lanes; `negated` is for the caller to honour.
    std::uint32_t predicateDest(const ptx::Operand& op);
    std::uint32_t predicateSource(const ptx::Operand& op);
    std::uint32_t truePredicate();
    std::uint32_t carryFlag();
    unsigned registerBits(const ptx::Operand& op) const;
    bool isRegister(const ptx::Operand& op) const { return op.kind == ptx::Operand::Kind::Register; }
    bool isSink(const ptx::Operand& op) const { return op.kind == ptx::Operand::Kind::Sink; }
    /// The value of an immediate operand.
    std::uint64_t immediate(std::size_t i) const;
    /// Sets base, a and imm from the [address] operand i.
    void address(std::size_t i);
    std::optional<Special> specialRegister(const ptx::Operand& op) const;
    std::uint32_t scratch(unsigned bytesPerLane);

    // ---- control flow ----

    std::uint32_t functionIndex() const;
    bool inEntry() const { return functionIndex() == 0; }
    std::uint32_t call(const std::string& callee, const std::vector<std::string>& results,
                       const std::vector<std::string>& arguments);
    bool isBuiltin(const std::string& callee) const;
    bool isFrameVariable(const std::string& name) const;
    std::uint32_t frameOffset(const std::string& variable) const;
    std::uint32_t jumpTable(const std::string& name);
    /// out.imm becomes the label's place once all code is known.
    void jumpTo(const std::string& label);

    [[noreturn]] void fail(const std::string& why) const;
    [[noreturn]] void unknown() const { fail("unknown instruction"); }

private:
    KernelBuilder& builder_;
    std::vector<bool> taken_;
};

using Decoder = void (*)(Decoding&);

struct DecoderEntry {
    std::string_view name;
    Decoder decode;
};

/// The decoder of an instruction by the first part of its opcode; nullptr when there is none.
Decoder findDecoder(std::string_view name);

}  // namespace cudasim
