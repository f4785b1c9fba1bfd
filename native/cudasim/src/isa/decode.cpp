// Turns a parsed entry function, and all functions it calls, into one array of decoded instructions.
#include <algorithm>
#include <bit>
#include <set>

#include "isa/decoding.h"
#include "machine/memory.h"

namespace cudasim {
namespace {

// Between static shared variables; a multiple of the banks' width keeps bank numbers as they are.
constexpr std::uint32_t kSharedGuard = 128;

constexpr std::uint32_t roundUp(std::uint32_t n, std::uint32_t to) { return (n + to - 1) / to * to; }

std::uint16_t toHalf(double v) { return std::bit_cast<std::uint16_t>(static_cast<_Float16>(v)); }

/// Bits of an immediate operand as a value of `type`.
std::uint64_t immediateBits(const ptx::Operand& op, ptx::Type type) {
    using Kind = ptx::Operand::Kind;
    if (op.kind == Kind::Integer || type.isInteger()) {
        if (op.kind == Kind::Float64 && type.totalBits() == 32)
            return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(op.bits)));
        if (op.kind == Kind::Integer && type.isFloat() && type.lanes == 1 && type.bits >= 32 &&
            type.kind == ptx::Kind::Float) {
            // "0" or "1" where a float is expected
            const auto value = static_cast<double>(static_cast<std::int64_t>(op.bits));
            return type.bits == 64 ? std::bit_cast<std::uint64_t>(value)
                                   : std::bit_cast<std::uint32_t>(static_cast<float>(value));
        }
        return op.bits;
    }
    const double value = op.kind == Kind::Float32
                             ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(op.bits)))
                             : std::bit_cast<double>(op.bits);
    if (type == ptx::kF64) return std::bit_cast<std::uint64_t>(value);
    if (type == ptx::kF32)
        return op.kind == Kind::Float32 ? op.bits : std::bit_cast<std::uint32_t>(static_cast<float>(value));
    if (type == ptx::kF16) return toHalf(value);
    return op.bits;
}

std::optional<Special> specialFromName(const std::string& name) {
    static const std::map<std::string, Special> kNames{
        {"%tid.x", Special::TidX},
        {"%tid.y", Special::TidY},
        {"%tid.z", Special::TidZ},
        {"%ntid.x", Special::NtidX},
        {"%ntid.y", Special::NtidY},
        {"%ntid.z", Special::NtidZ},
        {"%ctaid.x", Special::CtaidX},
        {"%ctaid.y", Special::CtaidY},
        {"%ctaid.z", Special::CtaidZ},
        {"%nctaid.x", Special::NctaidX},
        {"%nctaid.y", Special::NctaidY},
        {"%nctaid.z", Special::NctaidZ},
        {"%laneid", Special::LaneId},
        {"%warpid", Special::WarpId},
        {"%nwarpid", Special::NwarpId},
        {"%smid", Special::SmId},
        {"%nsmid", Special::NsmId},
        {"%gridid", Special::GridId},
        {"%lanemask_eq", Special::LaneMaskEq},
        {"%lanemask_le", Special::LaneMaskLe},
        {"%lanemask_lt", Special::LaneMaskLt},
        {"%lanemask_ge", Special::LaneMaskGe},
        {"%lanemask_gt", Special::LaneMaskGt},
        {"%dynamic_smem_size", Special::DynamicSharedSize},
        {"%total_smem_size", Special::TotalSharedSize},
        {"%cluster_ctarank", Special::Zero},
        {"%cluster_nctarank", Special::One},
        {"%cluster_ctaid.x", Special::Zero},
        {"%cluster_ctaid.y", Special::Zero},
        {"%cluster_ctaid.z", Special::Zero},
        {"%cluster_nctaid.x", Special::One},
        {"%cluster_nctaid.y", Special::One},
        {"%cluster_nctaid.z", Special::One},
        {"%clusterid.x", Special::CtaidX},
        {"%clusterid.y", Special::CtaidY},
        {"%clusterid.z", Special::CtaidZ},
        {"%nclusterid.x", Special::NctaidX},
        {"%nclusterid.y", Special::NctaidY},
        {"%nclusterid.z", Special::NctaidZ},
    };
    const auto it = kNames.find(name);
    return it == kNames.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace

class KernelBuilder {
public:
    KernelBuilder(const ptx::Module& module, const ptx::Function& entry, const SymbolTable& symbols)
        : module_(module), symbols_(symbols) {
        kernel_.name = entry.name;
        kernel_.target = module.target;
        kernel_.ptxVersion = module.version;
        kernel_.maxThreads = std::min(1024U, entry.maxThreads.value_or(1024));
        kernel_.requiredThreads = entry.requiredThreads.value_or(0);
        collect(entry);
        markRecursive();
        layoutParams(entry);
        layoutShared();
        for (std::size_t i = 0; i < functions_.size(); ++i) layoutFunction(i);
    }

    Kernel build() {
        for (current_ = 0; current_ < functions_.size(); ++current_) {
            const ptx::Function& f = *functions_[current_];
            kernel_.functions[current_].entry = static_cast<std::uint32_t>(kernel_.code.size());
            for (const ptx::Instruction& in : f.body) kernel_.code.push_back(decode(in));
            // Falling off the end returns, as `ret` does.
            ptx::Instruction ret;
            ret.line = f.body.empty() ? f.line : f.body.back().line;
            ret.opcode = {"ret"};
            kernel_.code.push_back(decode(ret));
        }
        for (const auto& [pc, function, index] : jumps_)
            kernel_.code[pc].imm = kernel_.functions[function].entry + static_cast<std::int64_t>(index);
        for (const auto& [table, function, indices] : tables_) {
            for (const std::size_t i : indices)
                kernel_.jumpTables[table].push_back(kernel_.functions[function].entry + static_cast<std::uint32_t>(i));
        }
        return std::move(kernel_);
    }

private:
    friend class Decoding;

    // ---- which functions, recursion, layout ----

    void collect(const ptx::Function& f) {
        if (std::find(functions_.begin(), functions_.end(), &f) != functions_.end()) return;
        functions_.push_back(&f);
        for (const std::string& name : callees(f)) {
            const ptx::Function* callee = module_.find(name);
            if (callee != nullptr && callee->defined) collect(*callee);
        }
    }

    static std::vector<std::string> callees(const ptx::Function& f) {
        std::vector<std::string> names;
        for (const ptx::Instruction& in : f.body) {
            if (in.opcode[0] != "call") continue;
            for (const ptx::Operand& op : in.operands) {
                if (op.kind == ptx::Operand::Kind::Symbol) {
                    names.push_back(op.name);
                    break;
                }
            }
        }
        return names;
    }

    void markRecursive() {
        kernel_.functions.resize(functions_.size());
        for (std::size_t i = 0; i < functions_.size(); ++i) {
            std::set<std::string> reached;
            std::vector<std::string> open = callees(*functions_[i]);
            while (!open.empty()) {
                const std::string name = open.back();
                open.pop_back();
                if (!reached.insert(name).second) continue;
                if (const ptx::Function* f = module_.find(name)) {
                    for (std::string& c : callees(*f)) open.push_back(std::move(c));
                }
            }
            kernel_.functions[i].recursive = reached.contains(functions_[i]->name);
        }
    }

    void layoutParams(const ptx::Function& entry) {
        std::uint32_t offset = 0;
        for (const ptx::Variable& p : entry.params) {
            offset = roundUp(offset, p.align);
            kernel_.params.push_back({p.name, offset, static_cast<std::uint32_t>(p.bytes)});
            offset += static_cast<std::uint32_t>(p.bytes);
        }
        kernel_.paramBytes = offset;
    }

    void layoutShared() {
        std::set<std::string> used;
        for (const ptx::Function* f : functions_) {
            for (const ptx::Instruction& in : f->body) {
                for (const ptx::Operand& op : in.operands) used.insert(op.name);
            }
        }
        std::vector<const ptx::Variable*> dynamic;
        const auto add = [&](const ptx::Variable& v) {
            if (v.space != ptx::Space::Shared) return;
            if (v.external || v.bytes == 0) {
                dynamic.push_back(&v);
                return;
            }
            kernel_.staticShared = roundUp(kernel_.staticShared, v.align) + static_cast<std::uint32_t>(v.bytes);
            std::uint32_t offset = 0;
            if (!kernel_.sharedVariables.empty()) {
                offset =
                    roundUp(kernel_.sharedVariables.back().offset + kernel_.sharedVariables.back().bytes + kSharedGuard,
                            std::max(kSharedGuard, v.align));
            }
            kernel_.sharedVariables.push_back({v.name, offset, static_cast<std::uint32_t>(v.bytes)});
            shared_[v.name] = offset;
        };
        for (const ptx::Variable& v : module_.variables) {
            if (used.contains(v.name)) add(v);
        }
        for (const ptx::Function* f : functions_) {
            for (const ptx::Variable& v : f->variables) add(v);
        }
        if (!kernel_.sharedVariables.empty()) {
            const ParamInfo& last = kernel_.sharedVariables.back();
            kernel_.dynamicSharedOffset =
                roundUp(last.offset + last.bytes + (dynamic.empty() ? 0 : kSharedGuard), dynamic.empty() ? 1 : 1024);
        }
        for (const ptx::Variable* v : dynamic) shared_[v->name] = kernel_.dynamicSharedOffset;
    }

    void layoutFunction(std::size_t index) {
        const ptx::Function& f = *functions_[index];
        FunctionInfo& info = kernel_.functions[index];
        info.name = f.name;
        slots_.emplace_back();
        for (const ptx::Type& t : f.registers) {
            const unsigned width = t.isPredicate() ? 0 : t.totalBits() <= 32 ? 4 : t.totalBits() / 8;
            const std::uint32_t slot = newSlot(width);
            slots_.back().push_back(slot);
            info.slots.emplace_back(slot, static_cast<std::uint8_t>(width));
            kernel_.registerCount += width == 8 ? 2 : width == 4 ? 1 : 0;
        }
        frames_.emplace_back();
        const auto place = [&](const ptx::Variable& v) {
            info.frameBytes = roundUp(info.frameBytes, std::max(v.align, 8U));
            const ParamInfo p{v.name, info.frameBytes, static_cast<std::uint32_t>(v.bytes)};
            frames_.back()[v.name] = p;
            info.frameBytes += p.bytes;
            return p;
        };
        if (!f.entry) {
            for (const ptx::Variable& v : f.params) info.params.push_back(place(v));
            for (const ptx::Variable& v : f.returns) info.returns.push_back(place(v));
        }
        for (const ptx::Variable& v : f.variables) {
            if (v.space != ptx::Space::Shared) place(v);
        }
    }

    std::uint32_t newSlot(unsigned bytesPerLane) {
        // Predicates, one word, are packed into blocks of 32 words.
        if (bytesPerLane == 0) {
            if (predicateBlock_ % 128 == 0) {
                predicateBlock_ = kernel_.registerBytes;
                kernel_.registerBytes += 128;
            }
            const std::uint32_t slot = predicateBlock_;
            predicateBlock_ += 4;
            return slot;
        }
        const std::uint32_t slot = kernel_.registerBytes;
        kernel_.registerBytes += bytesPerLane * kLanes;
        return slot;
    }

    std::uint32_t constant(std::uint64_t bits, unsigned bytes) {
        if (bytes == 4) bits &= 0xffffffffU;
        const auto [it, isNew] = constants_.try_emplace({bits, bytes}, 0);
        if (isNew) {
            it->second = newSlot(bytes);
            kernel_.constants.push_back({it->second, bits, static_cast<std::uint8_t>(bytes)});
        }
        return it->second;
    }

    std::uint32_t special(Special s) {
        const auto [it, isNew] = specials_.try_emplace(s, 0);
        if (isNew) {
            it->second = newSlot(s == Special::GridId ? 8 : 4);
            kernel_.specials.emplace_back(it->second, s);
        }
        return it->second;
    }

    // ---- instructions ----

    Instr decode(const ptx::Instruction& in) {
        Decoding d(*this, in);
        const Decoder decoder = findDecoder(in.opcode[0]);
        if (decoder == nullptr) d.unknown();
        d.out.line = in.line;
        if (in.guard >= 0) {
            d.out.guarded = true;
            d.out.guardNegated = in.guardNegated;
            d.out.guard = slots_[current_][static_cast<std::size_t>(in.guard)];
        }
        decoder(d);
        if (const std::string rest = d.untaken(); !rest.empty()) d.fail("unknown modifier '." + rest + "'");
        if (d.out.run == nullptr) d.unknown();
        return d.out;
    }

    const ptx::Module& module_;
    const SymbolTable& symbols_;
    Kernel kernel_;
    std::vector<const ptx::Function*> functions_;
    std::size_t current_ = 0;
    std::vector<std::vector<std::uint32_t>> slots_;              // per function, per register
    std::vector<std::map<std::string, ParamInfo>> frames_;       // per function: variables in local memory
    std::map<std::string, std::uint32_t> shared_;
    std::map<std::pair<std::uint64_t, unsigned>, std::uint32_t> constants_;
    std::map<Special, std::uint32_t> specials_;
    std::uint32_t predicateBlock_ = 0;
    std::optional<std::uint32_t> carryFlag_;
    struct Jump {
        std::size_t pc, function, index;
    };
    struct Table {
        std::size_t table, function;
        std::vector<std::size_t> indices;
    };
    std::vector<Jump> jumps_;
    std::vector<Table> tables_;
};

// ---- Decoding ----

Decoding::Decoding(KernelBuilder& builder, const ptx::Instruction& in)
    : source(in), builder_(builder), taken_(in.opcode.size(), false) {
    taken_[0] = true;
}

void Decoding::fail(const std::string& why) const { throw ptx::Error(source.line, why + ": " + source.spelled()); }

bool Decoding::take(std::string_view modifier) {
    for (std::size_t i = 1; i < taken_.size(); ++i) {
        if (!taken_[i] && source.opcode[i] == modifier) {
            taken_[i] = true;
            return true;
        }
    }
    return false;
}

int Decoding::takeOneOf(std::initializer_list<std::string_view> modifiers) {
    int index = 0;
    for (const std::string_view m : modifiers) {
        if (take(m)) return index;
        ++index;
    }
    return -1;
}

std::optional<ptx::Type> Decoding::maybeType() {
    for (std::size_t i = 1; i < taken_.size(); ++i) {
        if (taken_[i]) continue;
        if (const auto t = ptx::typeFromName(source.opcode[i])) {
            taken_[i] = true;
            return t;
        }
    }
    return std::nullopt;
}

ptx::Type Decoding::type() {
    const auto t = maybeType();
    if (!t) fail("no type");
    return *t;
}

std::optional<ptx::Space> Decoding::maybeSpace() {
    for (std::size_t i = 1; i < taken_.size(); ++i) {
        if (taken_[i]) continue;
        if (const auto s = ptx::spaceFromName(source.opcode[i])) {
            taken_[i] = true;
            return s;
        }
    }
    return std::nullopt;
}

void Decoding::takeCacheHints() {
    for (std::size_t i = 1; i < taken_.size(); ++i) {
        const std::string& m = source.opcode[i];
        static const std::set<std::string, std::less<>> kHints{"ca",
                                                               "cg",
                                                               "cs",
                                                               "cv",
                                                               "lu",
                                                               "wb",
                                                               "wt",
                                                               "nc",
                                                               "L1::evict_last",
                                                               "L1::evict_first",
                                                               "L1::evict_normal",
                                                               "L1::evict_unchanged",
                                                               "L1::no_allocate",
                                                               "L2::cache_hint",
                                                               "L2::64B",
                                                               "L2::128B",
                                                               "L2::256B",
                                                               "L2::evict_first",
                                                               "L2::evict_last",
                                                               "L2::evict_normal",
                                                               "unified"};
        if (kHints.contains(m)) taken_[i] = true;
    }
}

std::string Decoding::untaken() const {
    for (std::size_t i = 0; i < taken_.size(); ++i) {
        if (!taken_[i]) return source.opcode[i];
    }
    return "";
}

const ptx::Operand& Decoding::operand(std::size_t i) const {
    if (i >= source.operands.size()) fail("too few operands");
    return source.operands[i];
}

void Decoding::expectOperands(std::size_t least, std::size_t most) {
    if (source.operands.size() < least || source.operands.size() > most) fail("wrong number of operands");
}

unsigned Decoding::registerBits(const ptx::Operand& op) const {
    if (op.kind != ptx::Operand::Kind::Register) fail("operand is not a register");
    return builder_.functions_[builder_.current_]->registers[static_cast<std::size_t>(op.reg)].totalBits();
}

std::uint32_t Decoding::destOf(const ptx::Operand& op, unsigned bits) {
    if (isSink(op)) return scratch(bits <= 32 ? 4 : bits / 8);
    if (registerBits(op) != bits ||
        builder_.functions_[builder_.current_]->registers[static_cast<std::size_t>(op.reg)].isPredicate()) {
        fail("destination register is not of " + std::to_string(bits) + " bits");
    }
    return builder_.slots_[builder_.current_][static_cast<std::size_t>(op.reg)];
}

std::uint32_t Decoding::sourceOf(const ptx::Operand& op, ptx::Type type) {
    const unsigned bits = type.totalBits();
    const unsigned bytes = bits <= 32 ? 4 : bits / 8;
    switch (op.kind) {
        case ptx::Operand::Kind::Register:
            if (registerBits(op) != bits ||
                builder_.functions_[builder_.current_]->registers[static_cast<std::size_t>(op.reg)].isPredicate()) {
                fail("source register is not of " + std::to_string(bits) + " bits");
            }
            if (op.negated) fail("'!' before a register that is no predicate");
            return builder_.slots_[builder_.current_][static_cast<std::size_t>(op.reg)];
        case ptx::Operand::Kind::Symbol: {
            if (op.name == "WARP_SZ") return builder_.constant(kLanes, bytes);
            if (const auto s = specialFromName(op.name)) {
                if ((*s == Special::GridId) != (bits == 64)) fail("width of special register " + op.name);
                return builder_.special(*s);
            }
            if (op.name[0] == '%') fail("unknown special register " + op.name);
            const auto value = [&]() -> std::uint64_t {
                if (const auto it = builder_.shared_.find(op.name); it != builder_.shared_.end()) return it->second;
                if (const auto it = builder_.symbols_.find(op.name); it != builder_.symbols_.end()) return it->second;
                for (const ParamInfo& p : builder_.kernel_.params) {
                    if (p.name == op.name && inEntry()) return p.offset;
                }
                fail("unknown name " + op.name);
            }();
            return builder_.constant(value + static_cast<std::uint64_t>(op.offset), bytes);
        }
        case ptx::Operand::Kind::Integer:
        case ptx::Operand::Kind::Float32:
        case ptx::Operand::Kind::Float64: {
            const std::uint64_t value = immediateBits(op, type);
            return builder_.constant(bits < 64 ? value & ((1ULL << bits) - 1) : value, bytes);
        }
        default: fail("operand is not a register or an immediate");
    }
}

std::uint32_t Decoding::appendSlot(std::uint32_t slot) {
    builder_.kernel_.slots.push_back(slot);
    return static_cast<std::uint32_t>(builder_.kernel_.slots.size() - 1);
}

std::uint32_t Decoding::slotAt(std::uint32_t index) const { return builder_.kernel_.slots[index]; }

std::uint32_t Decoding::destVector(const ptx::Operand& op, unsigned bits, std::size_t expected) {
    const bool vector = op.kind == ptx::Operand::Kind::Vector;
    if ((vector ? op.elements.size() : 1) != expected) fail("expected " + std::to_string(expected) + " registers");
    const auto first = static_cast<std::uint32_t>(builder_.kernel_.slots.size());
    for (std::size_t i = 0; i < expected; ++i) appendSlot(destOf(vector ? op.elements[i] : op, bits));
    return first;
}

std::uint32_t Decoding::sourceVector(const ptx::Operand& op, ptx::Type type, std::size_t expected) {
    const bool vector = op.kind == ptx::Operand::Kind::Vector;
    if ((vector ? op.elements.size() : 1) != expected) fail("expected " + std::to_string(expected) + " registers");
    const auto first = static_cast<std::uint32_t>(builder_.kernel_.slots.size());
    for (std::size_t i = 0; i < expected; ++i) appendSlot(sourceOf(vector ? op.elements[i] : op, type));
    return first;
}

std::uint32_t Decoding::predicateDest(const ptx::Operand& op) {
    if (isSink(op)) return builder_.newSlot(0);
    if (op.kind != ptx::Operand::Kind::Register ||
        !builder_.functions_[builder_.current_]->registers[static_cast<std::size_t>(op.reg)].isPredicate()) {
        fail("destination is not a predicate register");
    }
    return builder_.slots_[builder_.current_][static_cast<std::size_t>(op.reg)];
}

std::uint32_t Decoding::predicateSource(const ptx::Operand& op) {
    if (op.kind == ptx::Operand::Kind::Integer) return builder_.constant(op.bits != 0 ? 1 : 0, 0);
    return predicateDest(op);
}

std::uint32_t Decoding::truePredicate() { return builder_.constant(1, 0); }

std::uint32_t Decoding::carryFlag() {
    if (!builder_.carryFlag_) builder_.carryFlag_ = builder_.newSlot(0);
    return *builder_.carryFlag_;
}

std::uint64_t Decoding::immediate(std::size_t i) const {
    if (operand(i).kind != ptx::Operand::Kind::Integer) fail("operand " + std::to_string(i + 1) + " is not an integer");
    return operand(i).bits;
}

void Decoding::address(std::size_t i) {
    const ptx::Operand& op = operand(i);
    if (op.kind != ptx::Operand::Kind::Memory) fail("operand " + std::to_string(i + 1) + " is not an address");
    out.imm = op.offset;
    if (op.reg >= 0) {
        const unsigned bits =
            builder_.functions_[builder_.current_]->registers[static_cast<std::size_t>(op.reg)].totalBits();
        if (bits != 32 && bits != 64) fail("address register is not of 32 or 64 bits");
        out.base = bits == 64 ? Base::Register64 : Base::Register32;
        out.a = builder_.slots_[builder_.current_][static_cast<std::size_t>(op.reg)];
        return;
    }
    out.base = Base::Absolute;
    if (op.name.empty()) return;
    const auto& frame = builder_.frames_[builder_.current_];
    if (const auto it = frame.find(op.name); it != frame.end()) {
        out.base = Base::Frame;
        out.imm += it->second.offset;
        return;
    }
    if (inEntry()) {
        for (const ParamInfo& p : builder_.kernel_.params) {
            if (p.name != op.name) continue;
            out.imm += p.offset;
            return;
        }
    }
    if (const auto it = builder_.shared_.find(op.name); it != builder_.shared_.end()) out.imm += it->second;
    else if (const auto global = builder_.symbols_.find(op.name); global != builder_.symbols_.end())
        out.imm += static_cast<std::int64_t>(global->second);
    else fail("unknown name " + op.name);
}

std::optional<Special> Decoding::specialRegister(const ptx::Operand& op) const {
    return op.kind == ptx::Operand::Kind::Symbol ? specialFromName(op.name) : std::nullopt;
}

std::uint32_t Decoding::scratch(unsigned bytesPerLane) { return builder_.newSlot(bytesPerLane); }

std::uint32_t Decoding::functionIndex() const { return static_cast<std::uint32_t>(builder_.current_); }

bool Decoding::isBuiltin(const std::string& callee) const {
    const ptx::Function* f = builder_.module_.find(callee);
    return f == nullptr || !f->defined;
}

bool Decoding::isFrameVariable(const std::string& name) const {
    return builder_.frames_[builder_.current_].contains(name);
}

std::uint32_t Decoding::frameOffset(const std::string& variable) const {
    const auto& frame = builder_.frames_[builder_.current_];
    const auto it = frame.find(variable);
    if (it == frame.end()) fail("'" + variable + "' is not a variable in parameter or local space");
    return it->second.offset;
}

std::uint32_t Decoding::call(const std::string& callee, const std::vector<std::string>& results,
                             const std::vector<std::string>& arguments) {
    CallSite site{};
    site.caller = functionIndex();
    for (std::size_t i = 0; i < builder_.functions_.size(); ++i) {
        if (builder_.functions_[i]->name == callee) site.function = static_cast<std::uint32_t>(i);
    }
    const ptx::Function& f = *builder_.functions_[site.function];
    const auto match = [&](const std::vector<std::string>& names, const std::vector<ptx::Variable>& formal,
                           std::vector<std::uint32_t>& offsets) {
        if (names.size() != formal.size())
            fail("call of " + callee + " with " + std::to_string(names.size()) + " instead of " +
                 std::to_string(formal.size()) + " operands");
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto it = builder_.frames_[builder_.current_].find(names[i]);
            if (it == builder_.frames_[builder_.current_].end() || it->second.bytes < formal[i].bytes)
                fail("argument " + names[i] + " of " + callee);
            offsets.push_back(it->second.offset);
        }
    };
    match(arguments, f.params, site.arguments);
    match(results, f.returns, site.results);
    builder_.kernel_.calls.push_back(std::move(site));
    return static_cast<std::uint32_t>(builder_.kernel_.calls.size() - 1);
}

void Decoding::jumpTo(const std::string& label) {
    const ptx::Function& f = *builder_.functions_[builder_.current_];
    const auto index = f.findLabel(source.scope, label);
    if (!index) fail("unknown label " + label);
    builder_.jumps_.push_back({builder_.kernel_.code.size(), builder_.current_, *index});
}

std::uint32_t Decoding::jumpTable(const std::string& name) {
    const ptx::Function& f = *builder_.functions_[builder_.current_];
    const auto it = f.branchTargets.find(name);
    if (it == f.branchTargets.end()) fail("unknown branch targets " + name);
    KernelBuilder::Table table{builder_.kernel_.jumpTables.size(), builder_.current_, {}};
    for (const std::string& label : it->second) {
        const auto index = f.findLabel(source.scope, label);
        if (!index) fail("unknown label " + label);
        table.indices.push_back(*index);
    }
    builder_.kernel_.jumpTables.emplace_back();
    builder_.tables_.push_back(std::move(table));
    return static_cast<std::uint32_t>(builder_.kernel_.jumpTables.size() - 1);
}

Kernel decodeKernel(const ptx::Module& module, const ptx::Function& entry, const SymbolTable& symbols) {
    return KernelBuilder(module, entry, symbols).build();
}

}  // namespace cudasim
