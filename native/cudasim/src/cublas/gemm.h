// The matrix product behind both fronts: D = epilogue(alpha op(A) op(B) + beta C) on simulated memory, float32 accumulation.
#pragma once

#include "cublas_abi.h"

namespace cublas_front {

/// A matrix of `rows` x `columns` elements; element (i, j) of batch b is at pointer + (i rowStride + j columnStride + b batchStride) elements. One of the
/// two strides is 1.
struct Matrix {
    CUdeviceptr pointer;
    cudaDataType_t type;
    std::int64_t rows;
    std::int64_t columns;
    std::int64_t rowStride;
    std::int64_t columnStride;
    std::int64_t batchStride;
};

/// A product as it is enqueued: copied byte by byte, so it owns nothing.
struct Gemm {
    Matrix a;  // op(A), m x k: a transposition is an exchange of strides
    Matrix b;  // op(B), k x n
    Matrix c;  // read only when beta is not 0
    Matrix d;
    int batches;
    cublasComputeType_t computeType;
    bool scalarsOnDevice;
    float alpha, beta;
    CUdeviceptr alphaPointer, betaPointer;
    std::uint32_t epilogue;
    Matrix aux;   // what GELU_AUX writes and DGELU reads
    Matrix bias;  // a column: of m for BIAS (added), BGRADA and DGELU_BGRAD (written), of n for BGRADB (written)
};

/// What the flags of an epilogue mean.
struct Epilogue {
    explicit Epilogue(std::uint32_t flags);
    bool supported;
    bool addsBias;
    bool writesBias;  // a gradient
    bool activates;
    bool writesAux;
    bool readsAux;
};

/// Bytes of an element, or 0 for a type that the fronts do not have.
std::size_t elementBytes(cudaDataType_t type);
/// Whether a product of these types is among those that the fronts have: float32 with float32, half or bfloat16 with itself, into itself or float32.
bool typesSupported(cublasComputeType_t computeType, cudaDataType_t a, cudaDataType_t b, cudaDataType_t d);

/// Columns are contiguous, as in BLAS.
Matrix columnMajor(const void* pointer, cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t leadingDimension,
                   std::int64_t batchStride);
Matrix transposed(Matrix matrix);

/// Checks the pointers' alignment and enqueues the product on the stream under `name`.
cublasStatus_t enqueue(const Gemm& gemm, CUstream stream, const char* name);

/// The primary context of device 0 for a thread that has no current context, as the real libraries do through the runtime. `retained` becomes whether
/// the caller must release it.
cublasStatus_t ensureContext(bool& retained);

const char* statusName(cublasStatus_t status);
const char* statusText(cublasStatus_t status);

}  // namespace cublas_front
