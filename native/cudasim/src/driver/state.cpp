#include "driver/state.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace cudasim {
namespace {

// At the end of a program that nobody wrote for the simulator: what the checks found goes to standard error, the report to the file CUDASIM_REPORT.
void reportAtExit() {
    Driver& driver = Driver::get();
    const std::lock_guard lock(driver.mutex);
    if (const char* path = std::getenv("CUDASIM_REPORT")) std::ofstream(path) << driver.reportJson();
    for (std::size_t i = 0; const Finding* f = driver.findings.at(i); ++i) {
        std::fprintf(stderr, "cudasim (simulated CUDA driver): %s: %s", f->check.c_str(), f->site.kernel.c_str());
        if (f->site.line >= 0) {
            std::fprintf(stderr, ", PTX line %d, block (%d,%d,%d), thread (%d,%d,%d)", f->site.line, f->site.block[0], f->site.block[1], f->site.block[2],
                         f->site.thread[0], f->site.thread[1], f->site.thread[2]);
        }
        std::fprintf(stderr, ": %s%s\n", f->message.c_str(), f->count > 1 ? (" (" + std::to_string(f->count) + " times)").c_str() : "");
    }
}

}  // namespace

void throwNoSuchHandle(const char* kind, const void* handle, CUresult result) {
    char address[32];
    std::snprintf(address, sizeof address, "%p", handle);
    throw ApiError{result, std::string(address) + " is no " + kind + " that is alive: destroyed, or never created"};
}

Driver& Driver::get() {
    // Never destroyed: threads and static destructors of the program may call until the very end.
    static Driver* const driver = [] {
        auto* d = new Driver;
        std::atexit(reportAtExit);
        return d;
    }();
    return *driver;
}

std::vector<Context*>& Driver::contextStack() {
    thread_local std::vector<Context*> stack;
    return stack;
}

Context* Driver::currentContext() {
    const auto& stack = contextStack();
    if (stack.empty()) return nullptr;
    return get().contexts.contains(stack.back()) ? stack.back() : nullptr;
}

void Driver::reset() {
    graphExecs.clear();
    graphs.clear();
    events.clear();
    streams.clear();
    functions.clear();
    modules.clear();
    contexts.clear();
    primary = nullptr;
    legacyStream = std::make_unique<Stream>();
    perThreadStream = std::make_unique<Stream>();
    perThreadStream->flags = CU_STREAM_NON_BLOCKING;
    memory.reset();
    launches.clear();
    calls.clear();
    findings.clear();
    sticky = CUDA_SUCCESS;
    initialised = false;
    options = Options::fromEnvironment();
    contextStack().clear();
}

Stream& Driver::stream(CUstream handle) {
    if (handle == nullptr || handle == CU_STREAM_LEGACY) return *legacyStream;
    if (handle == CU_STREAM_PER_THREAD) return *perThreadStream;
    return lookup(streams, handle);
}

// The legacy stream waits for all blocking streams, and they for it.
std::shared_ptr<Operation> Driver::tail(Stream& s) {
    std::vector<std::shared_ptr<Operation>> before;
    const auto add = [&](const std::shared_ptr<Operation>& o) {
        if (o && !o->done) before.push_back(o);
    };
    add(s.last);
    if (&s == legacyStream.get()) {
        for (const auto& [handle, other] : streams) {
            if ((other->flags & CU_STREAM_NON_BLOCKING) == 0) add(other->last);
        }
    } else if ((s.flags & CU_STREAM_NON_BLOCKING) == 0) {
        add(legacyStream->last);
    }
    if (before.empty()) return nullptr;
    if (before.size() == 1) return before.front();
    auto joined = std::make_shared<Operation>();
    joined->before = std::move(before);
    return joined;
}

void Driver::enqueue(Stream& s, Work work) {
    if (s.capturing != nullptr) {
        GraphNode* node = s.capturing->add(std::make_shared<const Work>(std::move(work)), s.captureTail);
        s.captureTail = {node};
        return;
    }
    if (&s == legacyStream.get()) {
        for (const auto& [handle, other] : streams) {
            if (other->capturing == nullptr || (other->flags & CU_STREAM_NON_BLOCKING) != 0) continue;
            other->captureInvalid = true;
            throw ApiError{CUDA_ERROR_STREAM_CAPTURE_IMPLICIT};
        }
    }
    auto operation = std::make_shared<Operation>();
    operation->work = std::make_shared<const Work>(std::move(work));
    if (auto before = tail(s)) operation->before.push_back(std::move(before));
    s.last = operation;
    if (options.deferred == 0) complete(operation);
}

void Driver::complete(const std::shared_ptr<Operation>& operation) {
    // Depth first, without recursion: a stream may hold a long chain.
    std::vector<std::shared_ptr<Operation>> open{operation};
    while (!open.empty()) {
        const std::shared_ptr<Operation> o = open.back();
        if (o == nullptr || o->done) {
            open.pop_back();
            continue;
        }
        if (!o->before.empty()) {
            const std::vector<std::shared_ptr<Operation>> before = std::move(o->before);
            o->before.clear();
            for (const auto& b : before) open.push_back(b);
            continue;
        }
        open.pop_back();
        o->done = true;
        if (o->work && o->work->run && sticky == CUDA_SUCCESS) {
            const CUresult result = o->work->run();
            if (result != CUDA_SUCCESS && sticky == CUDA_SUCCESS) sticky = result;
        }
        o->work.reset();
    }
}

void Driver::completeStream(Stream& s) {
    complete(tail(s));
    s.last.reset();
}

void Driver::completeAll() {
    if (legacyStream) completeStream(*legacyStream);
    if (perThreadStream) completeStream(*perThreadStream);
    for (const auto& [handle, s] : streams) {
        if (s->capturing == nullptr) completeStream(*s);
    }
}

void Driver::refuseDuringCapture() {
    for (const auto& [handle, s] : streams) {
        if (s->capturing == nullptr) continue;
        s->captureInvalid = true;
        throw ApiError{CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED};
    }
}

CUresult Driver::runKernel(const Function& function, const CUDA_KERNEL_NODE_PARAMS& shape, const std::vector<std::byte>& params, bool cooperative) {
    Launch launch;
    launch.kernel = &function.kernel;
    launch.grid = {shape.gridDimX, shape.gridDimY, shape.gridDimZ};
    launch.block = {shape.blockDimX, shape.blockDimY, shape.blockDimZ};
    launch.dynamicShared = shape.sharedMemBytes;
    launch.params = params;
    launch.cooperative = cooperative;
    launch.gridId = ++gridIds;
    launch.memory = memory.get();
    launch.findings = &findings;
    launch.checks = options.checks != 0;
    launch.seed = static_cast<std::uint64_t>(options.seed);
    launch.workers = static_cast<unsigned>(options.workers);
    launch.multiprocessors = static_cast<unsigned>(options.multiprocessors);
    launch.maxInstructions = static_cast<std::uint64_t>(options.max_instructions);
    const LaunchResult result = execute(launch);
    launches.push_back({function.kernel.name, launch.grid, launch.block, result.counters});
    return static_cast<CUresult>(result.result);
}

GraphNode* Graph::add(std::shared_ptr<const Work> work, std::vector<GraphNode*> dependencies) {
    nodes.push_back(std::make_unique<GraphNode>(GraphNode{std::move(work), std::move(dependencies)}));
    return nodes.back().get();
}

std::vector<GraphNode*> Graph::ordered() const {
    std::vector<GraphNode*> order;
    std::unordered_map<const GraphNode*, int> state;  // 1: being visited, 2: in the order
    const std::function<void(GraphNode*)> visit = [&](GraphNode* node) {
        int& s = state[node];
        if (s == 2) return;
        if (s == 1) throw ApiError{CUDA_ERROR_INVALID_VALUE};
        s = 1;
        for (GraphNode* d : node->dependencies) visit(d);
        state[node] = 2;
        order.push_back(node);
    };
    for (const auto& node : nodes) visit(node.get());
    return order;
}

std::string Driver::reportJson() {
    std::string out = "{\"simulator\": \"cudasim: counts, not times\",\n\"launches\": [";
    for (std::size_t i = 0; i < launches.size(); ++i) {
        const LaunchRecord& l = launches[i];
        const auto triple = [](const std::array<std::uint32_t, 3>& v) {
            return "[" + std::to_string(v[0]) + "," + std::to_string(v[1]) + "," + std::to_string(v[2]) + "]";
        };
        out += (i == 0 ? "\n " : ",\n ") + ("{\"kernel\": " + jsonString(l.kernel)) + ", \"grid\": " + triple(l.grid) +
               ", \"block\": " + triple(l.block) + ", \"counters\": {";
        for (std::size_t c = 0; c < kCounters; ++c) {
            out += (c == 0 ? "\"" : ", \"") + std::string(kCounterNames[c]) + "\": " + std::to_string(l.counters[static_cast<Counter>(c)]);
        }
        out += "}}";
    }
    return out + "],\n\"errors\": " + findings.json() + "}\n";
}

}  // namespace cudasim
