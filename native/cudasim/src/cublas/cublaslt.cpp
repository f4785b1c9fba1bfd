// Simulated libcublasLt: descriptors with the checks of the real ones, one algorithm, and cublasLtMatmul by gemm.cpp.
#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <new>
#include <span>

using namespace cublas_front;

struct cublasLtContext {
    bool retainedContext;
};

struct cublasLtMatmulDescOpaque_t {
    std::int32_t computeType;
    std::int32_t scaleType;
    std::int32_t pointerMode = CUBLAS_POINTER_MODE_HOST;
    std::int32_t transA = CUBLAS_OP_N;
    std::int32_t transB = CUBLAS_OP_N;
    std::int32_t transC = CUBLAS_OP_N;
    std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    const void* bias = nullptr;
    std::int64_t biasBatchStride = 0;
    const void* aux = nullptr;
    std::int64_t auxLd = 0;
    std::int64_t auxBatchStride = 0;
    std::int32_t smCountTarget = 0;
    std::int32_t auxType = -1;   // -1: that of D
    std::int32_t biasType = -1;  // -1: that of D
};

struct cublasLtMatrixLayoutOpaque_t {
    std::uint32_t type;
    std::int32_t order = CUBLASLT_ORDER_COL;
    std::uint64_t rows;
    std::uint64_t columns;
    std::int64_t ld;
    std::int32_t batches = 1;
    std::int64_t batchStride = 0;
};

struct cublasLtMatmulPreferenceOpaque_t {
    std::uint32_t searchMode = 0;
    std::uint64_t maxWorkspaceBytes = 0;
    std::uint32_t reductionSchemeMask = 0xffffffffU;
    std::uint32_t minAlignmentA = 256;
    std::uint32_t minAlignmentB = 256;
    std::uint32_t minAlignmentC = 256;
    std::uint32_t minAlignmentD = 256;
    float maxWaves = 0.0F;
};

namespace {

// ---- Attributes: where each lies in its object ----

struct Attribute {
    int name;
    std::size_t offset;
    std::size_t bytes;
};

#define ATTRIBUTE(type, name, member) {name, offsetof(type, member), sizeof(type::member)}

using Desc = cublasLtMatmulDescOpaque_t;
constexpr Attribute kDescAttributes[] = {
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, computeType),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_SCALE_TYPE, scaleType),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_POINTER_MODE, pointerMode),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_TRANSA, transA),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_TRANSB, transB),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_TRANSC, transC),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, biasBatchStride),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aux),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, auxLd),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, auxBatchStride),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, smCountTarget),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE, auxType),
    ATTRIBUTE(Desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, biasType),
};

using Layout = cublasLtMatrixLayoutOpaque_t;
constexpr Attribute kLayoutAttributes[] = {
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_TYPE, type),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_ORDER, order),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_ROWS, rows),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_COLS, columns),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_LD, ld),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batches),
    ATTRIBUTE(Layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, batchStride),
};

using Preference = cublasLtMatmulPreferenceOpaque_t;
constexpr Attribute kPreferenceAttributes[] = {
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_SEARCH_MODE, searchMode),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, maxWorkspaceBytes),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductionSchemeMask),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, minAlignmentA),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, minAlignmentB),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, minAlignmentC),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, minAlignmentD),
    ATTRIBUTE(Preference, CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, maxWaves),
};

#undef ATTRIBUTE

const Attribute* findAttribute(std::span<const Attribute> attributes, int name) {
    const auto found = std::ranges::find(attributes, name, &Attribute::name);
    return found == attributes.end() ? nullptr : &*found;
}

// An unknown attribute and a size other than the attribute's are both invalid values, as in the real library.
cublasStatus_t setAttribute(std::span<const Attribute> attributes, void* object, int name, const void* value, std::size_t bytes) {
    const Attribute* attribute = findAttribute(attributes, name);
    if (object == nullptr || value == nullptr || attribute == nullptr || bytes != attribute->bytes) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(static_cast<std::byte*>(object) + attribute->offset, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

// With no buffer (0 bytes), only the size is told.
cublasStatus_t getAttribute(std::span<const Attribute> attributes, const void* object, int name, void* value, std::size_t bytes,
                            std::size_t* written) {
    const Attribute* attribute = findAttribute(attributes, name);
    if (object == nullptr || attribute == nullptr || (bytes == 0 && written == nullptr)) return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes != 0 && (value == nullptr || bytes != attribute->bytes)) return CUBLAS_STATUS_INVALID_VALUE;
    if (bytes != 0) std::memcpy(value, static_cast<const std::byte*>(object) + attribute->offset, bytes);
    if (written != nullptr) *written = attribute->bytes;
    return CUBLAS_STATUS_SUCCESS;
}

template <typename T>
cublasStatus_t create(T** handle, const T& value) {
    if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *handle = new (std::nothrow) T(value);
    return *handle != nullptr ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

template <typename T>
cublasStatus_t destroy(T* handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

// ---- From descriptors to a product ----

// The only algorithm: its first word says whose it is, the next four what alignment in bytes it relies on for A, B, C and D.
constexpr cublasLtMatmulAlgo_t kAlgo{{0x6375626c61733031ULL, 1, 1, 1, 1, 0, 0, 0}};

cublasLtMatmulAlgo_t algoFor(const Preference& preference) {
    return {{kAlgo.data[0], preference.minAlignmentA, preference.minAlignmentB, preference.minAlignmentC, preference.minAlignmentD, 0, 0, 0}};
}

bool aligned(const cublasLtMatmulAlgo_t& algo, std::initializer_list<const void*> pointers) {
    const std::uint64_t* alignment = &algo.data[1];
    return std::ranges::all_of(pointers, [&](const void* pointer) {
        return reinterpret_cast<std::uintptr_t>(pointer) % std::max<std::uint64_t>(*alignment++, 1) == 0;
    });
}

bool isTransposition(int op) { return op == CUBLAS_OP_T || op == CUBLAS_OP_C; }
bool isOperation(int op) { return op == CUBLAS_OP_N || isTransposition(op); }

Matrix matrixOf(const Layout& layout, const void* pointer, int op) {
    Matrix matrix = columnMajor(pointer, static_cast<cudaDataType_t>(layout.type), static_cast<std::int64_t>(layout.rows),
                                static_cast<std::int64_t>(layout.columns), layout.ld, layout.batchStride);
    if (layout.order == CUBLASLT_ORDER_ROW) std::swap(matrix.rowStride, matrix.columnStride);
    return isTransposition(op) ? transposed(matrix) : matrix;
}

bool layoutValid(const Layout& layout) {
    const auto contiguous = static_cast<std::int64_t>(layout.order == CUBLASLT_ORDER_ROW ? layout.columns : layout.rows);
    return layout.rows > 0 && layout.columns > 0 && layout.ld >= contiguous && layout.batches > 0 && layout.batchStride >= 0;
}

// What can be said of a product without its pointers. Shapes that do not fit are invalid; what the fronts have no code for is not supported.
cublasStatus_t describe(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d, Gemm& gemm) {
    for (const Layout* layout : {&a, &b, &c, &d}) {
        if (layout->order != CUBLASLT_ORDER_COL && layout->order != CUBLASLT_ORDER_ROW) return CUBLAS_STATUS_NOT_SUPPORTED;
        if (!layoutValid(*layout) || layout->batches != d.batches) return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (!isOperation(desc.transA) || !isOperation(desc.transB) || !isOperation(desc.transC)) return CUBLAS_STATUS_INVALID_VALUE;
    if (desc.transC != CUBLAS_OP_N) return CUBLAS_STATUS_NOT_SUPPORTED;
    gemm.a = matrixOf(a, nullptr, desc.transA);
    gemm.b = matrixOf(b, nullptr, desc.transB);
    gemm.c = matrixOf(c, nullptr, CUBLAS_OP_N);
    gemm.d = matrixOf(d, nullptr, CUBLAS_OP_N);
    if (gemm.a.rows != gemm.d.rows || gemm.b.columns != gemm.d.columns || gemm.a.columns != gemm.b.rows) return CUBLAS_STATUS_INVALID_VALUE;
    if (gemm.c.rows != gemm.d.rows || gemm.c.columns != gemm.d.columns || gemm.c.type != gemm.d.type) return CUBLAS_STATUS_INVALID_VALUE;

    const Epilogue epilogue(desc.epilogue);
    if (!typesSupported(desc.computeType, gemm.a.type, gemm.b.type, gemm.d.type) || desc.scaleType != CUDA_R_32F || !epilogue.supported) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    if (desc.pointerMode != CUBLAS_POINTER_MODE_HOST && desc.pointerMode != CUBLAS_POINTER_MODE_DEVICE) return CUBLAS_STATUS_NOT_SUPPORTED;
    gemm.batches = d.batches;
    gemm.computeType = desc.computeType;
    gemm.scalarsOnDevice = desc.pointerMode == CUBLAS_POINTER_MODE_DEVICE;
    gemm.epilogue = desc.epilogue;

    const auto typeOr = [&](std::int32_t type) { return type < 0 ? gemm.d.type : type; };
    const std::int64_t biasLength = desc.epilogue == CUBLASLT_EPILOGUE_BGRADB ? gemm.d.columns : gemm.d.rows;
    gemm.bias = columnMajor(desc.bias, typeOr(desc.biasType), biasLength, 1, biasLength, desc.biasBatchStride);
    if ((epilogue.addsBias || epilogue.writesBias) && gemm.bias.type != gemm.d.type) return CUBLAS_STATUS_NOT_SUPPORTED;
    gemm.aux = columnMajor(desc.aux, typeOr(desc.auxType), gemm.d.rows, gemm.d.columns, desc.auxLd, desc.auxBatchStride);
    if (epilogue.writesAux || epilogue.readsAux) {
        if (gemm.aux.type != gemm.d.type || d.order != CUBLASLT_ORDER_COL) return CUBLAS_STATUS_NOT_SUPPORTED;
        if (desc.auxLd < gemm.d.rows || desc.auxLd % 8 != 0) return CUBLAS_STATUS_INVALID_VALUE;  // as documented for GELU
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasLtMatmulHeuristicResult_t heuristicResult(const cublasLtMatmulAlgo_t& algo, cublasStatus_t status) { return {algo, 0, status, 1.0F, {}}; }

bool sameLayout(const Layout& x, const Layout& y) {
    return x.order == y.order && x.ld == y.ld && x.batchStride == y.batchStride;
}

}  // namespace

// ---- Library ----

std::size_t cublasLtGetVersion() { return CUBLAS_FRONT_VERSION; }
const char* cublasLtGetStatusName(cublasStatus_t status) { return statusName(status); }
const char* cublasLtGetStatusString(cublasStatus_t status) { return statusText(status); }

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    bool retained = false;
    if (const cublasStatus_t status = ensureContext(retained); status != CUBLAS_STATUS_SUCCESS) return status;
    return create(handle, cublasLtContext{retained});
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (handle->retainedContext) cuDevicePrimaryCtxRelease(0);
    return destroy(handle);
}

// ---- Descriptors ----

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* descriptor, cublasComputeType_t computeType, cudaDataType_t scaleType) {
    return create(descriptor, Desc{.computeType = computeType, .scaleType = scaleType});
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) { return destroy(descriptor); }

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor, int attribute, const void* value, std::size_t bytes) {
    return setAttribute(kDescAttributes, descriptor, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t descriptor, int attribute, void* value, std::size_t bytes,
                                              std::size_t* written) {
    return getAttribute(kDescAttributes, descriptor, attribute, value, bytes, written);
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t leadingDimension) {
    return create(layout, Layout{.type = static_cast<std::uint32_t>(type), .rows = rows, .columns = columns, .ld = leadingDimension});
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return destroy(layout); }

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, int attribute, const void* value, std::size_t bytes) {
    return setAttribute(kLayoutAttributes, layout, attribute, value, bytes);
}

cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout, int attribute, void* value, std::size_t bytes,
                                                std::size_t* written) {
    return getAttribute(kLayoutAttributes, layout, attribute, value, bytes, written);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) { return create(preference, Preference{}); }

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) { return destroy(preference); }

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, int attribute, const void* value, std::size_t bytes) {
    return setAttribute(kPreferenceAttributes, preference, attribute, value, bytes);
}

cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t preference, int attribute, void* value, std::size_t bytes,
                                                    std::size_t* written) {
    return getAttribute(kPreferenceAttributes, preference, attribute, value, bytes, written);
}

// ---- Products ----

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested, cublasLtMatmulHeuristicResult_t* results,
                                              int* returned) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (descriptor == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr || preference == nullptr || results == nullptr ||
        returned == nullptr || requested <= 0) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    Gemm gemm{};
    const cublasStatus_t status = describe(*descriptor, *a, *b, *c, *d, gemm);
    *returned = status == CUBLAS_STATUS_SUCCESS ? 1 : 0;
    if (status == CUBLAS_STATUS_SUCCESS) results[0] = heuristicResult(algoFor(*preference), status);
    return status;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (descriptor == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr || algo == nullptr || result == nullptr ||
        algo->data[0] != kAlgo.data[0]) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    Gemm gemm{};
    const cublasStatus_t status = describe(*descriptor, *a, *b, *c, *d, gemm);
    *result = heuristicResult(*algo, status);
    return status;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t layoutA, const void* b, cublasLtMatrixLayout_t layoutB, const void* beta, const void* c,
                              cublasLtMatrixLayout_t layoutC, void* d, cublasLtMatrixLayout_t layoutD, const cublasLtMatmulAlgo_t* algo,
                              void* workspace, std::size_t workspaceBytes, CUstream stream) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (descriptor == nullptr || layoutA == nullptr || layoutB == nullptr || layoutC == nullptr || layoutD == nullptr || alpha == nullptr ||
        beta == nullptr || a == nullptr || b == nullptr || d == nullptr || (workspace == nullptr && workspaceBytes > 0) ||
        (algo != nullptr && (algo->data[0] != kAlgo.data[0] || !aligned(*algo, {a, b, c, d}))) ||
        (c == d && !sameLayout(*layoutC, *layoutD))) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    Gemm gemm{};
    if (const cublasStatus_t status = describe(*descriptor, *layoutA, *layoutB, *layoutC, *layoutD, gemm); status != CUBLAS_STATUS_SUCCESS) {
        return status;
    }
    gemm.a.pointer = reinterpret_cast<CUdeviceptr>(a);
    gemm.b.pointer = reinterpret_cast<CUdeviceptr>(b);
    gemm.c.pointer = reinterpret_cast<CUdeviceptr>(c);
    gemm.d.pointer = reinterpret_cast<CUdeviceptr>(d);
    if (gemm.scalarsOnDevice) {
        gemm.alphaPointer = reinterpret_cast<CUdeviceptr>(alpha);
        gemm.betaPointer = reinterpret_cast<CUdeviceptr>(beta);
    } else {
        gemm.alpha = *static_cast<const float*>(alpha);
        gemm.beta = *static_cast<const float*>(beta);
    }
    const Epilogue epilogue(gemm.epilogue);
    const bool needsC = gemm.scalarsOnDevice || gemm.beta != 0.0F;
    if ((needsC && c == nullptr) || ((epilogue.addsBias || epilogue.writesBias) && gemm.bias.pointer == 0) ||
        ((epilogue.readsAux || epilogue.writesAux) && gemm.aux.pointer == 0)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return enqueue(gemm, stream, "cublasLtMatmul");
}
