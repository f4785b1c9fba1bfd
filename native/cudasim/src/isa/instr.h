// The decoded form of a kernel: operands are byte offsets into a warp's register file, the operation is a function
// specialised by type.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "machine/counters.h"
#include "ptx/ast.h"

namespace cudasim {

struct Warp;
struct Instr;

inline constexpr std::uint32_t kLanes = 32;
inline constexpr std::uint32_t kFullMask = 0xffffffffU;

/// Executes the instruction for the lanes of `mask`: the active ones whose guard holds.
using Handler = void (*)(Warp&, const Instr&, std::uint32_t mask);

/// How the address of a memory instruction is formed.
enum class Base : std::uint8_t { Register64, Register32, Absolute, Frame };

struct Instr {
    Handler run = nullptr;
    // Slots: byte offsets into the register file. d is the destination, e a second one.
    std::uint32_t d = 0, a = 0, b = 0, c = 0, e = 0;
    std::uint32_t guard = 0;          // slot of the guard predicate; valid when guarded
    bool guarded = false;
    bool guardNegated = false;
    bool control = false;             // runs also when no lane's guard holds
    Counter cls = Counter::inst_other;
    ptx::Space space = ptx::Space::Generic;
    Base base = Base::Absolute;
    std::uint8_t count = 1;           // vector elements
    bool strong = false;              // volatile, relaxed, acquire, release: takes no part in data races
    std::uint32_t extra = 0;          // index into Kernel::slots: the elements of vector operands
    std::uint32_t mode = 0;           // meaning is the handler's
    std::int64_t imm = 0;             // address offset; jump target; whatever else the handler needs
    int line = 0;
};

enum class Special : std::uint8_t {
    TidX, TidY, TidZ, NtidX, NtidY, NtidZ, CtaidX, CtaidY, CtaidZ, NctaidX, NctaidY, NctaidZ,
    LaneId, WarpId, NwarpId, SmId, NsmId, GridId, LaneMaskEq, LaneMaskLe, LaneMaskLt, LaneMaskGe, LaneMaskGt,
    DynamicSharedSize, TotalSharedSize, Clusterctaid, Nclusterctaid, Zero, One
};

struct ParamInfo {
    std::string name;
    std::uint32_t offset;
    std::uint32_t bytes;
};

struct FunctionInfo {
    std::string name;
    std::uint32_t entry = 0;          // pc
    // In local memory: .local variables, parameters and return values, call-site .param variables.
    std::uint32_t frameBytes = 0;
    std::vector<ParamInfo> params;    // offsets in the frame
    std::vector<ParamInfo> returns;
    std::vector<std::pair<std::uint32_t, std::uint8_t>> slots;  // register slots with bytes per lane; 0 for predicates
    bool recursive = false;
};

struct CallSite {
    std::uint32_t function;                            // index into Kernel::functions
    std::uint32_t caller;
    std::vector<std::uint32_t> arguments, results;     // frame offsets of the caller's .param variables
};

struct Kernel {
    std::string name;
    std::vector<Instr> code;
    std::vector<std::uint32_t> slots;
    std::vector<std::vector<std::uint32_t>> jumpTables;
    std::vector<FunctionInfo> functions;               // 0 is the kernel itself
    std::vector<CallSite> calls;
    std::uint32_t registerBytes = 0;
    // 32-bit registers per thread that the PTX declares; the hardware's own need is not known.
    std::uint32_t registerCount = 0;
    struct Constant {
        std::uint32_t slot;
        std::uint64_t bits;
        std::uint8_t bytes;
    };
    std::vector<Constant> constants;
    std::vector<std::pair<std::uint32_t, Special>> specials;
    std::vector<ParamInfo> params;
    std::uint32_t paramBytes = 0;
    std::vector<ParamInfo> sharedVariables;            // static ones, ascending, with guard bytes between them
    std::uint32_t staticShared = 0;                    // as the hardware would lay it out, without guard bytes
    std::uint32_t dynamicSharedOffset = 0;
    unsigned maxThreads = 1024;
    unsigned requiredThreads = 0;
    int target = 0;
    int ptxVersion = 0;
};

/// Addresses of the module's .global and .const variables.
using SymbolTable = std::map<std::string, std::uint64_t>;

/// Decodes one entry function and all it calls.
/// @throws ptx::Error naming whatever is not known
Kernel decodeKernel(const ptx::Module& module, const ptx::Function& entry, const SymbolTable& symbols);

}  // namespace cudasim
