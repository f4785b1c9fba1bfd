// The control interface: <cudasim/cudasim.h>.
#include "cudasim/cudasim.h"

#include <cstring>

#include "driver/transfer.h"

using namespace cudasim;

namespace {

std::size_t give(const std::string& text, char* buffer, std::size_t capacity) {
    if (buffer != nullptr && text.size() < capacity) std::memcpy(buffer, text.c_str(), text.size() + 1);
    return text.size() + 1;
}

// The driver with all enqueued work done.
class Settled {
public:
    Settled() : lock_(Driver::get().mutex) { Driver::get().completeAll(); }
    Driver* operator->() const { return &Driver::get(); }

private:
    std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace

extern "C" {

int cudasimSetOption(const char* name, long long value) {
    Driver& d = Driver::get();
    const std::lock_guard lock(d.mutex);
    return name != nullptr && d.options.set(name, value) ? 0 : 1;
}

long long cudasimGetOption(const char* name) {
    Driver& d = Driver::get();
    const std::lock_guard lock(d.mutex);
    return name == nullptr ? -1 : d.options.get(name).value_or(-1);
}

int cudasimErrorCount(void) { return static_cast<int>(Settled()->findings.size()); }

int cudasimGetError(int index, cudasimFinding* out) {
    const Settled d;
    const Finding* f = index < 0 ? nullptr : d->findings.at(static_cast<std::size_t>(index));
    if (f == nullptr || out == nullptr) return 1;
    out->check = f->check.c_str();
    out->kernel = f->site.kernel.c_str();
    out->line = f->site.line;
    std::copy(f->site.block.begin(), f->site.block.end(), out->block);
    std::copy(f->site.thread.begin(), f->site.thread.end(), out->thread);
    out->count = f->count;
    out->message = f->message.c_str();
    return 0;
}

size_t cudasimGetErrors(char* buffer, size_t capacity) { return give(Settled()->findings.json(), buffer, capacity); }

size_t cudasimGetReport(char* buffer, size_t capacity) { return give(Settled()->reportJson(), buffer, capacity); }

int cudasimLaunchCount(void) { return static_cast<int>(Settled()->launches.size()); }

long long cudasimGetCounter(int launch, const char* name) {
    const Settled d;
    const auto n = static_cast<int>(d->launches.size());
    if (launch < 0) launch += n;
    if (launch < 0 || launch >= n || name == nullptr) return -1;
    for (std::size_t c = 0; c < kCounters; ++c) {
        if (kCounterNames[c] == name) return static_cast<long long>(d->launches[static_cast<std::size_t>(launch)].counters[static_cast<Counter>(c)]);
    }
    return -1;
}

long long cudasimCallCount(const char* name) {
    Driver& d = Driver::get();
    const std::lock_guard lock(d.mutex);
    const auto it = name == nullptr ? d.calls.end() : d.calls.find(name);
    return it == d.calls.end() ? 0 : it->second;
}

int cudasimCheckLeaks(void) {
    const Settled d;
    int leaks = 0;
    const auto leak = [&](const char* creator, const std::string& what) {
        d->findings.report("leak", creator, what);
        ++leaks;
    };
    const auto handles = [&](const auto& table, const char* creator, const char* what) {
        for (const auto& [handle, object] : table) {
            char address[32];
            std::snprintf(address, sizeof address, "%p", handle);
            leak(creator, std::string(what) + " " + address + " is alive");
        }
    };
    for (const auto& [handle, module] : d->modules) leak("cuModuleLoadData", "a module (first kernel: " + module->name + ") is loaded");
    handles(d->streams, "cuStreamCreate", "stream");
    handles(d->events, "cuEventCreate", "event");
    handles(d->graphs, "cuGraphCreate", "graph");
    handles(d->graphExecs, "cuGraphInstantiate", "executable graph");
    for (const auto& [handle, context] : d->contexts) {
        if (!context->primary) leak("cuCtxCreate", "a context is alive");
        else if (context->retained > 0) leak("cuDevicePrimaryCtxRetain", "the primary context is retained " + std::to_string(context->retained) + " times");
    }
    if (d->memory) {
        for (const auto& [address, a] : d->memory->allocations()) {
            if (a.live && a.what == "allocation") leak("cuMemAlloc", d->memory->describe(address) + " is alive");
        }
        for (const auto& [address, range] : d->memory->hostRanges()) {
            leak(range.owned ? "cuMemHostAlloc" : "cuMemHostRegister", std::to_string(range.bytes) + " bytes of host memory are " + (range.owned ? "allocated" : "registered"));
        }
    }
    return leaks;
}

void cudasimClear(void) {
    const Settled d;
    d->findings.clear();
    d->launches.clear();
    d->calls.clear();
}

void cudasimReset(void) {
    Driver& d = Driver::get();
    const std::lock_guard lock(d.mutex);
    d.reset();
}

void* cudasimHostPointer(CUdeviceptr pointer, size_t bytes, size_t rows, size_t rowStride, int access, const char* caller) {
    Driver& d = Driver::get();
    const std::lock_guard lock(d.mutex);
    if (!d.initialised || bytes == 0 || rows == 0) return nullptr;
    if (caller == nullptr) caller = "cudasimHostPointer";
    std::byte* first = nullptr;
    bool reads = (access & CUDASIM_READ) != 0;
    const std::size_t before = d.findings.size();
    for (std::size_t row = 0; row < rows; ++row) {
        std::byte* p = deviceRange(d, pointer + row * rowStride, bytes, reads, (access & CUDASIM_WRITE) != 0, caller);
        if (p == nullptr) return nullptr;
        if (row == 0) first = p;
        reads = reads && d.findings.size() == before;  // one finding a matrix
    }
    return first;
}

CUresult cudasimEnqueue(CUstream stream, const char* name, CUresult (*function)(void*), const void* arguments, size_t size) {
    return api(Needs::Context, [&](Driver& d) {
        if (function == nullptr || (arguments == nullptr && size != 0)) return CUDA_ERROR_INVALID_VALUE;
        const auto* bytes = static_cast<const std::byte*>(arguments);
        Work work;
        work.type = CU_GRAPH_NODE_TYPE_KERNEL;
        work.run = [&d, name = std::string(name != nullptr ? name : ""), function, kept = std::vector<std::byte>(bytes, bytes + size)] {
            auto copy = kept;
            d.launches.push_back({name, {1, 1, 1}, {1, 1, 1}, Counters{}});
            return function(copy.data());
        };
        d.enqueue(d.stream(stream), std::move(work));
        return CUDA_SUCCESS;
    });
}

}  // extern "C"
