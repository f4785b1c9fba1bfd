// Stream capture, graphs and executable graphs.
#include <algorithm>
#include <cstring>

#include "driver/launching.h"
#include "driver/transfer.h"

using namespace cudasim;

namespace {

GraphNode& nodeOf(Graph& graph, CUgraphNode handle) {
    for (const auto& n : graph.nodes) {
        if (n.get() == reinterpret_cast<GraphNode*>(handle)) return *n;
    }
    throwNoSuchHandle("node of the graph", handle, CUDA_ERROR_INVALID_VALUE);
}

GraphNode& nodeOf(Driver& d, CUgraphNode handle) {
    for (const auto& [key, graph] : d.graphs) {
        for (const auto& n : graph->nodes) {
            if (n.get() == reinterpret_cast<GraphNode*>(handle)) return *n;
        }
    }
    throwNoSuchHandle("node of a graph", handle, CUDA_ERROR_INVALID_VALUE);
}

std::unique_ptr<GraphExec> compile(const Graph& graph) {
    auto exec = std::make_unique<GraphExec>();
    const std::vector<GraphNode*> order = graph.ordered();
    for (const GraphNode* n : order) {
        exec->works.push_back(n->work);
        exec->types.push_back(n->work->type);
        exec->nodes.push_back(n);
        std::vector<std::size_t> before;
        for (const GraphNode* dependency : n->dependencies) {
            before.push_back(static_cast<std::size_t>(std::find(order.begin(), order.end(), dependency) - order.begin()));
        }
        std::sort(before.begin(), before.end());
        exec->dependencies.push_back(std::move(before));
    }
    return exec;
}

CUresult instantiate(CUgraphExec* out, CUgraph handle, const char* caller = __builtin_FUNCTION()) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        d.insert(d.graphExecs, out, compile(d.lookup(d.graphs, handle)));
        return CUDA_SUCCESS;
    }, caller);
}

CUresult addNode(CUgraphNode* out, CUgraph handle, const CUgraphNode* dependencies, std::size_t count,
                 const std::function<Work(Driver&)>& make, const char* caller = __builtin_FUNCTION()) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr || (dependencies == nullptr && count != 0)) return CUDA_ERROR_INVALID_VALUE;
        Graph& graph = d.lookup(d.graphs, handle);
        std::vector<GraphNode*> before;
        for (std::size_t i = 0; i < count; ++i) before.push_back(&nodeOf(graph, dependencies[i]));
        *out = reinterpret_cast<CUgraphNode>(graph.add(std::make_shared<const Work>(make(d)), std::move(before)));
        return CUDA_SUCCESS;
    }, caller);
}

Work memsetWork(Driver& d, const CUDA_MEMSET_NODE_PARAMS& p) {
    if (p.elementSize != 1 && p.elementSize != 2 && p.elementSize != 4) throw ApiError{CUDA_ERROR_INVALID_VALUE};
    if (p.height != 1) throw ApiError{CUDA_ERROR_NOT_SUPPORTED};
    return fillWork(d, p.dst, p.value, p.elementSize, p.width, "memset node");
}

Work memcpyWork(Driver& d, const CUDA_MEMCPY3D& p) {
    if (p.Height > 1 || p.Depth > 1) throw ApiError{CUDA_ERROR_NOT_SUPPORTED};
    const auto place = [](CUmemorytype type, CUdeviceptr device, const void* host, std::size_t offset) {
        if (type == CU_MEMORYTYPE_DEVICE) return Place::device(device + offset);
        if (type == CU_MEMORYTYPE_HOST) return Place::host(static_cast<const char*>(host) + offset);
        throw ApiError{CUDA_ERROR_NOT_SUPPORTED};
    };
    return copyWork(d, {place(p.dstMemoryType, p.dstDevice, p.dstHost, p.dstXInBytes), place(p.srcMemoryType, p.srcDevice, p.srcHost, p.srcXInBytes), p.WidthInBytes, "memcpy node"});
}

}  // namespace

extern "C" {

CUresult CUDAAPI cuStreamBeginCapture(CUstream handle, CUstreamCaptureMode) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        if (&s == d.legacyStream.get()) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        if (s.capturing != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
        static unsigned long long ids = 0;
        CUgraph graph = nullptr;
        s.capturing = d.insert(d.graphs, &graph, std::make_unique<Graph>());
        s.captureOrigin = true;
        s.captureInvalid = false;
        s.captureId = ++ids;
        s.captureTail.clear();
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamEndCapture(CUstream handle, CUgraph* out) {
    return api(Needs::Context, [&](Driver& d) {
        Stream& s = d.stream(handle);
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *out = nullptr;
        if (s.capturing == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
        if (!s.captureOrigin) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
        Graph* graph = s.capturing;
        CUresult result = s.captureInvalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
        // Work of other streams must have been joined: the origin's end depends on it.
        std::vector<const GraphNode*> reached(s.captureTail.begin(), s.captureTail.end());
        for (std::size_t i = 0; i < reached.size(); ++i) {
            for (const GraphNode* n : reached[i]->dependencies) {
                if (std::find(reached.begin(), reached.end(), n) == reached.end()) reached.push_back(n);
            }
        }
        for (const auto& [key, other] : d.streams) {
            if (other->capturing != graph) continue;
            if (other->captureInvalid) result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
            for (const GraphNode* n : other->captureTail) {
                if (std::find(reached.begin(), reached.end(), n) == reached.end() && result == CUDA_SUCCESS) result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
            }
            other->capturing = nullptr;
            other->captureOrigin = false;
            other->captureTail.clear();
        }
        s.capturing = nullptr;
        s.captureOrigin = false;
        s.captureTail.clear();
        for (const auto& [key, event] : d.events) {
            if (event->capturing == graph) event->capturing = nullptr;
        }
        if (result != CUDA_SUCCESS) {
            d.graphs.erase(graph);
            return result;
        }
        *out = reinterpret_cast<CUgraph>(graph);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
    return api(Needs::Context, [&](Driver& d) {
        if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
        const Stream& s = d.stream(handle);
        *status = s.capturing == nullptr ? CU_STREAM_CAPTURE_STATUS_NONE : s.captureInvalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
    if (mode == nullptr) return CUDA_ERROR_INVALID_VALUE;
    thread_local CUstreamCaptureMode current = CU_STREAM_CAPTURE_MODE_GLOBAL;
    std::swap(current, *mode);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphCreate(CUgraph* out, unsigned int) {
    return api(Needs::Context, [&](Driver& d) {
        if (out == nullptr) return CUDA_ERROR_INVALID_VALUE;
        d.insert(d.graphs, out, std::make_unique<Graph>());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphDestroy(CUgraph handle) {
    return api(Needs::Context, [&](Driver& d) {
        d.lookup(d.graphs, handle);
        d.graphs.erase(handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphAddKernelNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count, const CUDA_KERNEL_NODE_PARAMS* params) {
    if (params == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return addNode(out, graph, dependencies, count, [&](Driver& d) { return kernelWork(d, *params, false); });
}

CUresult CUDAAPI cuGraphAddMemsetNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count, const CUDA_MEMSET_NODE_PARAMS* params, CUcontext) {
    if (params == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return addNode(out, graph, dependencies, count, [&](Driver& d) { return memsetWork(d, *params); });
}

CUresult CUDAAPI cuGraphAddMemcpyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count, const CUDA_MEMCPY3D* params, CUcontext) {
    if (params == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return addNode(out, graph, dependencies, count, [&](Driver& d) { return memcpyWork(d, *params); });
}

CUresult CUDAAPI cuGraphAddHostNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count, const CUDA_HOST_NODE_PARAMS* params) {
    if (params == nullptr || params->fn == nullptr) return CUDA_ERROR_INVALID_VALUE;
    return addNode(out, graph, dependencies, count, [&](Driver&) {
        Work work;
        work.type = CU_GRAPH_NODE_TYPE_HOST;
        work.run = [p = *params] {
            p.fn(p.userData);
            return CUDA_SUCCESS;
        };
        return work;
    });
}

CUresult CUDAAPI cuGraphAddEmptyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count) {
    return addNode(out, graph, dependencies, count, [](Driver&) { return Work{}; });
}

CUresult CUDAAPI cuGraphGetNodes(CUgraph handle, CUgraphNode* nodes, size_t* count) {
    return api(Needs::Context, [&](Driver& d) {
        const Graph& graph = d.lookup(d.graphs, handle);
        if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (nodes != nullptr) {
            for (std::size_t i = 0; i < *count; ++i) nodes[i] = i < graph.nodes.size() ? reinterpret_cast<CUgraphNode>(graph.nodes[i].get()) : nullptr;
        }
        *count = nodes == nullptr ? graph.nodes.size() : std::min(*count, graph.nodes.size());
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
    return api(Needs::Context, [&](Driver& d) {
        if (type == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *type = nodeOf(d, node).work->type;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphKernelNodeGetParams(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS* params) {
    return api(Needs::Context, [&](Driver& d) {
        const Work& work = *nodeOf(d, node).work;
        if (params == nullptr || work.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
        *params = work.kernel;
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphKernelNodeSetParams(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
    return api(Needs::Context, [&](Driver& d) {
        if (params == nullptr) return CUDA_ERROR_INVALID_VALUE;
        nodeOf(d, node).work = std::make_shared<const Work>(kernelWork(d, *params, false));
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph, unsigned long long) { return instantiate(out, graph); }
#undef cuGraphInstantiate
CUresult CUDAAPI cuGraphInstantiate(CUgraphExec* out, CUgraph graph, unsigned long long) { return instantiate(out, graph); }

CUresult CUDAAPI cuGraphInstantiateWithParams(CUgraphExec* out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params) {
    if (params == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const CUresult result = instantiate(out, graph);
    params->hErrNode_out = nullptr;
    params->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
    return result;
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec handle) {
    return api(Needs::Context, [&](Driver& d) {
        d.lookup(d.graphExecs, handle);
        d.graphExecs.erase(handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphUpload(CUgraphExec handle, CUstream) {
    return api(Needs::Context, [&](Driver& d) {
        d.lookup(d.graphExecs, handle);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec handle, CUstream stream) {
    return api(Needs::Context, [&](Driver& d) {
        const GraphExec& exec = d.lookup(d.graphExecs, handle);
        Work all;
        all.type = CU_GRAPH_NODE_TYPE_GRAPH;
        all.run = [works = exec.works] {
            for (const auto& work : works) {
                if (!work->run) continue;
                if (const CUresult result = work->run(); result != CUDA_SUCCESS) return result;
            }
            return CUDA_SUCCESS;
        };
        d.enqueue(d.stream(stream), std::move(all));
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphExecUpdate(CUgraphExec handle, CUgraph graphHandle, CUgraphExecUpdateResultInfo* info) {
    return api(Needs::Context, [&](Driver& d) {
        GraphExec& exec = d.lookup(d.graphExecs, handle);
        auto updated = compile(d.lookup(d.graphs, graphHandle));
        CUgraphExecUpdateResult result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
        if (updated->types.size() != exec.types.size() || updated->dependencies != exec.dependencies) result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
        else if (updated->types != exec.types) result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
        if (info != nullptr) *info = {result, nullptr, nullptr};
        if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
        exec.works = std::move(updated->works);
        return CUDA_SUCCESS;
    });
}

CUresult CUDAAPI cuGraphExecKernelNodeSetParams(CUgraphExec handle, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
    return api(Needs::Context, [&](Driver& d) {
        GraphExec& exec = d.lookup(d.graphExecs, handle);
        const auto it = std::find(exec.nodes.begin(), exec.nodes.end(), reinterpret_cast<const GraphNode*>(node));
        if (it == exec.nodes.end() || params == nullptr) return CUDA_ERROR_INVALID_VALUE;
        auto& work = exec.works[static_cast<std::size_t>(it - exec.nodes.begin())];
        if (work->type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
        work = std::make_shared<const Work>(kernelWork(d, *params, false));
        return CUDA_SUCCESS;
    });
}

}  // extern "C"
