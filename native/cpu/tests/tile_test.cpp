// Products of AMX, with its instructions emulated, against plain loops and against the products of AVX-512. All memory that kernels get ends
// where the next page must not be touched.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "bfloat16.h"
#include "emulated_tiles.h"
#include "kernels.h"
#include "tiles.h"

namespace nj {
extern const nj_low_precision emulated_low_precision;
}

namespace {

const nj_products& kTiles = nj::emulated_low_precision.products;
const nj_products& kVectors = nj::avx512vnni_low_precision.products;

int checks;
int failures;

__attribute__((format(printf, 2, 3))) bool check(bool holds, const char* format, ...) {
    checks++;
    if (!holds && failures++ < 20) {
        va_list arguments;
        va_start(arguments, format);
        std::printf("FAILED: ");
        std::vprintf(format, arguments);
        std::printf("\n");
        va_end(arguments);
    }
    return holds;
}

// Memory up to the end of a page, after which there is none.
template <typename T>
class Guarded {
public:
    explicit Guarded(size_t count) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        const size_t used = (count * sizeof(T) + page - 1) / page * page;
        size_ = used + page;
        void* const mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED || mprotect(static_cast<char*>(mapped) + used, page, PROT_NONE) != 0) {
            std::perror("guarded memory");
            std::exit(1);
        }
        base_ = static_cast<char*>(mapped);
        data_ = reinterpret_cast<T*>(base_ + used) - count;
    }

    explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
        std::memcpy(data_, values.data(), values.size() * sizeof(T));
    }

    ~Guarded() { munmap(base_, size_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    T* data() const { return data_; }

private:
    char* base_;
    size_t size_;
    T* data_;
};

uint64_t state = 1;

// Uniform in [0, 1).
double uniform() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) / 9007199254740992.0;
}

int32_t integer(int32_t magnitude) { return static_cast<int32_t>(uniform() * (2 * magnitude + 1)) - magnitude; }

float normal() { return static_cast<float>(std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform())); }

// A product out (rows, n) = activation(x weight' + bias).
struct Product {
    int32_t type;
    int32_t rows;
    int32_t n;
    int32_t k;
    std::vector<Bf16> x;
    std::vector<int8_t> int8_weight;
    std::vector<Bf16> bf16_weight;
    std::vector<float> scales;
    std::vector<float> bias;
    int32_t activation = NJ_ACTIVATION_NONE;
    int32_t bias_type = NJ_FLOAT32;
    int32_t out_type = NJ_FLOAT32;

    Product(int32_t a_type, int32_t a_rows, int32_t a_n, int32_t a_k) : type(a_type), rows(a_rows), n(a_n), k(a_k) {
        const size_t weights = static_cast<size_t>(n) * static_cast<size_t>(k);
        for (int32_t i = 0; i < rows * k; i++) {
            x.push_back(to_bf16(normal()));
        }
        for (size_t i = 0; i < weights; i++) {
            int8_weight.push_back(static_cast<int8_t>(integer(127)));
            bf16_weight.push_back(to_bf16(normal()));
        }
        for (int32_t c = 0; c < n; c++) {
            scales.push_back(0.01f + static_cast<float>(uniform()));
            bias.push_back(to_float(to_bf16(normal())));
        }
    }

    // Integers that int8 has exactly, with scales of 1 and 1/4, so that every float32 on the way is exact.
    void make_exact() {
        for (int32_t r = 0; r < rows; r++) {
            for (int32_t c = 0; c < k; c++) {
                x[static_cast<size_t>(r * k + c)] = to_bf16(static_cast<float>(c == r % k ? (r % 2 ? 127 : -127) : integer(127)));
            }
        }
        scales.assign(scales.size(), 0.25f);
        for (float& value : bias) {
            value = static_cast<float>(integer(50));
        }
    }

    // The same for one row alone.
    Product row(int32_t r) const {
        Product one = *this;
        one.rows = 1;
        one.x.assign(x.begin() + r * k, x.begin() + (r + 1) * k);
        return one;
    }

    // Computes it as the cpu backend does, tile by tile, the last ones first, so that what a tile writes beyond itself stays to be seen.
    std::vector<char> run(const nj_products& table) const {
        const bool int8 = type == NJ_INT8;
        const Guarded<char> weight(static_cast<size_t>(table.packed_weight_size(type, n, k)));
        const Guarded<int8_t> int8_matrix(int8_weight);
        const Guarded<Bf16> bf16_matrix(bf16_weight);
        table.pack_weight(type, n, k, int8 ? static_cast<const void*>(int8_matrix.data()) : bf16_matrix.data(), weight.data());
        const Guarded<Bf16> in(x);
        const Guarded<int32_t> left(static_cast<size_t>(table.packed_rows_size(type, rows, k)) / sizeof(int32_t));
        const Guarded<nj_row> stats(static_cast<size_t>(rows));
        const Guarded<int8_t> scratch(static_cast<size_t>(NJ_BLOCK_ROWS * k));
        const int32_t blocks = table.row_blocks(rows);
        for (int32_t block = 0; block < blocks; block += 3) {
            table.pack_rows(type, block, std::min(blocks, block + 3), rows, k, in.data(), scratch.data(), stats.data(), left.data());
        }
        const Guarded<float> column_scales(scales);
        const Guarded<float> wide_bias(bias);
        const Guarded<Bf16> narrow_bias(bias.size());
        for (size_t c = 0; c < bias.size(); c++) {
            narrow_bias.data()[c] = to_bf16(bias[c]);
        }
        const void* const b = bias_type == NJ_FLOAT32 ? static_cast<const void*>(wide_bias.data()) : narrow_bias.data();
        const size_t size = static_cast<size_t>(rows * n) * (out_type == NJ_FLOAT32 ? sizeof(float) : sizeof(Bf16));
        const size_t before = 64;
        const Guarded<char> out(before + size);
        std::memset(out.data(), 0x5A, before + size);
        const int32_t height = 3, width = 64;
        for (int32_t block = (blocks - 1) / height * height; block >= 0; block -= height) {
            for (int32_t column = (n - 1) / width * width; column >= 0; column -= width) {
                table.linear(type, block, std::min(blocks, block + height), column, std::min(n, column + width), rows, n, k,
                             left.data(), stats.data(), weight.data(), column_scales.data(), bias_type, b, activation, out_type,
                             out.data() + before);
                check(!emulation::configured(), "a call left the tiles configured");
            }
        }
        for (size_t i = 0; i < before; i++) {
            check(out.data()[i] == 0x5A, "%d x %d x %d: written before the result", rows, n, k);
        }
        return std::vector<char>(out.data() + before, out.data() + before + size);
    }

    std::vector<float> floats(const nj_products& table) const {
        const std::vector<char> bytes = run(table);
        std::vector<float> values(bytes.size() / sizeof(float));
        std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    }
};

struct Shape {
    int32_t n, k;
};

// Columns and depths that whole panels, tiles and dwords divide, and such that they do not.
const Shape kShapes[] = {{32, 64}, {1, 1}, {45, 90}, {150, 36}, {33, 65}, {96, 127}, {64, 384}};
const int32_t kRows[] = {1, 5, 14, 15, 16, 17, 31, 32, 33, 65, 97, 129, 512};

void int8_is_exact() {
    for (const Shape shape : kShapes) {
        for (const int32_t rows : kRows) {
            Product p(NJ_INT8, rows, shape.n, shape.k);
            p.make_exact();
            const std::vector<float> actual = p.floats(kTiles);
            for (int32_t r = 0; r < rows; r++) {
                for (int32_t c = 0; c < p.n; c++) {
                    int32_t sum = 0;
                    for (int32_t i = 0; i < p.k; i++) {
                        sum += static_cast<int32_t>(to_float(p.x[static_cast<size_t>(r * p.k + i)])) *
                               p.int8_weight[static_cast<size_t>(c * p.k + i)];
                    }
                    const double expected = 0.25 * sum + static_cast<double>(p.bias[static_cast<size_t>(c)]);
                    const float value = actual[static_cast<size_t>(r * p.n + c)];
                    check(static_cast<double>(value) == expected, "int8 %d x %d x %d: [%d, %d] is %g, expected %g", rows, p.n, p.k, r, c,
                          static_cast<double>(value), expected);
                }
            }
        }
    }
}

void int8_has_the_bits_of_vectors() {
    for (const Shape shape : kShapes) {
        for (const int32_t rows : kRows) {
            Product p(NJ_INT8, rows, shape.n, shape.k);
            for (const int32_t activation : {NJ_ACTIVATION_NONE, NJ_ACTIVATION_GELU, NJ_ACTIVATION_RELU}) {
                for (const int32_t bias_type : {NJ_FLOAT32, NJ_BFLOAT16}) {
                    for (const int32_t out_type : {NJ_FLOAT32, NJ_BFLOAT16}) {
                        p.activation = activation;
                        p.bias_type = bias_type;
                        p.out_type = out_type;
                        check(p.run(kTiles) == p.run(kVectors), "int8 %d x %d x %d, activation %d, bias %d, out %d", rows, p.n, p.k,
                              activation, bias_type, out_type);
                    }
                }
            }
        }
    }
}

// An element is a sum of depth / 16 sums of two sums of 16 products, and a bias: each of so many operations in a row rounds once.
void bfloat16_is_within_rounding() {
    for (const Shape shape : kShapes) {
        for (const int32_t rows : kRows) {
            const Product p(NJ_BFLOAT16, rows, shape.n, shape.k);
            const std::vector<float> actual = p.floats(kTiles);
            for (int32_t r = 0; r < rows; r++) {
                for (int32_t c = 0; c < p.n; c++) {
                    double expected = static_cast<double>(p.bias[static_cast<size_t>(c)]);
                    double magnitude = std::fabs(expected);
                    for (int32_t i = 0; i < p.k; i++) {
                        const double product = static_cast<double>(to_float(p.x[static_cast<size_t>(r * p.k + i)])) *
                                               static_cast<double>(to_float(p.bf16_weight[static_cast<size_t>(c * p.k + i)]));
                        expected += product;
                        magnitude += std::fabs(product);
                    }
                    const double allowed = (18 + p.k / 32 + 1) * std::ldexp(magnitude, -24);
                    const double value = static_cast<double>(actual[static_cast<size_t>(r * p.n + c)]);
                    check(std::fabs(value - expected) <= allowed, "bfloat16 %d x %d x %d: [%d, %d] is %g, expected %g +- %g", rows, p.n,
                          p.k, r, c, value, expected, allowed);
                }
            }
        }
    }
}

void rows_do_not_depend_on_others() {
    for (const int32_t type : {NJ_INT8, NJ_BFLOAT16}) {
        for (const int32_t rows : {17, 33, 97, 129}) {
            Product p(type, rows, 45, 90);
            const std::vector<float> together = p.floats(kTiles);
            for (const int32_t r : {0, 15, 16, rows / 2, rows - 1}) {
                const std::vector<float> alone = p.row(r).floats(kTiles);
                check(std::memcmp(alone.data(), &together[static_cast<size_t>(r * p.n)], alone.size() * sizeof(float)) == 0,
                      "type %d: row %d of %d has other bits alone", type, r, rows);
            }
            for (const float poison : {std::nanf(""), HUGE_VALF}) {
                const int32_t row = rows / 2;
                Product poisoned = p;
                poisoned.x[static_cast<size_t>(row * p.k + p.k - 1)] = to_bf16(poison);
                const std::vector<float> actual = poisoned.floats(kTiles);
                for (int32_t i = 0; i < rows * p.n; i++) {
                    const size_t at = static_cast<size_t>(i);
                    check(i / p.n == row ? !std::isfinite(actual[at]) : actual[at] == together[at],
                          "type %d: [%d, %d] is %g with %g in row %d of %d", type, i / p.n, i % p.n, static_cast<double>(actual[at]),
                          static_cast<double>(poison), row, rows);
                }
            }
        }
    }
}

// The emulation itself: what tells the instructions from similar ones.
void instructions_do_what_intel_says() {
    TileConfig config = {};
    config.palette = 1;
    for (const int32_t tile : {0, 1, 2}) {
        config.shape(tile, 16);
    }
    emulation::load_config(&config);
    uint8_t left[16][64] = {}, right[16][64] = {};
    int32_t sums[16][16];
    left[0][0] = 0xFF;   // -1
    right[0][0] = 0xFF;  // 255
    emulation::load(1, left, 64);
    emulation::load(2, right, 64);
    emulation::zero(0);
    emulation::dpbsud(0, 1, 2);
    emulation::store(0, sums, 64);
    check(sums[0][0] == -255, "tdpbsud: -1 x 255 is %d", sums[0][0]);
    Bf16 a[16][32] = {}, b[16][32] = {};
    a[3][5] = to_bf16(2);
    b[2][9] = to_bf16(3);  // the odd one of pair 2, column 4
    a[0][0] = 1;           // a denormal
    b[0][0] = to_bf16(1e30f);
    emulation::load(1, a, 64);
    emulation::load(2, b, 64);
    emulation::zero(0);
    emulation::dpbf16ps(0, 1, 2);
    float products[16][16];
    emulation::store(0, products, 64);
    check(products[3][4] == 6, "tdpbf16ps: 2 x 3 is %g", static_cast<double>(products[3][4]));
    check(products[0][0] == 0, "tdpbf16ps: a denormal counted");
    emulation::release();
    check(emulation::faults() == 0, "a fault: %s", emulation::reason());
}

void what_processors_refuse_is_refused() {
    int faults = emulation::faults();
    const auto refused = [&](const char* what) {
        check(emulation::faults() == ++faults, "not refused: %s", what);
        faults = emulation::faults();
    };
    TileConfig good = {};
    good.palette = 1;
    good.shape(0, 16);
    good.shape(1, 5);
    good.shape(2, 16);
    emulation::zero(0);
    refused("a tile before any configuration");
    TileConfig bad = good;
    bad.palette = 2;
    emulation::load_config(&bad);
    refused("palette 2");
    bad = good;
    bad.rows[0] = 17;
    emulation::load_config(&bad);
    refused("17 rows");
    bad = good;
    bad.row_bytes[0] = 68;
    emulation::load_config(&bad);
    refused("rows of 68 bytes");
    bad = good;
    bad.row_bytes[1] = 0;
    emulation::load_config(&bad);
    refused("rows of no bytes");
    bad = good;
    bad.rows[8] = 1;
    emulation::load_config(&bad);
    refused("a ninth tile");
    bad = good;
    bad.reserved[3] = 1;
    emulation::load_config(&bad);
    refused("reserved bytes");
    emulation::load_config(&good);
    emulation::zero(3);
    refused("a tile that is not configured");
    emulation::dpbsud(0, 0, 2);
    refused("one tile twice");
    emulation::dpbf16ps(0, 1, 2);
    refused("16 rows of sums of 5");
    emulation::release();
}

}  // namespace

int main() {
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512vl")) {
        std::printf("skipped: what is not emulated needs AVX-512 VNNI, which this processor lacks\n");
        return 77;
    }
    instructions_do_what_intel_says();
    int8_is_exact();
    int8_has_the_bits_of_vectors();
    bfloat16_is_within_rounding();
    rows_do_not_depend_on_others();
    check(emulation::faults() == 0, "%d faults, the last one: %s", emulation::faults(), emulation::reason());
    what_processors_refuse_is_refused();
    std::printf("%d checks, %d failed, on emulated tiles\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
