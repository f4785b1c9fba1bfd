package dev.nightjar.backend.cuda;

import dev.nightjar.NightjarException;
import dev.nightjar.UnavailableException;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.ffi.StatusLibrary;
import jcuda.JCudaVersion;
import jcuda.Pointer;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasStatus;

/**
 * NVIDIA's cuBLAS 12 through JCublas2 of JCuda 12.6, which is an optional dependency: this class must not be
 * touched without it. Thread-safe.
 *
 * <p>JCuda unpacks its JNI library to a fixed name in {@code java.io.tmpdir} and loads it from there. That library
 * wants {@code libcublas.so.12}, which is loaded before it and so need not be in the linker's path.
 */
final class JCublas extends StatusLibrary implements GemmProvider {
    /** System property that names the file of cuBLAS 12. */
    static final String LIBRARY_PROPERTY = "nightjar.cublas.library";
    /** Environment variable that does the same. */
    static final String LIBRARY_VARIABLE = "NIGHTJAR_CUBLAS_LIBRARY";

    private final CudaContext context;
    private final int version;

    private JCublas(NativeLibrary library, CudaContext context) {
        super(library);
        this.context = context;
        this.version = version();
        GemmProviders.requireVersion("cuBLAS (" + library.name() + ")", version, context.driver());
    }

    private int version() {
        Handle handle = new Handle();
        int[] number = new int[1];
        try {
            CudaHandle owner = create(handle);
            check("cublasGetVersion", JCublas2.cublasGetVersion(handle, number));
            owner.close();
            return number[0];
        } catch (NightjarException e) {
            throw new UnavailableException(libraryName() + " does not start: " + e.getMessage(), e);
        }
    }

    /** A cuBLAS handle, whose value JCuda keeps from others. */
    private static final class Handle extends cublasHandle {
        long value() {
            return getNativePointer();
        }
    }

    /**
     * Finds and starts the library: the file named by {@value #LIBRARY_PROPERTY} or {@value #LIBRARY_VARIABLE}, else
     * {@code libcublas.so.12}.
     *
     * @throws UnavailableException if it or JCuda's JNI library cannot be loaded, is newer than the driver, or does not
     *         start
     * @throws LinkageError if JCuda has another version
     */
    static JCublas load(CudaContext context) {
        try {
            NativeLibrary library = NativeLibrary.find(LIBRARY_PROPERTY, LIBRARY_VARIABLE, "libcublas.so.12");
            initialize(library);
            return new JCublas(library, context);
        } catch (UnavailableException e) {
            throw new UnavailableException("no cuBLAS for JCublas2: " + e.getMessage(), e);
        }
    }

    private static void initialize(NativeLibrary cublas) {
        try {
            JCublas2.initialize();
        } catch (LinkageError e) {
            // A class that could not be initialised once says so for ever, with what went wrong then as the cause.
            Throwable first = e.getCause() == null ? e : e.getCause();
            throw new UnavailableException("the JNI library of JCublas2 cannot be loaded with " + cublas.name() + ": "
                    + first.getMessage().lines().findFirst().orElse(""), e);
        }
    }

    private CudaHandle create(Handle handle) {
        context.bind();
        check("cublasCreate", JCublas2.cublasCreate(handle));
        return context.own("cuBLAS handle", handle.value(),
                value -> check("cublasDestroy", JCublas2.cublasDestroy(handle)));
    }

    @Override
    protected String errorText(int status) {
        return cublasStatus.stringFor(status);
    }

    @Override
    public String name() {
        return GemmProviders.JCUBLAS;
    }

    @Override
    public String description() {
        return name() + " " + JCudaVersion.get() + " with cuBLAS " + GemmProviders.versionText(version) + " ("
                + libraryName() + ")";
    }

    @Override
    public CudaGemm open(Site site) {
        return openLibrary(site);
    }

    @Override
    public CudaTrainingGemm openTraining(Site site, Scratch scratch) {
        return new LibraryTrainingGemm(openLibrary(site), site, scratch);
    }

    private Gemm openLibrary(Site site) {
        Handle handle = new Handle();
        CudaHandle owner = create(handle);
        try {
            return new Gemm(site, handle, owner);
        } catch (RuntimeException | Error e) {
            owner.close();
            throw e;
        }
    }

    @Override
    public void close() {
        // Handles belong to the products of a stream.
    }

    /** Products on one stream. */
    private final class Gemm extends LibraryGemm {
        private static final int OPERATION_NONE = 0;
        private static final int OPERATION_TRANSPOSE = 1;
        private static final int DEFAULT_ALGORITHM = -1;
        /** {@code cublasMath_t}: partial sums are added in float32, never in the storage type. */
        private static final int DISALLOW_REDUCED_PRECISION_REDUCTION = 16;

        private final Handle handle;
        private final CudaHandle owner;
        private final int type;
        private final Pointer one = Pointer.to(new float[]{1});
        private final Pointer zero = Pointer.to(new float[]{0});

        Gemm(Site site, Handle handle, CudaHandle owner) {
            super(site, false);
            this.handle = handle;
            this.owner = owner;
            this.type = dataType(site.type());
            try {
                // JCuda cannot name a stream that it did not make.
                call("cublasSetStream_v2", handle.value(), site.launcher().stream());
                check("cublasSetWorkspace", JCublas2.cublasSetWorkspace(handle, device(workspace().address()),
                        workspace().byteSize()));
                check("cublasSetMathMode", JCublas2.cublasSetMathMode(handle, DISALLOW_REDUCED_PRECISION_REDUCTION));
            } catch (RuntimeException | Error e) {
                close();
                throw e;
            }
        }

        private static Pointer device(long address) {
            return new Pointer().withByteOffset(address);
        }

        @Override
        void multiply(Multiplication x) {
            check("cublasGemmEx", JCublas2.cublasGemmEx_new(handle,
                    x.transposeA() ? OPERATION_TRANSPOSE : OPERATION_NONE,
                    x.transposeB() ? OPERATION_TRANSPOSE : OPERATION_NONE, x.m(), x.n(), x.k(), one, device(x.a()),
                    type,
                    x.transposeA() ? x.k() : x.m(), device(x.b()), type, x.transposeB() ? x.n() : x.k(),
                    x.accumulate() ? one : zero, device(x.c()), x.single() ? CUDA_R_32F : type, x.m(), COMPUTE_32F,
                    DEFAULT_ALGORITHM));
        }

        @Override
        boolean sumsColumns(Multiplication multiplication) {
            return false;
        }

        @Override
        public final void close() {
            owner.close();
            super.close();
        }
    }
}
