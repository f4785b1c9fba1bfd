package dev.nightjar.backend.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.ffi.Downcalls;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Products by oneDNN, from the library that {@code org.bytedeco:dnnl} packs. Measured on Zen 4 {@code dnnl_sgemm} is as fast as matmul
 * primitives for the shapes of a transformer block (115 of 117 GFLOP/s where B is not transposed, from 8 rows on), and needs neither
 * their creation (0.5 to 3 ms for each new number of tokens) nor a cache.
 *
 * <p>The same product of bfloat16 is not in the C API, but it is what oneDNN's own recurrent layers call, exported under its C++ name:
 * 190 to 215 GFLOP/s of Zen 4's 240 for training's products of 1,024 rows, where matmul primitives come to 120 to 220. On processors
 * with AMX it uses that. A version of the library without it trains in float32 alone.
 */
final class OneDnnGemm implements Gemm {
    private static final String FOLDER = "org/bytedeco/dnnl/" + NativeLibrary.platform();
    private static final String LIBRARY = "libdnnl.so.3";

    private static final String BFLOAT16_GEMM = "_ZN4dnnl4impl3cpu16gemm_bf16bf16f32EPKcS3_PKlS5_S5_PKfPKNS0_10bfloat16_tES5_SA_S5_S7_PfS5_";

    private final MethodHandle sgemm;
    /** Null where the library does not have it. */
    private final MethodHandle bfloat16Gemm;
    private final ThreadLocal<Arguments> arguments = ThreadLocal.withInitial(Arguments::new);
    private final MethodHandle setNumThreads;
    private final MethodHandle setMaxIsa;
    private final MethodHandle effectiveIsa;
    private final String version;

    private OneDnnGemm(NativeLibrary library) {
        sgemm = library.downcall("dnnl_sgemm", FunctionDescriptor.of(JAVA_INT, JAVA_BYTE, JAVA_BYTE, JAVA_LONG,
                JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_LONG,
                JAVA_LONG));
        bfloat16Gemm = library.has(BFLOAT16_GEMM)
                ? library.downcall(BFLOAT16_GEMM, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                        JAVA_LONG, JAVA_LONG))
                : null;
        // Found among the library's dependencies, so it is the OpenMP run time that oneDNN itself uses.
        setNumThreads = library.downcall("omp_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT),
                Linker.Option.critical(false));
        setMaxIsa = library.downcall("dnnl_set_max_cpu_isa", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
        effectiveIsa = library.downcall("dnnl_get_effective_cpu_isa", FunctionDescriptor.of(JAVA_INT));
        version = readVersion(library);
    }

    /** Whether the class path has oneDNN for this machine. */
    static boolean isPackaged() {
        return NativeLibrary.isPackaged(FOLDER, LIBRARY);
    }

    /** What {@link #isPackaged} looks for. */
    static String resource() {
        return FOLDER + "/" + LIBRARY;
    }

    /** @throws dev.nightjar.UnavailableException if the library is not there or cannot be loaded */
    static OneDnnGemm load() {
        return new OneDnnGemm(NativeLibrary.load(FOLDER, LIBRARY, "libgomp.so.1"));
    }

    /** As in 3.13.0. */
    String version() {
        return version;
    }

    /**
     * Keeps the library of this process to instruction sets up to {@code most}; whether it is kept to them. It takes a limit until it
     * first generates code, so the first one holds.
     */
    boolean limit(NativeKernels.Isa most) {
        int wanted = code(most);
        try {
            // Refused where a limit holds already, which may be the same.
            int ignored = (int) setMaxIsa.invokeExact(wanted);
            return ((int) effectiveIsa.invokeExact() & ~wanted) == 0;
        } catch (Throwable t) {
            throw Downcalls.failure("dnnl_set_max_cpu_isa", t);
        }
    }

    /** {@code dnnl_cpu_isa_t}, whose bits are features; there is nothing below SSE 4.1. */
    private static int code(NativeKernels.Isa isa) {
        return switch (isa) {
            case BASELINE -> 0x1;
            case AVX2 -> 0x7;
            case AVX512 -> 0x27;
            case AVX512_VNNI -> 0x67;
            case AVX512_BF16 -> 0xe7;
            case AMX -> 0xfef;
        };
    }

    private static String readVersion(NativeLibrary library) {
        MethodHandle handle = library.downcall("dnnl_version", FunctionDescriptor.of(ADDRESS));
        try {
            MemorySegment numbers = ((MemorySegment) handle.invokeExact()).reinterpret(3 * JAVA_INT.byteSize());
            return numbers.getAtIndex(JAVA_INT, 0) + "." + numbers.getAtIndex(JAVA_INT, 1) + "."
                    + numbers.getAtIndex(JAVA_INT, 2);
        } catch (Throwable t) {
            throw Downcalls.failure("dnnl_version", t);
        }
    }

    /** One call's numbers in memory, where Fortran's convention wants them. */
    private static final class Arguments {
        private static final int SIZES = 6;
        private final MemorySegment sizes = Arena.ofAuto().allocate(JAVA_LONG, SIZES);
        private final MemorySegment factors = Arena.ofAuto().allocate(JAVA_FLOAT, 2);
        private final MemorySegment letters = Arena.ofAuto().allocateFrom("NT");

        long size(int index, long value) {
            sizes.setAtIndex(JAVA_LONG, index, value);
            return sizes.address() + index * JAVA_LONG.byteSize();
        }

        long factor(int index, float value) {
            factors.setAtIndex(JAVA_FLOAT, index, value);
            return factors.address() + index * JAVA_FLOAT.byteSize();
        }

        long letter(boolean transpose) {
            return letters.address() + (transpose ? 1 : 0);
        }
    }

    @Override
    public boolean multiplies(DType type) {
        return type == DType.F32 || (type == DType.BF16 && bfloat16Gemm != null);
    }

    @Override
    public void multiply(DType type, boolean transposeA, boolean transposeB, int m, int n, int k, long a, int lda,
            long b,
            int ldb, float beta, long c, int ldc) {
        int status;
        try {
            // Per thread, and cheap enough to repeat for callers whose thread nobody has seen before. With one thread OpenMP
            // never starts a team, whose threads would spin after every product.
            setNumThreads.invokeExact(1);
            if (type == DType.F32) {
                status = (int) sgemm.invokeExact((byte) (transposeA ? 'T' : 'N'), (byte) (transposeB ? 'T' : 'N'),
                        (long) m, (long) n, (long) k, 1f, a, (long) lda, b, (long) ldb, beta, c, (long) ldc);
            } else {
                // Column by column, so what is row by row here is transposed there: C' = op(B)' op(A)'.
                Arguments args = arguments.get();
                status = (int) bfloat16Gemm.invokeExact(args.letter(transposeB), args.letter(transposeA),
                        args.size(0, n), args.size(1, m), args.size(2, k), args.factor(0, 1), b, args.size(3, ldb), a,
                        args.size(4, lda), args.factor(1, beta), c, args.size(5, ldc));
            }
        } catch (Throwable t) {
            throw Downcalls.failure("oneDNN's product of " + type, t);
        }
        Downcalls.check("oneDNN's product of " + type, status, OneDnnGemm::text);
    }

    /** {@code dnnl_status_t}. */
    private static String text(int status) {
        return switch (status) {
            case 1 -> "out of memory";
            case 2 -> "invalid arguments";
            case 3 -> "unimplemented";
            case 5 -> "runtime error";
            default -> "see dnnl_status_t";
        };
    }
}
