#include "gemm.h"

#include <cudasim/cudasim.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace cublas_front {

namespace {

// ---- Elements ----

float fromBfloat16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t toBfloat16(float value) {
    if (std::isnan(value)) return 0x7fff;
    const auto bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

float load(const std::byte* data, cudaDataType_t type, std::int64_t index) {
    switch (type) {
        case CUDA_R_16F: return static_cast<float>(reinterpret_cast<const _Float16*>(data)[index]);
        case CUDA_R_16BF: return fromBfloat16(reinterpret_cast<const std::uint16_t*>(data)[index]);
        default: return reinterpret_cast<const float*>(data)[index];
    }
}

void store(std::byte* data, cudaDataType_t type, std::int64_t index, float value) {
    switch (type) {
        case CUDA_R_16F: reinterpret_cast<_Float16*>(data)[index] = static_cast<_Float16>(value); break;
        case CUDA_R_16BF: reinterpret_cast<std::uint16_t*>(data)[index] = toBfloat16(value); break;
        default: reinterpret_cast<float*>(data)[index] = value;
    }
}

// What the compute type makes of a float32 input before it is multiplied.
float rounded(float value, cublasComputeType_t computeType) {
    switch (computeType) {
        case CUBLAS_COMPUTE_32F_FAST_16F: return static_cast<float>(static_cast<_Float16>(value));
        case CUBLAS_COMPUTE_32F_FAST_16BF: return fromBfloat16(toBfloat16(value));
        case CUBLAS_COMPUTE_32F_FAST_TF32:  // 10 bits of fraction, to nearest, ties away from zero, as cvt.rna.tf32
            if (!std::isfinite(value)) return value;
            return std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) + 0x1000U) & ~0x1fffU);
        default: return value;
    }
}

// cuBLASLt's GELU is the tanh approximation, not the exact erf form.
constexpr float kGeluScale = 0.7978845608028654F;  // sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715F;

float gelu(float x) { return 0.5F * x * (1.0F + std::tanh(kGeluScale * (x + kGeluCubic * x * x * x))); }

float geluDerivative(float x) {
    const float t = std::tanh(kGeluScale * (x + kGeluCubic * x * x * x));
    return 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * kGeluScale * (1.0F + 3.0F * kGeluCubic * x * x);
}

// ---- Memory ----

// One batch of a matrix in host memory, or nothing (and a finding) when it is not inside an allocation.
class View {
public:
    View(const Matrix& matrix, int batch, int access, const char* name) : matrix_(matrix) {
        const bool byColumns = matrix.rowStride == 1;
        const auto bytes = elementBytes(matrix.type);
        const auto contiguous = static_cast<std::size_t>(byColumns ? matrix.rows : matrix.columns);
        const auto lines = static_cast<std::size_t>(byColumns ? matrix.columns : matrix.rows);
        const auto stride = static_cast<std::size_t>(byColumns ? matrix.columnStride : matrix.rowStride);
        const CUdeviceptr pointer = matrix.pointer + static_cast<CUdeviceptr>(matrix.batchStride * batch) * bytes;
        data_ = static_cast<std::byte*>(cudasimHostPointer(pointer, contiguous * bytes, lines, stride * bytes, access, name));
    }

    explicit operator bool() const { return data_ != nullptr; }
    float get(std::int64_t i, std::int64_t j) const { return load(data_, matrix_.type, index(i, j)); }
    void set(std::int64_t i, std::int64_t j, float value) const { store(data_, matrix_.type, index(i, j), value); }

private:
    std::int64_t index(std::int64_t i, std::int64_t j) const { return i * matrix_.rowStride + j * matrix_.columnStride; }

    const Matrix& matrix_;
    std::byte* data_;
};

// ---- The product ----

// The matrices of one batch. Those that the epilogue or beta does not ask for stay empty.
struct Operands {
    std::optional<View> a, b, c, d, aux, bias;
    bool valid = true;

    Operands(const Gemm& gemm, float beta, int batch, const char* name) {
        const auto open = [&](std::optional<View>& view, const Matrix& matrix, int access) {
            view.emplace(matrix, batch, access, name);
            valid = valid && *view;
        };
        if (gemm.a.columns > 0) {  // with k = 0 there is nothing to read
            open(a, gemm.a, CUDASIM_READ);
            open(b, gemm.b, CUDASIM_READ);
        }
        if (beta != 0.0F) open(c, gemm.c, CUDASIM_READ);
        const Epilogue epilogue(gemm.epilogue);
        if (epilogue.readsAux || epilogue.writesAux) open(aux, gemm.aux, epilogue.readsAux ? CUDASIM_READ : CUDASIM_WRITE);
        if (epilogue.addsBias || epilogue.writesBias) open(bias, gemm.bias, epilogue.addsBias ? CUDASIM_READ : CUDASIM_WRITE);
        open(d, gemm.d, CUDASIM_WRITE);
    }
};

// op(A) op(B), column by column, and the sums over k of A's rows and B's columns.
struct Product {
    std::vector<float> values;
    std::vector<float> sumsA;
    std::vector<float> sumsB;
};

Product multiply(const Gemm& gemm, const std::optional<View>& a, const std::optional<View>& b) {
    const auto m = static_cast<std::size_t>(gemm.d.rows);
    const auto n = static_cast<std::size_t>(gemm.d.columns);
    const auto k = static_cast<std::size_t>(gemm.a.columns);
    Product product{std::vector<float>(m * n), std::vector<float>(m), std::vector<float>(n)};
    std::vector<float> column(m);
    for (std::size_t l = 0; l < k; ++l) {
        for (std::size_t i = 0; i < m; ++i) {
            const float value = a->get(i, l);
            product.sumsA[i] += value;
            column[i] = rounded(value, gemm.computeType);
        }
        for (std::size_t j = 0; j < n; ++j) {
            const float value = b->get(l, j);
            product.sumsB[j] += value;
            const float factor = rounded(value, gemm.computeType);
            float* out = &product.values[j * m];
            for (std::size_t i = 0; i < m; ++i) out[i] += factor * column[i];
        }
    }
    return product;
}

void storeVector(const View& view, const std::vector<float>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) view.set(i, 0, values[i]);
}

CUresult runBatch(const Gemm& gemm, float alpha, float beta, int batch, const char* name) {
    const Operands x(gemm, beta, batch, name);
    if (!x.valid) return CUDA_ERROR_ILLEGAL_ADDRESS;
    const Epilogue epilogue(gemm.epilogue);
    const auto m = static_cast<std::size_t>(gemm.d.rows);
    const auto n = static_cast<std::size_t>(gemm.d.columns);
    const Product product = multiply(gemm, x.a, x.b);
    std::vector<float> rowSums(m);
    for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t i = 0; i < m; ++i) {
            float value = alpha * product.values[j * m + i];
            if (x.c) value += beta * x.c->get(i, j);
            if (epilogue.addsBias) value += x.bias->get(i, 0);
            if (epilogue.writesAux) x.aux->set(i, j, value);
            if (epilogue.activates) value = gelu(value);
            if (epilogue.readsAux) value *= geluDerivative(x.aux->get(i, j));
            rowSums[i] += value;
            x.d->set(i, j, value);
        }
    }
    if (gemm.epilogue == CUBLASLT_EPILOGUE_DGELU_BGRAD) storeVector(*x.bias, rowSums);
    if (gemm.epilogue == CUBLASLT_EPILOGUE_BGRADA) storeVector(*x.bias, product.sumsA);
    if (gemm.epilogue == CUBLASLT_EPILOGUE_BGRADB) storeVector(*x.bias, product.sumsB);
    return CUDA_SUCCESS;
}

struct Enqueued {
    Gemm gemm;
    char name[32];
};

CUresult run(void* argument) {
    const auto& [gemm, name] = *static_cast<const Enqueued*>(argument);
    float alpha = gemm.alpha;
    float beta = gemm.beta;
    if (gemm.scalarsOnDevice) {
        const auto* deviceAlpha = static_cast<const float*>(cudasimHostPointer(gemm.alphaPointer, sizeof(float), 1, 0, CUDASIM_READ, name));
        const auto* deviceBeta = static_cast<const float*>(cudasimHostPointer(gemm.betaPointer, sizeof(float), 1, 0, CUDASIM_READ, name));
        if (deviceAlpha == nullptr || deviceBeta == nullptr) return CUDA_ERROR_ILLEGAL_ADDRESS;
        alpha = *deviceAlpha;
        beta = *deviceBeta;
    }
    for (int batch = 0; batch < gemm.batches; ++batch) {
        if (const CUresult status = runBatch(gemm, alpha, beta, batch, name); status != CUDA_SUCCESS) return status;
    }
    return CUDA_SUCCESS;
}

bool aligned(const Matrix& matrix) { return matrix.pointer % elementBytes(matrix.type) == 0; }

}  // namespace

Epilogue::Epilogue(std::uint32_t flags)
    : supported(flags == CUBLASLT_EPILOGUE_DEFAULT || flags == CUBLASLT_EPILOGUE_BIAS || flags == CUBLASLT_EPILOGUE_GELU ||
                flags == CUBLASLT_EPILOGUE_GELU_BIAS || flags == CUBLASLT_EPILOGUE_GELU_AUX || flags == CUBLASLT_EPILOGUE_GELU_AUX_BIAS ||
                flags == CUBLASLT_EPILOGUE_DGELU || flags == CUBLASLT_EPILOGUE_DGELU_BGRAD || flags == CUBLASLT_EPILOGUE_BGRADA ||
                flags == CUBLASLT_EPILOGUE_BGRADB),
      addsBias(flags == CUBLASLT_EPILOGUE_BIAS || flags == CUBLASLT_EPILOGUE_GELU_BIAS || flags == CUBLASLT_EPILOGUE_GELU_AUX_BIAS),
      writesBias(flags == CUBLASLT_EPILOGUE_DGELU_BGRAD || flags == CUBLASLT_EPILOGUE_BGRADA || flags == CUBLASLT_EPILOGUE_BGRADB),
      activates(flags == CUBLASLT_EPILOGUE_GELU || flags == CUBLASLT_EPILOGUE_GELU_BIAS || flags == CUBLASLT_EPILOGUE_GELU_AUX ||
                flags == CUBLASLT_EPILOGUE_GELU_AUX_BIAS),
      writesAux(flags == CUBLASLT_EPILOGUE_GELU_AUX || flags == CUBLASLT_EPILOGUE_GELU_AUX_BIAS),
      readsAux(flags == CUBLASLT_EPILOGUE_DGELU || flags == CUBLASLT_EPILOGUE_DGELU_BGRAD) {}

std::size_t elementBytes(cudaDataType_t type) {
    switch (type) {
        case CUDA_R_32F: return 4;
        case CUDA_R_16F:
        case CUDA_R_16BF: return 2;
        default: return 0;
    }
}

bool typesSupported(cublasComputeType_t computeType, cudaDataType_t a, cudaDataType_t b, cudaDataType_t d) {
    if (elementBytes(a) == 0 || a != b || (d != a && d != CUDA_R_32F)) return false;
    switch (computeType) {
        case CUBLAS_COMPUTE_32F:
        case CUBLAS_COMPUTE_32F_PEDANTIC: return true;
        case CUBLAS_COMPUTE_32F_FAST_16F:
        case CUBLAS_COMPUTE_32F_FAST_16BF:
        case CUBLAS_COMPUTE_32F_FAST_TF32: return a == CUDA_R_32F;
        default: return false;
    }
}

Matrix columnMajor(const void* pointer, cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t leadingDimension,
                   std::int64_t batchStride) {
    return {reinterpret_cast<CUdeviceptr>(pointer), type, rows, columns, 1, leadingDimension, batchStride};
}

Matrix transposed(Matrix matrix) {
    std::swap(matrix.rows, matrix.columns);
    std::swap(matrix.rowStride, matrix.columnStride);
    return matrix;
}

cublasStatus_t enqueue(const Gemm& gemm, CUstream stream, const char* name) {
    const Epilogue epilogue(gemm.epilogue);
    const bool auxAligned = !(epilogue.readsAux || epilogue.writesAux) || aligned(gemm.aux);
    const bool biasAligned = !(epilogue.addsBias || epilogue.writesBias) || aligned(gemm.bias);
    if (!aligned(gemm.a) || !aligned(gemm.b) || !aligned(gemm.c) || !aligned(gemm.d) || !auxAligned || !biasAligned) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    Enqueued work{gemm, {}};
    std::strncpy(work.name, name, sizeof(work.name) - 1);
    return cudasimEnqueue(stream, name, run, &work, sizeof(work)) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t ensureContext(bool& retained) {
    retained = false;
    CUcontext context = nullptr;
    if (cuInit(0) != CUDA_SUCCESS || cuCtxGetCurrent(&context) != CUDA_SUCCESS) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (context != nullptr) return CUBLAS_STATUS_SUCCESS;
    if (cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS) return CUBLAS_STATUS_NOT_INITIALIZED;
    retained = true;
    return cuCtxSetCurrent(context) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INTERNAL_ERROR;
}

const char* statusName(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}

const char* statusText(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS: return "success";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
        case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
        case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "the function failed to launch on the GPU";
        case CUBLAS_STATUS_INTERNAL_ERROR: return "an internal operation failed";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
    }
    return "unknown status";
}

}  // namespace cublas_front
