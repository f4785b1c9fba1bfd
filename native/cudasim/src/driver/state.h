// The state behind the driver API: handles, streams of pending work, graphs. Everything is guarded by one recursive lock.
#pragma once

#include <cuda.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "check/findings.h"
#include "driver/options.h"
#include "isa/instr.h"
#include "machine/launch.h"
#include "machine/memory.h"

namespace cudasim {

/// Thrown inside an API function; becomes its result.
struct ApiError {
    CUresult result;
    std::string misuse{};  // what only a wrong program does: becomes a finding `api`. Empty for other errors
};

/// A handle that names nothing alive: never created, or destroyed.
[[noreturn]] void throwNoSuchHandle(const char* kind, const void* handle, CUresult result);

/// Something that a stream executes or a graph's node holds.
struct Work {
    CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
    std::function<CUresult()> run;
    CUDA_KERNEL_NODE_PARAMS kernel{};  // of kernel nodes; kernelParams and extra are not kept
};

/// A work enqueued on a stream, with what must be done before.
struct Operation {
    std::shared_ptr<const Work> work;
    std::vector<std::shared_ptr<Operation>> before;
    bool done = false;
};

struct Context {
    bool primary = false;
    unsigned retained = 0;
    unsigned flags = 0;
    static constexpr const char* kKind = "context";
};

struct Module;

struct Function {
    Module* module = nullptr;
    Kernel kernel;
    int maxDynamicShared = 0;
    std::map<int, int> attributes;
};

struct Module {
    std::string name;
    std::map<std::string, std::unique_ptr<Function>> functions;
    struct Global {
        std::uint64_t address;
        std::size_t bytes;
    };
    std::map<std::string, Global> globals;
    static constexpr const char* kKind = "module";
};

struct Graph;

struct GraphNode {
    std::shared_ptr<const Work> work;
    std::vector<GraphNode*> dependencies;
};

struct Graph {
    std::vector<std::unique_ptr<GraphNode>> nodes;  // in an order that satisfies all dependencies, unless edges were added by hand

    GraphNode* add(std::shared_ptr<const Work> work, std::vector<GraphNode*> dependencies);
    /// Nodes in an order of execution. @throws ApiError when there is a cycle
    std::vector<GraphNode*> ordered() const;
    static constexpr const char* kKind = "graph";
};

struct GraphExec {
    std::vector<std::shared_ptr<const Work>> works;  // in order of execution
    std::vector<CUgraphNodeType> types;
    std::vector<std::vector<std::size_t>> dependencies;
    std::vector<const GraphNode*> nodes;  // of the graph it was made from, to find a node again
    static constexpr const char* kKind = "executable graph";
};

struct Stream {
    Context* context = nullptr;
    unsigned flags = 0;
    int priority = 0;
    unsigned long long id = 0;
    std::shared_ptr<Operation> last;
    // capture
    Graph* capturing = nullptr;
    bool captureOrigin = false;
    bool captureInvalid = false;
    unsigned long long captureId = 0;
    std::vector<GraphNode*> captureTail;
    static constexpr const char* kKind = "stream";
};

struct Event {
    unsigned flags = 0;
    std::shared_ptr<Operation> recorded;
    double milliseconds = 0;  // when the record was executed
    Graph* capturing = nullptr;
    std::vector<GraphNode*> captureTail;
    static constexpr const char* kKind = "event";
};

struct LaunchRecord {
    std::string kernel;
    std::array<std::uint32_t, 3> grid{}, block{};
    Counters counters;
};

template <class T>
using Handles = std::unordered_map<const void*, std::unique_ptr<T>>;

class Driver {
public:
    static Driver& get();

    std::recursive_mutex mutex;
    Options options = Options::fromEnvironment();
    Findings findings;
    bool initialised = false;
    CUresult sticky = CUDA_SUCCESS;
    std::unique_ptr<DeviceMemory> memory;
    std::vector<LaunchRecord> launches;
    std::unordered_map<std::string_view, long long> calls;  // of API functions, by their names
    std::uint64_t gridIds = 0;

    Handles<Context> contexts;
    Context* primary = nullptr;
    Handles<Module> modules;
    Handles<Stream> streams;
    Handles<Event> events;
    Handles<Graph> graphs;
    Handles<GraphExec> graphExecs;
    std::unique_ptr<Stream> legacyStream;
    std::unique_ptr<Stream> perThreadStream;
    std::unordered_set<const Function*> functions;

    void reset();
    static std::vector<Context*>& contextStack();
    static Context* currentContext();

    /// @throws ApiError{CUDA_ERROR_INVALID_HANDLE and the like}
    Stream& stream(CUstream handle);
    template <class T>
    T& lookup(Handles<T>& table, const void* handle, CUresult otherwise = CUDA_ERROR_INVALID_HANDLE) {
        const auto it = table.find(handle);
        if (it == table.end()) throwNoSuchHandle(T::kKind, handle, otherwise);
        return *it->second;
    }
    template <class T, class H>
    T* insert(Handles<T>& table, H* out, std::unique_ptr<T> object) {
        T* raw = object.get();
        table.emplace(raw, std::move(object));
        *out = reinterpret_cast<H>(raw);
        return raw;
    }

    /// Enqueues work, or captures it.
    void enqueue(Stream& stream, Work work);
    std::shared_ptr<Operation> tail(Stream& stream);  // what work enqueued now on the stream would wait for, as one operation (may be null)
    /// Executes everything the operation needs, and it.
    void complete(const std::shared_ptr<Operation>& operation);
    void completeStream(Stream& stream);
    void completeAll();
    /// Refuses calls that synchronise while a stream is being captured (which it invalidates, as the driver does).
    void refuseDuringCapture();

    CUresult runKernel(const Function& function, const CUDA_KERNEL_NODE_PARAMS& shape, const std::vector<std::byte>& params, bool cooperative);
    std::string reportJson();

private:
    Driver() = default;
};

/// Which of the preconditions of an API function hold for it.
enum class Needs { Nothing, Init, Context };

/// Runs the body of an API function: lock, preconditions, errors. `caller` is its name in findings.
template <class F>
CUresult api(Needs needs, F body, const char* caller = __builtin_FUNCTION()) {
    Driver& driver = Driver::get();
    const std::lock_guard lock(driver.mutex);
    ++driver.calls[caller];
    if (needs != Needs::Nothing && !driver.initialised) return CUDA_ERROR_NOT_INITIALIZED;
    if (needs == Needs::Context) {
        if (Driver::currentContext() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
        if (driver.sticky != CUDA_SUCCESS) return driver.sticky;
    }
    try {
        return body(driver);
    } catch (const ApiError& e) {
        if (!e.misuse.empty()) driver.findings.report("api", caller, e.misuse);
        return e.result;
    } catch (const std::bad_alloc&) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
}

}  // namespace cudasim
