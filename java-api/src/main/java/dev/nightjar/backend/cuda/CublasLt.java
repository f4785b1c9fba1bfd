package dev.nightjar.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.NightjarException;
import dev.nightjar.UnavailableException;
import dev.nightjar.ffi.Downcalls;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.ffi.StatusLibrary;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/**
 * NVIDIA's cuBLASLt of CUDA 12 or 13, as far as Nightjar needs it, with one handle for all streams. Methods are the
 * functions of {@code cublasLt.h} without {@code cublasLt}; descriptors are {@code long}. Thread-safe, as the library
 * is.
 */
final class CublasLt extends StatusLibrary implements GemmProvider {
    /** System property that names the library file. */
    static final String LIBRARY_PROPERTY = "nightjar.cublaslt.library";
    /** Environment variable that does the same. */
    static final String LIBRARY_VARIABLE = "NIGHTJAR_CUBLASLT_LIBRARY";

    /** {@code cublasLtMatmulDescAttributes_t}. */
    static final int DESC_TRANSA = 3;
    /** {@code cublasLtMatmulDescAttributes_t}. */
    static final int DESC_TRANSB = 4;
    /** {@code cublasLtMatmulDescAttributes_t}. */
    static final int DESC_EPILOGUE = 7;
    /** {@code cublasLtMatmulPreferenceAttributes_t}. */
    static final int PREF_MAX_WORKSPACE_BYTES = 1;
    /** {@code cublasLtMatmulPreferenceAttributes_t}. */
    static final int PREF_REDUCTION_SCHEME_MASK = 3;
    /** {@code cublasLtMatmulPreferenceAttributes_t}, for A; B, C and D follow. */
    static final int PREF_MIN_ALIGNMENT_A_BYTES = 5;

    private static final int CUDA_13 = 13_000;
    /** {@code cublasStatus_t}: there is no algorithm. */
    private static final int NOT_SUPPORTED = 15;
    /** {@code cublasLtMatmulDescAttributes_t}. */
    private static final int DESC_BIAS_POINTER = 8;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle MATMUL = LINKER.downcallHandle(
            FunctionDescriptor.of(JAVA_INT, Collections.nCopies(16, JAVA_LONG).toArray(MemoryLayout[]::new)));
    private static final MethodHandle SET_ATTRIBUTE = LINKER
            .downcallHandle(FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG));

    private final MemorySegment matmul;
    private final MemorySegment setAttribute;
    private final long version;
    private final CudaHandle handle;

    private CublasLt(NativeLibrary library, CudaContext context) {
        super(library);
        matmul = library.address("cublasLtMatmul");
        setAttribute = library.address("cublasLtMatmulDescSetAttribute");
        version = version(library);
        GemmProviders.requireVersion("cuBLASLt (" + library.name() + ")", version, context.driver());
        handle = context.own("cuBLASLt handle", create(context), value -> call("cublasLtDestroy", value));
    }

    /**
     * Finds and starts the library: the file named by {@value #LIBRARY_PROPERTY} or {@value #LIBRARY_VARIABLE}, else
     * the newest that the driver can work with.
     *
     * @throws UnavailableException if it is not found, too old, newer than the driver, or does not start
     */
    static CublasLt load(CudaContext context) {
        String[] sonames = context.driver().version() >= CUDA_13
                ? new String[]{"libcublasLt.so.13", "libcublasLt.so.12"}
                : new String[]{"libcublasLt.so.12"};
        try {
            return new CublasLt(NativeLibrary.find(LIBRARY_PROPERTY, LIBRARY_VARIABLE, sonames), context);
        } catch (UnavailableException e) {
            throw new UnavailableException("no cuBLASLt: " + e.getMessage(), e);
        }
    }

    /** The one function that has no status. */
    private static long version(NativeLibrary library) {
        try {
            return (long) library.downcall("cublasLtGetVersion", FunctionDescriptor.of(JAVA_LONG)).invokeExact();
        } catch (Throwable t) {
            throw Downcalls.failure("cublasLtGetVersion", t);
        }
    }

    private long create(CudaContext context) {
        context.bind();
        try {
            return result("cublasLtCreate");
        } catch (NightjarException e) {
            throw new UnavailableException(libraryName() + " " + GemmProviders.versionText(version)
                    + " does not start: " + e.getMessage(), e);
        }
    }

    @Override
    protected String errorText(int status) {
        try {
            MemorySegment text = (MemorySegment) library()
                    .downcall("cublasLtGetStatusName", FunctionDescriptor.of(ADDRESS, JAVA_INT)).invokeExact(status);
            return text.reinterpret(Long.MAX_VALUE).getString(0);
        } catch (Throwable t) {
            throw Downcalls.failure("cublasLtGetStatusName", t);
        }
    }

    @Override
    public String name() {
        return GemmProviders.CUBLASLT;
    }

    @Override
    public String description() {
        return name() + " " + GemmProviders.versionText(version) + " (" + libraryName() + ")";
    }

    @Override
    public CudaGemm open(Site site) {
        return new CublasLtGemm(this, site);
    }

    @Override
    public CudaTrainingGemm openTraining(Site site, Scratch scratch) {
        return new LibraryTrainingGemm(new CublasLtGemm(this, site), site, scratch);
    }

    @Override
    public void close() {
        handle.close();
    }

    // ---- descriptors

    long matmulDescCreate(int computeType, int scaleType) {
        return result("cublasLtMatmulDescCreate", computeType, scaleType);
    }

    void matmulDescSetAttribute(long descriptor, int attribute, MemorySegment value) {
        call("cublasLtMatmulDescSetAttribute", descriptor, attribute, value, value.byteSize());
    }

    void matmulDescDestroy(long descriptor) {
        call("cublasLtMatmulDescDestroy", descriptor);
    }

    /** A matrix whose columns stand one {@code leadingDimension} after the other. */
    long matrixLayoutCreate(int type, long rows, long cols, long leadingDimension) {
        return result("cublasLtMatrixLayoutCreate", type, rows, cols, leadingDimension);
    }

    void matrixLayoutDestroy(long layout) {
        call("cublasLtMatrixLayoutDestroy", layout);
    }

    long matmulPreferenceCreate() {
        return result("cublasLtMatmulPreferenceCreate");
    }

    void matmulPreferenceSetAttribute(long preference, int attribute, MemorySegment value) {
        call("cublasLtMatmulPreferenceSetAttribute", preference, attribute, value, value.byteSize());
    }

    void matmulPreferenceDestroy(long preference) {
        call("cublasLtMatmulPreferenceDestroy", preference);
    }

    // ---- products, whose calls allocate nothing but for the choice of algorithms

    /** @param pointer host address of the device address of the bias */
    void matmulDescSetBias(long descriptor, long pointer) {
        int status;
        try {
            status = (int) SET_ATTRIBUTE.invokeExact(setAttribute, descriptor, DESC_BIAS_POINTER, pointer,
                    JAVA_LONG.byteSize());
        } catch (Throwable t) {
            throw Downcalls.failure("cublasLtMatmulDescSetAttribute", t);
        }
        check("cublasLtMatmulDescSetAttribute", status);
    }

    /**
     * Asks for the algorithm that the library takes for the fastest.
     *
     * @param result {@code cublasLtMatmulHeuristicResult_t}
     * @param found int32, scratch
     * @return whether there is one
     */
    boolean matmulAlgoGetHeuristic(long descriptor, long a, long b, long d, long preference, MemorySegment result,
            MemorySegment found) {
        String function = "cublasLtMatmulAlgoGetHeuristic";
        int status = status(function, handle.value(), descriptor, a, b, d, d, preference, 1, result, found);
        if (status == NOT_SUPPORTED) {
            return false;
        }
        check(function, status);
        return found.get(JAVA_INT, 0) > 0;
    }

    /** D = alpha A B + beta D and what the descriptor says besides; scalars and algorithm by host address. */
    void matmul(long descriptor, long alpha, long a, long layoutA, long b, long layoutB, long beta, long d,
            long layoutD, long algorithm, CudaBuffer workspace, long stream) {
        int status;
        try {
            status = (int) MATMUL.invokeExact(matmul, handle.value(), descriptor, alpha, a, layoutA, b, layoutB, beta,
                    d, layoutD, d, layoutD, algorithm, workspace.address(), workspace.byteSize(), stream);
        } catch (Throwable t) {
            throw Downcalls.failure("cublasLtMatmul", t);
        }
        check("cublasLtMatmul", status);
    }
}
