// The simulated cuBLAS and cuBLASLt: products and epilogues against float64, descriptor errors, order in streams, capture in graphs.
#include "harness.hpp"

#include <cublas_abi.h>

#include <algorithm>

using namespace corpus;

namespace {

#define EXPECT_STATUS(call, status) corpus::expectEqualNumbers(call, status, #call, __FILE__, __LINE__)
#define OK(call) EXPECT_STATUS(call, CUBLAS_STATUS_SUCCESS)

const void* hostOrDevice(CUdeviceptr pointer) { return reinterpret_cast<const void*>(pointer); }

float roundTo(float value, cudaDataType_t type) {
    if (type == CUDA_R_16F) return fromHalf(toHalf(value));
    if (type == CUDA_R_16BF) return fromBfloat16(toBfloat16(value));
    return value;
}

// Half the distance between neighbours of 1, and what float32 accumulation of k terms below 1 may lose.
double tolerance(cudaDataType_t type, int k) {
    const double half = type == CUDA_R_16F ? 0x1p-11 : type == CUDA_R_16BF ? 0x1p-8 : 0x1p-24;
    return half + k * 0x1p-22;
}

// Device memory that holds floats in one of the three types.
class Tensor {
public:
    Tensor(const std::vector<float>& values, cudaDataType_t type)
        : type_(type), count_(values.size()), bytes_(count_ * (type == CUDA_R_32F ? 4 : 2)) {
        if (type == CUDA_R_32F) {
            CHECK(cuMemcpyHtoD(bytes_.pointer(), values.data(), count_ * 4));
            return;
        }
        std::vector<uint16_t> bits(count_);
        std::transform(values.begin(), values.end(), bits.begin(), type == CUDA_R_16F ? static_cast<uint16_t (*)(float)>(toHalf) : toBfloat16);
        CHECK(cuMemcpyHtoD(bytes_.pointer(), bits.data(), count_ * 2));
    }
    Tensor(size_t count, cudaDataType_t type) : type_(type), count_(count), bytes_(count * (type == CUDA_R_32F ? 4 : 2)) {}

    CUdeviceptr pointer() const { return bytes_.pointer(); }
    void* address() const { return reinterpret_cast<void*>(bytes_.pointer()); }
    std::vector<float> read() const {
        std::vector<float> values(count_);
        if (type_ == CUDA_R_32F) {
            CHECK(cuMemcpyDtoH(values.data(), bytes_.pointer(), count_ * 4));
            return values;
        }
        std::vector<uint16_t> bits(count_);
        CHECK(cuMemcpyDtoH(bits.data(), bytes_.pointer(), count_ * 2));
        std::transform(bits.begin(), bits.end(), values.begin(), type_ == CUDA_R_16F ? static_cast<float (*)(uint16_t)>(fromHalf) : fromBfloat16);
        return values;
    }

private:
    cudaDataType_t type_;
    size_t count_;
    Buffer<uint8_t> bytes_;
};

std::vector<float> randomIn(Random& random, size_t count, cudaDataType_t type) {
    auto values = random.floats(count);
    for (float& v : values) v = roundTo(v, type);
    return values;
}

// A cuBLASLt handle, a descriptor and four layouts, destroyed with the object. D and C are m x n; lds are the smallest.
struct Matmul {
    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;

    Matmul(int m, int n, int k, cudaDataType_t typeAB, cudaDataType_t typeD, bool transA = false, bool transB = false,
           cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
        OK(cublasLtCreate(&handle));
        OK(cublasLtMatmulDescCreate(&desc, compute, CUDA_R_32F));
        set(CUBLASLT_MATMUL_DESC_TRANSA, transA ? CUBLAS_OP_T : CUBLAS_OP_N);
        set(CUBLASLT_MATMUL_DESC_TRANSB, transB ? CUBLAS_OP_T : CUBLAS_OP_N);
        OK(cublasLtMatrixLayoutCreate(&a, typeAB, transA ? k : m, transA ? m : k, transA ? k : m));
        OK(cublasLtMatrixLayoutCreate(&b, typeAB, transB ? n : k, transB ? k : n, transB ? n : k));
        OK(cublasLtMatrixLayoutCreate(&d, typeD, m, n, m));
    }
    ~Matmul() {
        cublasLtMatrixLayoutDestroy(a);
        cublasLtMatrixLayoutDestroy(b);
        cublasLtMatrixLayoutDestroy(d);
        cublasLtMatmulDescDestroy(desc);
        cublasLtDestroy(handle);
    }
    Matmul(const Matmul&) = delete;
    Matmul& operator=(const Matmul&) = delete;

    template <typename T>
    void set(int attribute, T value) {
        OK(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)));
    }
    void bias(std::uint32_t epilogue, const Tensor& tensor) {
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, tensor.address());
    }
    void aux(std::uint32_t epilogue, const Tensor& tensor, std::int64_t ld) {
        set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, tensor.address());
        set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, ld);
    }
    cublasStatus_t run(const Tensor& x, const Tensor& y, const Tensor& out, float alpha = 1.0f, float beta = 0.0f, CUstream stream = nullptr) {
        return cublasLtMatmul(handle, desc, &alpha, x.address(), a, y.address(), b, &beta, out.address(), d, out.address(), d, nullptr, nullptr, 0,
                              stream);
    }
};

// Column-major D[m,n] = op(A) op(B) in float64.
std::vector<double> reference(const std::vector<float>& a, const std::vector<float>& b, int m, int n, int k, bool transA, bool transB) {
    std::vector<double> d(static_cast<size_t>(m) * n);
    for (int j = 0; j < n; ++j) {
        for (int i = 0; i < m; ++i) {
            for (int l = 0; l < k; ++l) {
                d[j * m + i] += static_cast<double>(transA ? a[i * k + l] : a[l * m + i]) * (transB ? b[l * n + j] : b[j * k + l]);
            }
        }
    }
    return d;
}

double gelu(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x))); }

double geluDerivative(double x) { return (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5; }

struct Size {
    int m;
    int n;
    int k;
};

constexpr Size kSizes[] = {{1, 1, 1}, {5, 17, 3}, {33, 6, 97}};

}  // namespace

TEST(lt_matmul) {
    const Session session;
    for (const auto& [typeAB, typeD] : {std::pair{CUDA_R_32F, CUDA_R_32F}, {CUDA_R_16F, CUDA_R_16F}, {CUDA_R_16F, CUDA_R_32F},
                                        {CUDA_R_16BF, CUDA_R_16BF}, {CUDA_R_16BF, CUDA_R_32F}}) {
        for (const int transpositions : {0, 1, 2, 3}) {
            for (const Size s : kSizes) {
                const bool transA = transpositions & 1;
                const bool transB = transpositions & 2;
                Random random(s.k);
                const auto a = randomIn(random, s.m * s.k, typeAB);
                const auto b = randomIn(random, s.k * s.n, typeAB);
                const auto c = randomIn(random, s.m * s.n, typeD);
                const Tensor x(a, typeAB), y(b, typeAB), out(c, typeD);
                Matmul matmul(s.m, s.n, s.k, typeAB, typeD, transA, transB);
                OK(matmul.run(x, y, out, 0.5f, 2.0f));
                auto expected = reference(a, b, s.m, s.n, s.k, transA, transB);
                for (size_t i = 0; i < expected.size(); ++i) expected[i] = 0.5 * expected[i] + 2.0 * c[i];
                expectNear(out.read(), expected, tolerance(typeD, s.k), "D");
            }
        }
    }
    expectNoFindings();
}

TEST(lt_row_order_and_leading_dimensions) {
    // Row-major A[5,3] in rows of 4, B[3,7] in rows of 8, D[5,7] in rows of 9, two batches.
    const Session session;
    constexpr int m = 5, n = 7, k = 3, batches = 2;
    constexpr std::int64_t lda = 4, ldb = 8, ldd = 9;
    Random random(1);
    const auto a = random.floats(batches * m * lda);
    const auto b = random.floats(batches * k * ldb);
    const Tensor x(a, CUDA_R_32F), y(b, CUDA_R_32F);
    const Tensor out(std::vector<float>(batches * m * ldd, -9.0f), CUDA_R_32F);
    Matmul matmul(m, n, k, CUDA_R_32F, CUDA_R_32F);
    const auto layout = [&](cublasLtMatrixLayout_t which, std::int64_t ld, std::int64_t rows) {
        const int order = CUBLASLT_ORDER_ROW;
        const std::int64_t offset = ld * rows;
        OK(cublasLtMatrixLayoutSetAttribute(which, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof(order)));
        OK(cublasLtMatrixLayoutSetAttribute(which, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof(ld)));
        OK(cublasLtMatrixLayoutSetAttribute(which, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof(batches)));
        OK(cublasLtMatrixLayoutSetAttribute(which, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &offset, sizeof(offset)));
    };
    layout(matmul.a, lda, m);
    layout(matmul.b, ldb, k);
    layout(matmul.d, ldd, m);
    OK(matmul.run(x, y, out));
    std::vector<double> expected(batches * m * ldd, -9.0);  // what lies between the rows stays
    for (int batch = 0; batch < batches; ++batch) {
        for (int i = 0; i < m; ++i) {
            for (int j = 0; j < n; ++j) {
                double sum = 0.0;
                for (int l = 0; l < k; ++l) sum += static_cast<double>(a[(batch * m + i) * lda + l]) * b[(batch * k + l) * ldb + j];
                expected[(batch * m + i) * ldd + j] = sum;
            }
        }
    }
    expectNear(out.read(), expected, 0x1p-22, "D");
    expectNoFindings();
}

TEST(lt_forward_epilogues) {
    const Session session;
    for (const auto type : {CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF}) {
        for (const Size s : kSizes) {
            Random random(s.m);
            const auto a = randomIn(random, s.m * s.k, type);
            const auto b = randomIn(random, s.k * s.n, type);
            const auto bias = randomIn(random, s.m, type);
            const Tensor x(a, type), y(b, type), biasTensor(bias, type), out(s.m * s.n, type);
            const auto product = reference(a, b, s.m, s.n, s.k, false, false);
            std::vector<double> biased(product.size()), activated(product.size());
            for (size_t i = 0; i < product.size(); ++i) {
                biased[i] = product[i] + bias[i % s.m];
                activated[i] = gelu(biased[i]);
            }
            {
                Matmul matmul(s.m, s.n, s.k, type, type);
                matmul.bias(CUBLASLT_EPILOGUE_BIAS, biasTensor);
                OK(matmul.run(x, y, out));
                expectNear(out.read(), biased, tolerance(type, s.k), "bias");
                matmul.bias(CUBLASLT_EPILOGUE_GELU_BIAS, biasTensor);
                OK(matmul.run(x, y, out));
                expectNear(out.read(), activated, tolerance(type, s.k), "gelu(bias)");
            }
            const std::int64_t auxLd = (s.m + 7) / 8 * 8;
            const Tensor aux(std::vector<float>(auxLd * s.n, 3.0f), type);
            Matmul matmul(s.m, s.n, s.k, type, type);
            matmul.bias(CUBLASLT_EPILOGUE_GELU_AUX_BIAS, biasTensor);
            matmul.aux(CUBLASLT_EPILOGUE_GELU_AUX_BIAS, aux, auxLd);
            OK(matmul.run(x, y, out));
            expectNear(out.read(), activated, tolerance(type, s.k), "gelu");
            std::vector<double> expectedAux(auxLd * s.n, 3.0);
            for (int j = 0; j < s.n; ++j) std::copy_n(&biased[j * s.m], s.m, &expectedAux[j * auxLd]);
            expectNear(aux.read(), expectedAux, tolerance(type, s.k), "aux");
        }
    }
    expectNoFindings();
}

TEST(lt_backward_epilogues) {
    const Session session;
    for (const auto type : {CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF}) {
        for (const Size s : kSizes) {
            Random random(s.m);
            const auto a = randomIn(random, s.m * s.k, type);
            const auto b = randomIn(random, s.k * s.n, type);
            const std::int64_t auxLd = (s.m + 7) / 8 * 8;
            const auto pre = randomIn(random, auxLd * s.n, type);
            const Tensor x(a, type), y(b, type), aux(pre, type), out(s.m * s.n, type);
            auto product = reference(a, b, s.m, s.n, s.k, false, false);
            std::vector<double> gradient(product.size()), rowSums(s.m), sumsA(s.m), sumsB(s.n);
            for (int j = 0; j < s.n; ++j) {
                for (int i = 0; i < s.m; ++i) {
                    gradient[j * s.m + i] = product[j * s.m + i] * geluDerivative(pre[j * auxLd + i]);
                    rowSums[i] += gradient[j * s.m + i];
                }
            }
            for (int l = 0; l < s.k; ++l) {
                for (int i = 0; i < s.m; ++i) sumsA[i] += a[l * s.m + i];
                for (int j = 0; j < s.n; ++j) sumsB[j] += b[j * s.k + l];
            }
            // The float64 derivative is a central difference: good to 1e-9.
            const double allowed = tolerance(type, s.k) + 1e-6;
            {
                Matmul matmul(s.m, s.n, s.k, type, type);
                matmul.aux(CUBLASLT_EPILOGUE_DGELU, aux, auxLd);
                OK(matmul.run(x, y, out));
                expectNear(out.read(), gradient, allowed, "dgelu");
                const Tensor bgrad(s.m, type);
                matmul.bias(CUBLASLT_EPILOGUE_DGELU_BGRAD, bgrad);
                OK(matmul.run(x, y, out));
                expectNear(out.read(), gradient, allowed, "dgelu");
                expectNear(bgrad.read(), rowSums, allowed * s.n, "row sums");
            }
            Matmul matmul(s.m, s.n, s.k, type, type);
            const Tensor bgradA(s.m, type), bgradB(s.n, type);
            matmul.bias(CUBLASLT_EPILOGUE_BGRADA, bgradA);
            OK(matmul.run(x, y, out));
            expectNear(bgradA.read(), sumsA, allowed, "bgradA");
            matmul.bias(CUBLASLT_EPILOGUE_BGRADB, bgradB);
            OK(matmul.run(x, y, out));
            expectNear(bgradB.read(), sumsB, allowed, "bgradB");
            expectNear(out.read(), product, tolerance(type, s.k), "D");
        }
    }
    expectNoFindings();
}

TEST(lt_heuristic) {
    const Session session;
    const Matmul matmul(5, 7, 3, CUDA_R_16F, CUDA_R_16F);
    cublasLtMatmulPreference_t preference = nullptr;
    OK(cublasLtMatmulPreferenceCreate(&preference));
    const std::uint64_t workspace = 1 << 20;
    OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace)));
    cublasLtMatmulHeuristicResult_t result{};
    int returned = -1;
    OK(cublasLtMatmulAlgoGetHeuristic(matmul.handle, matmul.desc, matmul.a, matmul.b, matmul.d, matmul.d, preference, 1, &result, &returned));
    EXPECT_EQ(returned, 1);
    EXPECT_EQ(result.state, CUBLAS_STATUS_SUCCESS);
    EXPECT(result.workspaceSize <= workspace);
    OK(cublasLtMatmulAlgoCheck(matmul.handle, matmul.desc, matmul.a, matmul.b, matmul.d, matmul.d, &result.algo, &result));
    const cublasLtMatmulAlgo_t foreign{};
    EXPECT_STATUS(cublasLtMatmulAlgoCheck(matmul.handle, matmul.desc, matmul.a, matmul.b, matmul.d, matmul.d, &foreign, &result),
                  CUBLAS_STATUS_INVALID_VALUE);
    OK(cublasLtMatmulPreferenceDestroy(preference));
}

// An algorithm that was asked for with the alignment of other pointers is refused.
TEST(lt_alignment) {
    const Session session;
    const Matmul matmul(4, 4, 4, CUDA_R_32F, CUDA_R_32F);
    const Tensor x(std::vector<float>(17), CUDA_R_32F), y(std::vector<float>(16), CUDA_R_32F), out(std::vector<float>(16), CUDA_R_32F);
    const void* shifted = static_cast<const char*>(x.address()) + sizeof(float);
    cublasLtMatmulPreference_t preference = nullptr;
    OK(cublasLtMatmulPreferenceCreate(&preference));
    for (const std::uint32_t alignment : {16U, 4U}) {
        OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment, sizeof(alignment)));
        cublasLtMatmulHeuristicResult_t result{};
        int returned = 0;
        OK(cublasLtMatmulAlgoGetHeuristic(matmul.handle, matmul.desc, matmul.a, matmul.b, matmul.d, matmul.d, preference, 1, &result, &returned));
        const float one = 1.0f, zero = 0.0f;
        const cublasStatus_t status = cublasLtMatmul(matmul.handle, matmul.desc, &one, shifted, matmul.a, y.address(), matmul.b, &zero, out.address(),
                                                     matmul.d, out.address(), matmul.d, &result.algo, nullptr, 0, nullptr);
        EXPECT_EQ(status, alignment == 16 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS);
    }
    OK(cublasLtMatmulPreferenceDestroy(preference));
    expectNoFindings();
}

TEST(lt_descriptor_errors) {
    const Session session;
    const auto expectRefused = [](cublasStatus_t status, const std::function<void(Matmul&)>& spoil) {
        Matmul matmul(5, 7, 3, CUDA_R_32F, CUDA_R_32F);
        const Tensor x(std::vector<float>(15), CUDA_R_32F), y(std::vector<float>(21), CUDA_R_32F), out(std::vector<float>(35), CUDA_R_32F);
        OK(matmul.run(x, y, out));
        spoil(matmul);
        EXPECT_STATUS(matmul.run(x, y, out), status);
    };
    const auto setLayout = [](cublasLtMatrixLayout_t layout, int attribute, auto value) {
        OK(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof(value)));
    };
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [&](Matmul& x) { setLayout(x.a, CUBLASLT_MATRIX_LAYOUT_LD, std::int64_t{4}); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [&](Matmul& x) { setLayout(x.b, CUBLASLT_MATRIX_LAYOUT_ROWS, std::uint64_t{2}); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [&](Matmul& x) { setLayout(x.d, CUBLASLT_MATRIX_LAYOUT_COLS, std::uint64_t{8}); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [&](Matmul& x) { setLayout(x.b, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 2); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_TRANSB, 7); });
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS); });  // no pointer
    expectRefused(CUBLAS_STATUS_NOT_SUPPORTED, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_EPILOGUE, 2U); });                      // RELU
    expectRefused(CUBLAS_STATUS_NOT_SUPPORTED, [&](Matmul& x) { setLayout(x.a, CUBLASLT_MATRIX_LAYOUT_TYPE, 1U); });              // float64
    expectRefused(CUBLAS_STATUS_NOT_SUPPORTED, [&](Matmul& x) { setLayout(x.a, CUBLASLT_MATRIX_LAYOUT_TYPE, std::uint32_t{CUDA_R_16F}); });
    expectRefused(CUBLAS_STATUS_NOT_SUPPORTED, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_SCALE_TYPE, CUDA_R_16F); });
    expectRefused(CUBLAS_STATUS_NOT_SUPPORTED, [](Matmul& x) { x.set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, 64); });  // half
    expectRefused(CUBLAS_STATUS_INVALID_VALUE, [](Matmul& x) {
        const Tensor aux(std::vector<float>(64), CUDA_R_32F);
        x.aux(CUBLASLT_EPILOGUE_GELU_AUX, aux, 5);  // not a multiple of 8
    });

    Matmul matmul(5, 7, 3, CUDA_R_32F, CUDA_R_32F);
    const int value = 1;
    EXPECT_STATUS(cublasLtMatmulDescSetAttribute(matmul.desc, 999, &value, sizeof(value)), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_STATUS(cublasLtMatmulDescSetAttribute(matmul.desc, CUBLASLT_MATMUL_DESC_TRANSA, &value, 8), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_STATUS(cublasLtMatmulDescSetAttribute(matmul.desc, CUBLASLT_MATMUL_DESC_TRANSA, nullptr, 4), CUBLAS_STATUS_INVALID_VALUE);
    std::size_t written = 0;
    OK(cublasLtMatmulDescGetAttribute(matmul.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr, 0, &written));
    EXPECT_EQ(written, sizeof(void*));
    std::uint64_t rows = 0;
    OK(cublasLtMatrixLayoutGetAttribute(matmul.b, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof(rows), &written));
    EXPECT_EQ(rows, 3);
    EXPECT_STATUS(cublasLtCreate(nullptr), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_STATUS(cublasLtDestroy(nullptr), CUBLAS_STATUS_NOT_INITIALIZED);
    expectNoFindings();
}

TEST(bad_pointers_are_findings) {
    const Session session;
    Matmul matmul(4, 4, 4, CUDA_R_32F, CUDA_R_32F);
    const Tensor y(std::vector<float>(16), CUDA_R_32F), out(16, CUDA_R_32F);
    {
        const Tensor unwritten(16, CUDA_R_32F);
        OK(matmul.run(unwritten, y, out));
        CHECK(cuCtxSynchronize());
        EXPECT_EQ(expectOneFinding("uninitialized").kernel, "cublasLtMatmul");
        cudasimClear();
    }
    const Tensor tooSmall(std::vector<float>(15), CUDA_R_32F);
    OK(matmul.run(tooSmall, y, out));
    EXPECT(cuCtxSynchronize() != CUDA_SUCCESS);
    EXPECT_EQ(expectOneFinding("out-of-bounds").kernel, "cublasLtMatmul");
}

TEST(without_a_device) {
    cudasimReset();
    EXPECT_EQ(cudasimSetOption("no_device", 1), 0);
    cublasLtHandle_t lt = nullptr;
    cublasHandle_t handle = nullptr;
    EXPECT_STATUS(cublasLtCreate(&lt), CUBLAS_STATUS_NOT_INITIALIZED);
    EXPECT_STATUS(cublasCreate_v2(&handle), CUBLAS_STATUS_NOT_INITIALIZED);
    EXPECT_EQ(cudasimSetOption("no_device", 0), 0);
    OK(cublasCreate_v2(&handle));  // takes the primary context, and gives it back
    OK(cublasDestroy_v2(handle));
    EXPECT_EQ(cudasimCheckLeaks(), 0);
    cudasimReset();
}

TEST(sgemm_and_gemm_ex) {
    const Session session;
    cublasHandle_t handle = nullptr;
    OK(cublasCreate_v2(&handle));
    const float alpha = 0.5f, beta = 2.0f;
    for (const Size s : kSizes) {
        Random random(s.n);
        const auto a = random.floats(s.m * s.k);
        const auto b = random.floats(s.k * s.n);
        const auto c = random.floats(s.m * s.n);
        auto expected = reference(a, b, s.m, s.n, s.k, true, false);
        for (size_t i = 0; i < expected.size(); ++i) expected[i] = 0.5 * expected[i] + 2.0 * c[i];
        const Tensor x(a, CUDA_R_32F), y(b, CUDA_R_32F);
        const auto sgemm = [&] {
            const Tensor out(c, CUDA_R_32F);
            OK(cublasSgemm_v2(handle, CUBLAS_OP_T, CUBLAS_OP_N, s.m, s.n, s.k, &alpha, static_cast<const float*>(x.address()), s.k,
                              static_cast<const float*>(y.address()), s.k, &beta, static_cast<float*>(out.address()), s.m));
            return out.read();
        };
        expectNear(sgemm(), expected, tolerance(CUDA_R_32F, s.k), "sgemm");
        // TF32 keeps 10 bits of each factor: up to 2^-11 of each of k products below 1.
        OK(cublasSetMathMode(handle, CUBLAS_TF32_TENSOR_OP_MATH));
        const auto tf32 = sgemm();
        expectNear(tf32, expected, s.k * 0x1p-10, "tf32");
        OK(cublasSetMathMode(handle, CUBLAS_DEFAULT_MATH));
        if (s.k > 1) EXPECT(tf32 != sgemm());

        const Tensor xh(a, CUDA_R_16BF), yh(b, CUDA_R_16BF), out(c, CUDA_R_32F);
        OK(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, s.m, s.n, s.k, &alpha, xh.address(), CUDA_R_16BF, s.k, yh.address(), CUDA_R_16BF, s.k,
                        &beta, out.address(), CUDA_R_32F, s.m, CUBLAS_COMPUTE_32F, -1));
        expected = reference(xh.read(), yh.read(), s.m, s.n, s.k, true, false);
        for (size_t i = 0; i < expected.size(); ++i) expected[i] = 0.5 * expected[i] + 2.0 * c[i];
        expectNear(out.read(), expected, tolerance(CUDA_R_32F, s.k), "gemmEx");
    }
    const Tensor one(std::vector<float>(1), CUDA_R_32F);
    const auto* pointer = static_cast<const float*>(one.address());
    auto* target = static_cast<float*>(one.address());
    EXPECT_STATUS(cublasSgemm_v2(handle, 0, 0, -1, 1, 1, &alpha, pointer, 1, pointer, 1, &beta, target, 1), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_STATUS(cublasSgemm_v2(handle, 0, 0, 2, 1, 1, &alpha, pointer, 1, pointer, 1, &beta, target, 2), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_STATUS(cublasSgemm_v2(nullptr, 0, 0, 1, 1, 1, &alpha, pointer, 1, pointer, 1, &beta, target, 1), CUBLAS_STATUS_NOT_INITIALIZED);
    OK(cublasSgemm_v2(handle, 0, 0, 0, 1, 1, &alpha, nullptr, 1, nullptr, 1, &beta, nullptr, 1));
    OK(cublasDestroy_v2(handle));
    expectNoFindings();
}

TEST(strided_batches) {
    const Session session;
    cublasHandle_t handle = nullptr;
    OK(cublasCreate_v2(&handle));
    constexpr int m = 5, n = 3, k = 17, batches = 4;
    Random random(3);
    const auto a = randomIn(random, m * k, CUDA_R_16F);  // stride 0: one A for all
    const auto b = randomIn(random, batches * k * n, CUDA_R_16F);
    const Tensor x(a, CUDA_R_16F), y(b, CUDA_R_16F), out(batches * m * n, CUDA_R_16F);
    const Tensor scalars(std::vector<float>{1.0f, 0.0f}, CUDA_R_32F);
    OK(cublasSetPointerMode_v2(handle, CUBLAS_POINTER_MODE_DEVICE));
    OK(cublasGemmStridedBatchedEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, scalars.address(), x.address(), CUDA_R_16F, m, 0, y.address(),
                                  CUDA_R_16F, k, k * n, hostOrDevice(scalars.pointer() + 4), out.address(), CUDA_R_16F, m, m * n, batches,
                                  CUBLAS_COMPUTE_32F, -1));
    std::vector<double> expected;
    for (int i = 0; i < batches; ++i) {
        const auto part = reference(a, {b.begin() + i * k * n, b.begin() + (i + 1) * k * n}, m, n, k, false, false);
        expected.insert(expected.end(), part.begin(), part.end());
    }
    expectNear(out.read(), expected, tolerance(CUDA_R_16F, k), "batches");
    OK(cublasDestroy_v2(handle));
    expectNoFindings();
}

TEST(streams_and_graphs) {
    // out = A B after A is copied on the same stream; then captured with that copy, and replayed for other contents of the source.
    const Session session;
    constexpr int kSide = 8;
    constexpr size_t kBytes = kSide * kSide * sizeof(float);
    Random random(4);
    const auto a = random.floats(kSide * kSide);
    const auto b = random.floats(kSide * kSide);
    const Tensor source(a, CUDA_R_32F), x(kSide * kSide, CUDA_R_32F), y(b, CUDA_R_32F), out(kSide * kSide, CUDA_R_32F);
    CUstream stream = nullptr;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    cublasHandle_t handle = nullptr;
    OK(cublasCreate_v2(&handle));
    OK(cublasSetStream_v2(handle, stream));
    const auto enqueue = [&] {
        float alpha = 1.0f, beta = 0.0f;
        CHECK(cuMemcpyDtoDAsync(x.pointer(), source.pointer(), kBytes, stream));
        OK(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, kSide, kSide, kSide, &alpha, static_cast<const float*>(x.address()), kSide,
                          static_cast<const float*>(y.address()), kSide, &beta, static_cast<float*>(out.address()), kSide));
        alpha = beta = NAN;  // copied when enqueued
    };
    enqueue();
    CHECK(cuStreamSynchronize(stream));
    expectNear(out.read(), reference(a, b, kSide, kSide, kSide, false, false), tolerance(CUDA_R_32F, kSide), "stream");

    CUgraph graph = nullptr;
    CUgraphExec executable = nullptr;
    size_t nodes = 0;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    enqueue();
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphGetNodes(graph, nullptr, &nodes));
    EXPECT_EQ(nodes, 2);
    CHECK(cuGraphInstantiate(&executable, graph, 0));
    for (int replay = 0; replay < 2; ++replay) {
        const auto other = random.floats(kSide * kSide);
        CHECK(cuMemcpyHtoD(source.pointer(), other.data(), kBytes));
        CHECK(cuGraphLaunch(executable, stream));
        CHECK(cuStreamSynchronize(stream));
        expectNear(out.read(), reference(other, b, kSide, kSide, kSide, false, false), tolerance(CUDA_R_32F, kSide), "graph");
    }
    OK(cublasDestroy_v2(handle));
    CHECK(cuGraphExecDestroy(executable));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuStreamDestroy(stream));
    expectNoFindings();
}

TEST(vectors_and_matrices) {
    const Session session;
    const std::vector<float> x{1, 2, 3, 4, 5, 6};
    const Tensor device(std::vector<float>(12, -1.0f), CUDA_R_32F);
    OK(cublasSetVector(3, sizeof(float), x.data(), 2, device.address(), 3));  // 1, 3, 5 to places 0, 3, 6
    expectSame(device.read(), std::vector<float>{1, -1, -1, 3, -1, -1, 5, -1, -1, -1, -1, -1}, "vector");
    std::vector<float> back(3);
    OK(cublasGetVector(3, sizeof(float), device.address(), 3, back.data(), 1));
    expectSame(back, std::vector<float>{1, 3, 5}, "back");
    OK(cublasSetMatrix(2, 2, sizeof(float), x.data(), 3, device.address(), 4));  // columns 1 2 and 4 5
    expectSame(device.read(), std::vector<float>{1, 2, -1, 3, 4, 5, 5, -1, -1, -1, -1, -1}, "matrix");
    back.resize(4);
    OK(cublasGetMatrix(2, 2, sizeof(float), device.address(), 4, back.data(), 2));
    expectSame(back, std::vector<float>{1, 2, 4, 5}, "matrix back");
    EXPECT_STATUS(cublasSetMatrix(3, 1, 4, x.data(), 2, device.address(), 3), CUBLAS_STATUS_INVALID_VALUE);
    expectNoFindings();
}
