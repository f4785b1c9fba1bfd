// The part of the binary interface of cuBLAS and cuBLASLt 12 and 13 that the simulated fronts have: our own declarations, with the names and values that
// NVIDIA documents, so that neither library nor its headers are needed.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#define CUBLAS_FRONT_API __attribute__((visibility("default")))

extern "C" {

enum cublasStatus_t : int {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_ALLOC_FAILED = 3,
    CUBLAS_STATUS_INVALID_VALUE = 7,
    CUBLAS_STATUS_EXECUTION_FAILED = 13,
    CUBLAS_STATUS_INTERNAL_ERROR = 14,
    CUBLAS_STATUS_NOT_SUPPORTED = 15,
};

// Enumerations whose values come from callers are plain integers here: any value may arrive.
using cudaDataType_t = int;
inline constexpr cudaDataType_t CUDA_R_32F = 0;
inline constexpr cudaDataType_t CUDA_R_16F = 2;
inline constexpr cudaDataType_t CUDA_R_16BF = 14;

using cublasOperation_t = int;
inline constexpr cublasOperation_t CUBLAS_OP_N = 0;
inline constexpr cublasOperation_t CUBLAS_OP_T = 1;
inline constexpr cublasOperation_t CUBLAS_OP_C = 2;

using cublasComputeType_t = int;
inline constexpr cublasComputeType_t CUBLAS_COMPUTE_32F = 68;
inline constexpr cublasComputeType_t CUBLAS_COMPUTE_32F_PEDANTIC = 69;
inline constexpr cublasComputeType_t CUBLAS_COMPUTE_32F_FAST_16F = 74;
inline constexpr cublasComputeType_t CUBLAS_COMPUTE_32F_FAST_16BF = 75;
inline constexpr cublasComputeType_t CUBLAS_COMPUTE_32F_FAST_TF32 = 77;

using cublasPointerMode_t = int;
inline constexpr cublasPointerMode_t CUBLAS_POINTER_MODE_HOST = 0;
inline constexpr cublasPointerMode_t CUBLAS_POINTER_MODE_DEVICE = 1;

using cublasMath_t = int;
inline constexpr cublasMath_t CUBLAS_DEFAULT_MATH = 0;
inline constexpr cublasMath_t CUBLAS_TENSOR_OP_MATH = 1;
inline constexpr cublasMath_t CUBLAS_PEDANTIC_MATH = 2;
inline constexpr cublasMath_t CUBLAS_TF32_TENSOR_OP_MATH = 3;
inline constexpr cublasMath_t CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16;  // a flag

enum cublasLtMatmulDescAttributes_t : int {
    CUBLASLT_MATMUL_DESC_COMPUTE_TYPE = 0,
    CUBLASLT_MATMUL_DESC_SCALE_TYPE = 1,
    CUBLASLT_MATMUL_DESC_POINTER_MODE = 2,
    CUBLASLT_MATMUL_DESC_TRANSA = 3,
    CUBLASLT_MATMUL_DESC_TRANSB = 4,
    CUBLASLT_MATMUL_DESC_TRANSC = 5,
    CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
    CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,
    CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE = 10,
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER = 11,
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD = 12,
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE = 13,
    CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET = 15,
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE = 22,
    CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE = 26,
};

enum cublasLtMatrixLayoutAttribute_t : int {
    CUBLASLT_MATRIX_LAYOUT_TYPE = 0,
    CUBLASLT_MATRIX_LAYOUT_ORDER = 1,
    CUBLASLT_MATRIX_LAYOUT_ROWS = 2,
    CUBLASLT_MATRIX_LAYOUT_COLS = 3,
    CUBLASLT_MATRIX_LAYOUT_LD = 4,
    CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
    CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6,
};

inline constexpr int CUBLASLT_ORDER_COL = 0;
inline constexpr int CUBLASLT_ORDER_ROW = 1;

enum cublasLtMatmulPreferenceAttributes_t : int {
    CUBLASLT_MATMUL_PREF_SEARCH_MODE = 0,
    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
    CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8,
    CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT = 9,
};

// Epilogues are sets of flags; those that no constant names are refused.
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_DEFAULT = 1;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_BIAS = 4;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_GELU = 32;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_GELU_BIAS = 36;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_GELU_AUX = 160;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_GELU_AUX_BIAS = 164;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_DGELU = 192;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_DGELU_BGRAD = 208;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_BGRADA = 256;
inline constexpr std::uint32_t CUBLASLT_EPILOGUE_BGRADB = 512;

using cublasHandle_t = struct cublasContext*;
using cublasLtHandle_t = struct cublasLtContext*;
using cublasLtMatmulDesc_t = struct cublasLtMatmulDescOpaque_t*;
using cublasLtMatrixLayout_t = struct cublasLtMatrixLayoutOpaque_t*;
using cublasLtMatmulPreference_t = struct cublasLtMatmulPreferenceOpaque_t*;

struct cublasLtMatmulAlgo_t {
    std::uint64_t data[8];
};

struct cublasLtMatmulHeuristicResult_t {
    cublasLtMatmulAlgo_t algo;
    std::size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
};

// ---- cuBLASLt ----

CUBLAS_FRONT_API cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle);
CUBLAS_FRONT_API cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle);
CUBLAS_FRONT_API std::size_t cublasLtGetVersion();
CUBLAS_FRONT_API const char* cublasLtGetStatusName(cublasStatus_t status);
CUBLAS_FRONT_API const char* cublasLtGetStatusString(cublasStatus_t status);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* descriptor, cublasComputeType_t computeType, cudaDataType_t scaleType);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t descriptor, int attribute, const void* value, std::size_t bytes);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t descriptor, int attribute, void* value, std::size_t bytes,
                                                              std::size_t* written);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, std::uint64_t rows, std::uint64_t columns,
                                                          std::int64_t leadingDimension);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, int attribute, const void* value, std::size_t bytes);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t layout, int attribute, void* value, std::size_t bytes,
                                                                std::size_t* written);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, int attribute, const void* value,
                                                                    std::size_t bytes);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t preference, int attribute, void* value,
                                                                    std::size_t bytes, std::size_t* written);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a,
                                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                              cublasLtMatmulPreference_t preference, int requested,
                                                              cublasLtMatmulHeuristicResult_t* results, int* returned);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a,
                                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result);
CUBLAS_FRONT_API cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void* alpha, const void* a,
                                              cublasLtMatrixLayout_t layoutA, const void* b, cublasLtMatrixLayout_t layoutB, const void* beta,
                                              const void* c, cublasLtMatrixLayout_t layoutC, void* d, cublasLtMatrixLayout_t layoutD,
                                              const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t workspaceBytes, CUstream stream);

// ---- cuBLAS ----

CUBLAS_FRONT_API cublasStatus_t cublasCreate_v2(cublasHandle_t* handle);
CUBLAS_FRONT_API cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
CUBLAS_FRONT_API cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version);
CUBLAS_FRONT_API const char* cublasGetStatusName(cublasStatus_t status);
CUBLAS_FRONT_API const char* cublasGetStatusString(cublasStatus_t status);
CUBLAS_FRONT_API cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream);
CUBLAS_FRONT_API cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, CUstream* stream);
CUBLAS_FRONT_API cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes);
CUBLAS_FRONT_API cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode);
CUBLAS_FRONT_API cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode);
CUBLAS_FRONT_API cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
CUBLAS_FRONT_API cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode);
CUBLAS_FRONT_API cublasStatus_t cublasSetVector(int n, int elementBytes, const void* x, int incx, void* deviceY, int incy);
CUBLAS_FRONT_API cublasStatus_t cublasGetVector(int n, int elementBytes, const void* deviceX, int incx, void* y, int incy);
CUBLAS_FRONT_API cublasStatus_t cublasSetMatrix(int rows, int columns, int elementBytes, const void* a, int lda, void* deviceB, int ldb);
CUBLAS_FRONT_API cublasStatus_t cublasGetMatrix(int rows, int columns, int elementBytes, const void* deviceA, int lda, void* b, int ldb);
CUBLAS_FRONT_API cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k,
                                              const float* alpha, const float* a, int lda, const float* b, int ldb, const float* beta, float* c,
                                              int ldc);
CUBLAS_FRONT_API cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n,
                                                         int k, const float* alpha, const float* a, int lda, long long strideA, const float* b,
                                                         int ldb, long long strideB, const float* beta, float* c, int ldc, long long strideC,
                                                         int batchCount);
CUBLAS_FRONT_API cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n, int k,
                                            const void* alpha, const void* a, cudaDataType_t typeA, int lda, const void* b, cudaDataType_t typeB,
                                            int ldb, const void* beta, void* c, cudaDataType_t typeC, int ldc, cublasComputeType_t computeType,
                                            int algo);
CUBLAS_FRONT_API cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transA, cublasOperation_t transB, int m, int n,
                                                          int k, const void* alpha, const void* a, cudaDataType_t typeA, int lda,
                                                          long long strideA, const void* b, cudaDataType_t typeB, int ldb, long long strideB,
                                                          const void* beta, void* c, cudaDataType_t typeC, int ldc, long long strideC,
                                                          int batchCount, cublasComputeType_t computeType, int algo);

}  // extern "C"
