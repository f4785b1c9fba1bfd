// Simulated libcublas: the handle, copies between host and device, and the single and strided batched products by gemm.cpp.
#include "gemm.h"

#include <algorithm>
#include <new>

using namespace cublas_front;

struct cublasContext {
    bool retainedContext;
    CUstream stream = nullptr;
    cublasPointerMode_t pointerMode = CUBLAS_POINTER_MODE_HOST;
    cublasMath_t mathMode = CUBLAS_DEFAULT_MATH;
};

namespace {

// The arguments that all products have, in the order of BLAS; a stride counts elements.
struct Operand {
    const void* pointer;
    cudaDataType_t type;
    int ld;
    long long stride;
};

cublasStatus_t product(cublasHandle_t handle, const char* name, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k,
                       const void* alpha, const Operand& a, const Operand& b, const void* beta, const Operand& c, int batches,
                       cublasComputeType_t computeType) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    const auto isOperation = [](cublasOperation_t op) { return op == CUBLAS_OP_N || op == CUBLAS_OP_T || op == CUBLAS_OP_C; };
    const bool plainA = transA == CUBLAS_OP_N;
    const bool plainB = transB == CUBLAS_OP_N;
    if (!isOperation(transA) || !isOperation(transB) || m < 0 || n < 0 || k < 0 || batches < 0 || a.ld < std::max(1, plainA ? m : k) ||
        b.ld < std::max(1, plainB ? k : n) || c.ld < std::max(1, m) || alpha == nullptr || beta == nullptr) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (!typesSupported(computeType, a.type, b.type, c.type)) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m == 0 || n == 0 || batches == 0) return CUBLAS_STATUS_SUCCESS;
    if (a.pointer == nullptr || b.pointer == nullptr || c.pointer == nullptr) return CUBLAS_STATUS_INVALID_VALUE;

    Gemm gemm{};
    gemm.a = plainA ? columnMajor(a.pointer, a.type, m, k, a.ld, a.stride) : transposed(columnMajor(a.pointer, a.type, k, m, a.ld, a.stride));
    gemm.b = plainB ? columnMajor(b.pointer, b.type, k, n, b.ld, b.stride) : transposed(columnMajor(b.pointer, b.type, n, k, b.ld, b.stride));
    gemm.c = gemm.d = columnMajor(c.pointer, c.type, m, n, c.ld, c.stride);
    gemm.batches = batches;
    gemm.computeType = computeType;
    gemm.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    gemm.scalarsOnDevice = handle->pointerMode == CUBLAS_POINTER_MODE_DEVICE;
    if (gemm.scalarsOnDevice) {
        gemm.alphaPointer = reinterpret_cast<CUdeviceptr>(alpha);
        gemm.betaPointer = reinterpret_cast<CUdeviceptr>(beta);
    } else {
        gemm.alpha = *static_cast<const float*>(alpha);
        gemm.beta = *static_cast<const float*>(beta);
    }
    return enqueue(gemm, handle->stream, name);
}

cublasComputeType_t singlePrecision(cublasHandle_t handle) {
    return handle != nullptr && handle->mathMode == CUBLAS_TF32_TENSOR_OP_MATH ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

// Copies `columns` columns of `bytes` bytes that begin `sourceStride` and `targetStride` bytes apart.
template <typename Copy>
cublasStatus_t copyColumns(int columns, std::size_t bytes, const void* source, std::size_t sourceStride, void* target, std::size_t targetStride,
                           Copy copy) {
    for (int j = 0; j < columns; ++j) {
        const auto* from = static_cast<const std::byte*>(source) + sourceStride * j;
        auto* to = static_cast<std::byte*>(target) + targetStride * j;
        if (copy(to, from, bytes) != CUDA_SUCCESS) return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

CUresult toDevice(void* target, const void* source, std::size_t bytes) {
    return cuMemcpyHtoD(reinterpret_cast<CUdeviceptr>(target), source, bytes);
}

CUresult toHost(void* target, const void* source, std::size_t bytes) {
    return cuMemcpyDtoH(target, reinterpret_cast<CUdeviceptr>(source), bytes);
}

template <typename Copy>
cublasStatus_t copyMatrix(int rows, int columns, int bytes, const void* a, int lda, void* b, int ldb, Copy copy) {
    if (rows < 0 || columns < 0 || bytes <= 0 || lda < std::max(1, rows) || ldb < std::max(1, rows)) return CUBLAS_STATUS_INVALID_VALUE;
    if (rows == 0 || columns == 0) return CUBLAS_STATUS_SUCCESS;
    const auto size = static_cast<std::size_t>(bytes);
    return copyColumns(columns, size * rows, a, size * lda, b, size * ldb, copy);
}

template <typename Copy>
cublasStatus_t copyVector(int n, int bytes, const void* x, int incx, void* y, int incy, Copy copy) {
    if (n < 0 || bytes <= 0 || incx <= 0 || incy <= 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (n == 0) return CUBLAS_STATUS_SUCCESS;
    const auto size = static_cast<std::size_t>(bytes);
    if (incx == 1 && incy == 1) return copyColumns(1, size * n, x, 0, y, 0, copy);
    return copyColumns(n, size, x, size * incx, y, size * incy, copy);
}

}  // namespace

// ---- Handle ----

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    bool retained = false;
    if (const cublasStatus_t status = ensureContext(retained); status != CUBLAS_STATUS_SUCCESS) return status;
    *handle = new (std::nothrow) cublasContext{.retainedContext = retained};
    return *handle != nullptr ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (handle->retainedContext) cuDevicePrimaryCtxRelease(0);
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (version == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *version = CUBLAS_FRONT_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusName(cublasStatus_t status) { return statusName(status); }
const char* cublasGetStatusString(cublasStatus_t status) { return statusText(status); }

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, CUstream* stream) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (stream == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *stream = handle->stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    // No product needs one; the real library wants 256-byte alignment.
    return (workspace == nullptr && bytes > 0) || reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0 ? CUBLAS_STATUS_INVALID_VALUE
                                                                                                       : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (mode != CUBLAS_POINTER_MODE_HOST && mode != CUBLAS_POINTER_MODE_DEVICE) return CUBLAS_STATUS_INVALID_VALUE;
    handle->pointerMode = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle->pointerMode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    const cublasMath_t base = mode & ~CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    if (base < CUBLAS_DEFAULT_MATH || base > CUBLAS_TF32_TENSOR_OP_MATH) return CUBLAS_STATUS_INVALID_VALUE;
    handle->mathMode = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
    if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle->mathMode;
    return CUBLAS_STATUS_SUCCESS;
}

// ---- Copies ----

cublasStatus_t cublasSetVector(int n, int elementBytes, const void* x, int incx, void* deviceY, int incy) {
    return copyVector(n, elementBytes, x, incx, deviceY, incy, toDevice);
}

cublasStatus_t cublasGetVector(int n, int elementBytes, const void* deviceX, int incx, void* y, int incy) {
    return copyVector(n, elementBytes, deviceX, incx, y, incy, toHost);
}

cublasStatus_t cublasSetMatrix(int rows, int columns, int elementBytes, const void* a, int lda, void* deviceB, int ldb) {
    return copyMatrix(rows, columns, elementBytes, a, lda, deviceB, ldb, toDevice);
}

cublasStatus_t cublasGetMatrix(int rows, int columns, int elementBytes, const void* deviceA, int lda, void* b, int ldb) {
    return copyMatrix(rows, columns, elementBytes, deviceA, lda, b, ldb, toHost);
}

// ---- Products ----

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k, const float* alpha,
                              const float* a, int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
    return product(handle, "cublasSgemm", transA, transB, m, n, k, alpha, {a, CUDA_R_32F, lda, 0}, {b, CUDA_R_32F, ldb, 0}, beta,
                   {c, CUDA_R_32F, ldc, 0}, 1, singlePrecision(handle));
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k,
                                         const float* alpha, const float* a, int lda, long long strideA, const float* b, int ldb,
                                         long long strideB, const float* beta, float* c, int ldc, long long strideC, int batchCount) {
    return product(handle, "cublasSgemmStridedBatched", transA, transB, m, n, k, alpha, {a, CUDA_R_32F, lda, strideA},
                   {b, CUDA_R_32F, ldb, strideB}, beta, {c, CUDA_R_32F, ldc, strideC}, batchCount, singlePrecision(handle));
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k, const void* alpha,
                            const void* a, cudaDataType_t typeA, int lda, const void* b, cudaDataType_t typeB, int ldb, const void* beta, void* c,
                            cudaDataType_t typeC, int ldc, cublasComputeType_t computeType, int /*algo: every value means the one there is*/) {
    return product(handle, "cublasGemmEx", transA, transB, m, n, k, alpha, {a, typeA, lda, 0}, {b, typeB, ldb, 0}, beta, {c, typeC, ldc, 0}, 1,
                   computeType);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k,
                                          const void* alpha, const void* a, cudaDataType_t typeA, int lda, long long strideA, const void* b,
                                          cudaDataType_t typeB, int ldb, long long strideB, const void* beta, void* c, cudaDataType_t typeC,
                                          int ldc, long long strideC, int batchCount, cublasComputeType_t computeType, int /*algo*/) {
    return product(handle, "cublasGemmStridedBatchedEx", transA, transB, m, n, k, alpha, {a, typeA, lda, strideA}, {b, typeB, ldb, strideB},
                   beta, {c, typeC, ldc, strideC}, batchCount, computeType);
}
