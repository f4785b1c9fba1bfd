package dev.nightjar.backend.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.NightjarException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Products by {@link CublasLt}, whose epilogue adds a bias or makes its gradient. Algorithms are asked for once per shape.
 */
final class CublasLtGemm extends LibraryGemm {
    private static final int OPERATION_NONE = 0;
    private static final int OPERATION_TRANSPOSE = 1;
    private static final int EPILOGUE_DEFAULT = 1;
    private static final int EPILOGUE_BIAS = 4;
    /** {@code CUBLASLT_EPILOGUE_BGRADB}. */
    private static final int EPILOGUE_SUMS_OF_B = 512;
    /** Partial sums are added in float32, never in the storage type. */
    private static final int REDUCTION_COMPUTE_TYPE = 2;
    /** {@code cublasLtMatmulHeuristicResult_t}, which begins with the algorithm. */
    private static final long HEURISTIC_BYTES = 96;
    /** Beyond it alignment does not matter to the library. */
    private static final int MAX_ALIGNMENT = 256;

    /** All that the choice of an algorithm depends on; the last three are alignments in bytes. */
    private record Shape(boolean transposeA, boolean transposeB, int m, int n, int k, boolean single, int epilogue,
            int alignmentA, int alignmentB, int alignmentC) {
    }

    /** Descriptors of a shape, and the address of the algorithm, 0 if there is none. */
    private record Plan(long product, long a, long b, long c, long algorithm) {
    }

    private final CublasLt library;
    private final GemmProvider.Site site;
    private final int type;
    private final Map<Shape, Plan> plans = new HashMap<>();
    private final List<CudaHandle> descriptors = new ArrayList<>();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1);
    private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0);
    private final MemorySegment biasPointer = arena.allocate(JAVA_LONG);

    CublasLtGemm(CublasLt library, GemmProvider.Site site) {
        super(site, true);
        this.library = library;
        this.site = site;
        this.type = dataType(site.type());
    }

    @Override
    void multiply(Multiplication x) {
        Shape shape = shape(x);
        Plan plan = plan(shape);
        if (plan.algorithm == 0) {
            throw new NightjarException("cuBLASLt has no algorithm for " + shape + " of " + site.type());
        }
        if (shape.epilogue != EPILOGUE_DEFAULT) {
            biasPointer.set(JAVA_LONG, 0, x.bias() | x.columnSums());
            library.matmulDescSetBias(plan.product, biasPointer.address());
        }
        library.matmul(plan.product, one.address(), x.a(), plan.a, x.b(), plan.b,
                (x.accumulate() ? one : zero).address(), x.c(), plan.c, plan.algorithm, workspace(),
                site.launcher().stream());
    }

    @Override
    boolean sumsColumns(Multiplication x) {
        return plan(shape(x)).algorithm != 0;
    }

    private static Shape shape(Multiplication x) {
        int epilogue = x.bias() != 0 ? EPILOGUE_BIAS : x.columnSums() != 0 ? EPILOGUE_SUMS_OF_B : EPILOGUE_DEFAULT;
        return new Shape(x.transposeA(), x.transposeB(), x.m(), x.n(), x.k(), x.single(), epilogue, alignment(x.a()),
                alignment(x.b()), alignment(x.c() | x.bias() | x.columnSums()));
    }

    private static int alignment(long address) {
        return (int) Long.lowestOneBit(address | MAX_ALIGNMENT);
    }

    private Plan plan(Shape shape) {
        // Not computeIfAbsent, whose lambda would be garbage on the way of every product.
        Plan plan = plans.get(shape);
        if (plan == null) {
            plan = newPlan(shape);
            plans.put(shape, plan);
        }
        return plan;
    }

    private Plan newPlan(Shape shape) {
        try (Arena call = Arena.ofConfined()) {
            long product = own(library.matmulDescCreate(COMPUTE_32F, CUDA_R_32F), library::matmulDescDestroy);
            transpose(product, CublasLt.DESC_TRANSA, shape.transposeA, call);
            transpose(product, CublasLt.DESC_TRANSB, shape.transposeB, call);
            library.matmulDescSetAttribute(product, CublasLt.DESC_EPILOGUE,
                    call.allocateFrom(JAVA_INT, shape.epilogue));
            long a = shape.transposeA ? layout(type, shape.k, shape.m) : layout(type, shape.m, shape.k);
            long b = shape.transposeB ? layout(type, shape.n, shape.k) : layout(type, shape.k, shape.n);
            long c = layout(shape.single ? CUDA_R_32F : type, shape.m, shape.n);
            return new Plan(product, a, b, c, algorithm(shape, product, a, b, c, call));
        }
    }

    private void transpose(long product, int attribute, boolean transpose, Arena call) {
        library.matmulDescSetAttribute(product, attribute,
                call.allocateFrom(JAVA_INT, transpose ? OPERATION_TRANSPOSE : OPERATION_NONE));
    }

    private long layout(int dataType, int rows, int cols) {
        return own(library.matrixLayoutCreate(dataType, rows, cols, rows), library::matrixLayoutDestroy);
    }

    private long own(long descriptor, LongConsumer destroy) {
        descriptors.add(site.context().own("cuBLASLt descriptor", descriptor, destroy));
        return descriptor;
    }

    private long algorithm(Shape shape, long product, long a, long b, long c, Arena call) {
        long preference = library.matmulPreferenceCreate();
        try {
            library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_MAX_WORKSPACE_BYTES,
                    call.allocateFrom(JAVA_LONG, workspace().byteSize()));
            library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_REDUCTION_SCHEME_MASK,
                    call.allocateFrom(JAVA_INT, REDUCTION_COMPUTE_TYPE));
            int[] alignments = {shape.alignmentA, shape.alignmentB, shape.alignmentC, shape.alignmentC};
            for (int i = 0; i < alignments.length; i++) {
                library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_MIN_ALIGNMENT_A_BYTES + i,
                        call.allocateFrom(JAVA_INT, alignments[i]));
            }
            MemorySegment result = arena.allocate(HEURISTIC_BYTES, JAVA_LONG.byteAlignment());
            MemorySegment found = call.allocate(JAVA_INT);
            return library.matmulAlgoGetHeuristic(product, a, b, c, preference, result, found) ? result.address() : 0;
        } finally {
            library.matmulPreferenceDestroy(preference);
        }
    }

    @Override
    public void close() {
        descriptors.forEach(CudaHandle::close);
        super.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
