// Streams and events.
#include <algorithm>
#include <chrono>

#include "driver/state.h"

using namespace cudasim;

namespace {

double nowMilliseconds() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

CUresult createStream(CUstream* out, unsigned flags, int priority) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
        static unsigned long long ids = 2;
        Stream* s = d.insert(d.streams, out, std::make_unique<Stream>());
        s->context = Driver::currentContext();
        s->flags = flags;
        s->priority = priority;
        s->id = ++ids;
        return CUDA_SUCCESS;
    });
}

CUresult record(CUevent handle, CUstream streamHandle, const char* caller = __builtin_FUNCTION()) {
    return api(Needs::Context, [&](Driver& d) {
        Event& e = d.lookup(d.events, handle);
        Stream& s = d.stream(streamHandle);
        if (s.capturing != nullptr) {
            e.capturing = s.capturing;
            e.captureTail = s.captureTail;
            return CUDA_SUCCESS;
        }
        e.capturing = nullptr;
        Work work;
        work.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD;
        work.run = [event = &e, &d, handle] {
            if (d.events.contains(handle)) event->milliseconds = nowMilliseconds();
            return CUDA_SUCCESS;
        };
        d.enqueue(s, std::move(work));
        e.recorded = s.last;
        return CUDA_SUCCESS;
    }, caller);
}

}  // namespace

extern "C" {

CUresult CUDAAPI cuStreamCreate(CUstream* out, unsigned int flags) { return createStream(out, flags, 0); }
CUresult CUDAAPI cuStreamCreateWithPriority(CUstream* out, unsigned int flags, int priority) { return createStream(out, flags, priority); }

CUresult CUDAAPI cuStreamDestroy(CUstream handle) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.lookup(d.streams, handle);
        if (s.capturing == nullptr) d.completeStream(s);
        else if (s.captureOrigin) d.graphs.erase(s.capturing);
        d.streams.erase(handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamSynchronize(CUstream handle) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        if (s.capturing != nullptr) {
            s.captureInvalid = true;
            return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
        d.completeStream(s);
        return d.sticky;
    });
}

// Asking makes progress: the work that was pending is done by the next question.
CUresult CUDAAPI cuStreamQuery(CUstream handle) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        if (s.capturing != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        const auto pending = d.tail(s);
        if (pending == nullptr) return d.sticky;
        d.completeStream(s);
        return CUDA_ERROR_NOT_READY;
    });
}

CUresult CUDAAPI cuStreamWaitEvent(CUstream handle, CUevent eventHandle, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        Event& e = d.lookup(d.events, eventHandle);
        if (e.capturing != nullptr) {
            if (s.capturing == nullptr) {
                s.capturing = e.capturing;
                s.captureTail.clear();
                for (const auto& [key, other] : d.streams) {
                    if (other->capturing == e.capturing && other->captureOrigin) s.captureId = other->captureId;
                }
            }
            if (s.capturing != e.capturing) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
            for (GraphNode* node : e.captureTail) {
                if (std::find(s.captureTail.begin(), s.captureTail.end(), node) == s.captureTail.end()) s.captureTail.push_back(node);
            }
            return CUDA_SUCCESS;
        }
        if (s.capturing != nullptr) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
        if (e.recorded == nullptr || e.recorded->done) return CUDA_SUCCESS;
        auto wait = std::make_shared<Operation>();
        wait->before.push_back(e.recorded);
        if (auto before = d.tail(s)) wait->before.push_back(std::move(before));
        s.last = std::move(wait);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamGetPriority(CUstream handle, int* priority) {
    return api(Needs::Context, [&](Driver& d) {
        if (priority == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *priority = d.stream(handle).priority;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamGetFlags(CUstream handle, unsigned int* flags) {
    return api(Needs::Context, [&](Driver& d) {
        if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *flags = d.stream(handle).flags;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamGetId(CUstream handle, unsigned long long* id) {
    return api(Needs::Context, [&](Driver& d) {
        if (id == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *id = d.stream(handle).id;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamGetCtx(CUstream handle, CUcontext* out) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        Context* c = d.stream(handle).context;
        *out = reinterpret_cast<CUcontext>(c != nullptr ? c : Driver::currentContext());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuLaunchHostFunc(CUstream handle, CUhostFn function, void* userData) {
    return api(Needs::Context, [&](Driver& d) {
        if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
        Work work;
        work.type = CU_GRAPH_NODE_TYPE_HOST;
        work.run = [function, userData] {
            function(userData);
            return CUDA_SUCCESS;
        };
        d.enqueue(d.stream(handle), std::move(work));
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamAddCallback(CUstream handle, CUstreamCallback callback, void* userData, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        if (callback == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (s.capturing != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        Work work;
        work.type = CU_GRAPH_NODE_TYPE_HOST;
        work.run = [&d, handle, callback, userData] {
            callback(handle, d.sticky, userData);
            return CUDA_SUCCESS;
        };
        d.enqueue(s, std::move(work));
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuEventCreate(CUevent* out, unsigned int flags) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        d.insert(d.events, out, std::make_unique<Event>())->flags = flags;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuEventDestroy(CUevent handle) {
    return api(Needs::Context, [&](Driver& d) {
        Event& e = d.lookup(d.events, handle);
        if (e.recorded && !e.recorded->done) d.complete(e.recorded);
        d.events.erase(handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) { return record(event, stream); }
CUresult CUDAAPI cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int) { return record(event, stream); }

CUresult CUDAAPI cuEventSynchronize(CUevent handle) {
    return api(Needs::Context, [&](Driver& d) {
        Event& e = d.lookup(d.events, handle);
        if (e.capturing != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
        d.complete(e.recorded);
        return d.sticky;
    });
}

CUresult CUDAAPI cuEventQuery(CUevent handle) {
    return api(Needs::Context, [&](Driver& d) {
        Event& e = d.lookup(d.events, handle);
        if (e.capturing != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
        if (e.recorded == nullptr || e.recorded->done) return d.sticky;
        d.complete(e.recorded);
        return CUDA_ERROR_NOT_READY;
    });
}

// Time that the simulator took on the host, which says nothing about a device.
CUresult CUDAAPI cuEventElapsedTime(float* milliseconds, CUevent startHandle, CUevent endHandle) {
    return api(Needs::Context, [&](Driver& d) {
        Event& start = d.lookup(d.events, startHandle);
        Event& end = d.lookup(d.events, endHandle);
        if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (((start.flags | end.flags) & CU_EVENT_DISABLE_TIMING) != 0 || !start.recorded || !end.recorded) return CUDA_ERROR_INVALID_HANDLE;
        if (!start.recorded->done || !end.recorded->done) return CUDA_ERROR_NOT_READY;
        *milliseconds = static_cast<float>(end.milliseconds - start.milliseconds);
        return CUDA_SUCCESS;
    });
}
#undef cuEventElapsedTime
CUresult CUDAAPI cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) { return cuEventElapsedTime_v2(milliseconds, start, end); }

}  // extern "C"
