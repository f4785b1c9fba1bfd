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
 * Products by {@link CublasLt}, whose epilogue adds a bias. Algorithms are asked for once per shape. The library counts
 * columns first, so out [rows, n], as it lies in memory, is out' = weight x' to it.
 */
final class CublasLtGemm extends LibraryGemm {
    private static final int OPERATION_TRANSPOSE = 1;
    private static final int EPILOGUE_DEFAULT = 1;
    private static final int EPILOGUE_BIAS = 4;
    /** Partial sums are added in float32, never in the storage type. */
    private static final int REDUCTION_COMPUTE_TYPE = 2;
    /** {@code cublasLtMatmulHeuristicResult_t}, which begins with the algorithm. */
    private static final long HEURISTIC_BYTES = 96;
    /** Beyond it alignment does not matter to the library. */
    private static final int MAX_ALIGNMENT = 256;

    /** All that the choice of an algorithm depends on; the last three are alignments in bytes. */
    private record Shape(int rows, int n, int k, boolean bias, int weight, int x, int out) {
    }

    /** Descriptors of a shape, and the address of the algorithm. */
    private record Plan(long product, long weight, long x, long out, long algorithm) {
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
    void multiply(Product p, long out, boolean bias) {
        int outAlignment = alignment(bias ? out | p.bias() : out);
        Shape shape = new Shape(p.rows(), p.n(), p.k(), bias, alignment(p.weight()), alignment(p.x()), outAlignment);
        Plan plan = plans.get(shape);
        if (plan == null) {
            plan = plan(shape);
            plans.put(shape, plan);
        }
        if (bias) {
            biasPointer.set(JAVA_LONG, 0, p.bias());
            library.matmulDescSetBias(plan.product, biasPointer.address());
        }
        library.matmul(plan.product, one.address(), p.weight(), plan.weight, p.x(), plan.x, zero.address(), out,
                plan.out, plan.algorithm, workspace(), site.launcher().stream());
    }

    private static int alignment(long address) {
        return (int) Long.lowestOneBit(address | MAX_ALIGNMENT);
    }

    private Plan plan(Shape shape) {
        try (Arena call = Arena.ofConfined()) {
            long product = own(library.matmulDescCreate(COMPUTE_32F, CUDA_R_32F), library::matmulDescDestroy);
            library.matmulDescSetAttribute(product, CublasLt.DESC_TRANSA,
                    call.allocateFrom(JAVA_INT, OPERATION_TRANSPOSE));
            library.matmulDescSetAttribute(product, CublasLt.DESC_EPILOGUE,
                    call.allocateFrom(JAVA_INT, shape.bias ? EPILOGUE_BIAS : EPILOGUE_DEFAULT));
            long weight = layout(shape.k, shape.n);
            long x = layout(shape.k, shape.rows);
            long out = layout(shape.n, shape.rows);
            return new Plan(product, weight, x, out, algorithm(shape, product, weight, x, out, call));
        }
    }

    private long layout(int rows, int cols) {
        return own(library.matrixLayoutCreate(type, rows, cols, rows), library::matrixLayoutDestroy);
    }

    private long own(long descriptor, LongConsumer destroy) {
        descriptors.add(site.context().own("cuBLASLt descriptor", descriptor, destroy));
        return descriptor;
    }

    private long algorithm(Shape shape, long product, long weight, long x, long out, Arena call) {
        long preference = library.matmulPreferenceCreate();
        try {
            library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_MAX_WORKSPACE_BYTES,
                    call.allocateFrom(JAVA_LONG, workspace().byteSize()));
            library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_REDUCTION_SCHEME_MASK,
                    call.allocateFrom(JAVA_INT, REDUCTION_COMPUTE_TYPE));
            int[] alignments = {shape.weight, shape.x, shape.out, shape.out};
            for (int i = 0; i < alignments.length; i++) {
                library.matmulPreferenceSetAttribute(preference, CublasLt.PREF_MIN_ALIGNMENT_A_BYTES + i,
                        call.allocateFrom(JAVA_INT, alignments[i]));
            }
            MemorySegment result = arena.allocate(HEURISTIC_BYTES, JAVA_LONG.byteAlignment());
            MemorySegment found = call.allocate(JAVA_INT);
            library.matmulAlgoGetHeuristic(product, weight, x, out, preference, result, found);
            if (found.get(JAVA_INT, 0) == 0) {
                throw new NightjarException("cuBLASLt has no algorithm for " + shape + " of " + site.type());
            }
            return result.address();
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
