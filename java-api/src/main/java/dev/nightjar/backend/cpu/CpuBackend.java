package dev.nightjar.backend.cpu;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Backend;
import dev.nightjar.backend.InferenceOps;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.Weight;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.ffi.HugePages;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Host memory and the processor's vector units. Everything is done by Nightjar's native library but the matrix products of training,
 * which are oneDNN's, with plain Java in place of whichever the class path does not have for this machine; {@link #details} says which
 * and why.
 */
public final class CpuBackend implements Backend {
    /**
     * Who computes everything but matrix products, in ascending order; {@code AUTO} is the best instruction set of this processor
     * that the user allows ({@link IsaLimit}), else {@code JAVA}.
     */
    public enum Kernels {
        AUTO, JAVA, BASELINE, AVX2, AVX512, AVX512_VNNI, AVX512_BF16, AMX
    }

    /**
     * Who computes matrix products. {@code AUTO} is the native kernels where a weight is packed once, for inference, and otherwise
     * {@code ONEDNN} unless the user allows Java alone, else {@code JAVA}; another is for all of float32.
     */
    public enum Products {
        AUTO, JAVA, ONEDNN
    }

    /** Instructions without which a type would be slower than float32. */
    private static final Map<DType, NativeKernels.Isa> REQUIRED = new EnumMap<>(
            Map.of(DType.BF16, NativeKernels.Isa.AVX512_BF16, DType.I8, NativeKernels.Isa.AVX512_VNNI));

    /** DistilBERT base. */
    private static final int TYPICAL_DIM = 768;
    private static final int TYPICAL_HIDDEN_DIM = 3072;

    private final NativeKernels kernels;
    private final Gemm gemm;
    private final LinearKernels linearKernels;
    private final boolean packs;
    private final Map<String, String> details = new LinkedHashMap<>();

    /** The fastest there is. */
    public CpuBackend() {
        this(Kernels.AUTO, Products.AUTO);
    }

    /**
     * The choice of the caller; a name goes before the user's limit.
     *
     * @throws UnavailableException if something asked for by name is not there, anything is there and cannot be loaded, or the user's
     *         limit is not the name of an instruction set
     */
    public CpuBackend(Kernels kernels, Products products) {
        IsaLimit limit = IsaLimit.chosen();
        this.kernels = chooseKernels(kernels, limit);
        this.gemm = chooseGemm(products, limit);
        this.linearKernels = this.kernels != null ? this.kernels : new JavaLinearKernels();
        this.packs = this.kernels != null && products == Products.AUTO;
        if (packs) {
            details.computeIfPresent("matrix products", (key, others) -> "native in inference, else " + others);
        }
    }

    private NativeKernels chooseKernels(Kernels wanted, IsaLimit limit) {
        String missing = switch (wanted) {
            case JAVA -> "asked for";
            case AUTO -> missing(limit, NativeKernels.isPackaged(), NativeKernels.resource());
            default -> null;
        };
        if (missing != null) {
            details.put("kernels", "pure Java (" + missing + ")");
            return null;
        }
        NativeKernels result = wanted == Kernels.AUTO
                ? NativeKernels.loadBest(limit.isa())
                : NativeKernels.load(NativeKernels.Isa.valueOf(wanted.name()));
        if (result.isa() == NativeKernels.Isa.AMX) {
            AmxTrial trial = AmxTrial.outcome();
            details.put("amx", trial.toString());
            if (wanted == Kernels.AUTO && !trial.chosen()) {
                result = NativeKernels.load(NativeKernels.Isa.AVX512_BF16);
            } else if (trial.difference() != null) {
                throw new UnavailableException("amx gives wrong products here (" + trial.difference() + ")");
            }
        }
        boolean limited = wanted == Kernels.AUTO && limit.setting() != null && result.isa() == limit.isa();
        details.put("kernels", "native, " + result.isa() + (limited ? " (" + limit.reason() + ")" : ""));
        return result;
    }

    private Gemm chooseGemm(Products wanted, IsaLimit limit) {
        String missing = switch (wanted) {
            case JAVA -> "asked for";
            case AUTO -> missing(limit, OneDnnGemm.isPackaged(), OneDnnGemm.resource());
            case ONEDNN -> null;
        };
        if (missing != null) {
            details.put("matrix products", "pure Java (" + missing + ")");
            return new JavaGemm();
        }
        OneDnnGemm result = OneDnnGemm.load();
        String held = "";
        if (wanted == Products.AUTO && limit.setting() != null) {
            held = result.limit(limit.isa())
                    ? " (" + limit.reason() + ")"
                    : " (not " + limit.reason() + ": it runs already)";
        }
        details.put("matrix products", "oneDNN " + result.version() + held);
        return result;
    }

    /** Why something native that nobody asked for by name is not used; null if it is. */
    private static String missing(IsaLimit limit, boolean packaged, String resource) {
        if (limit.most() == Kernels.JAVA) {
            return limit.reason();
        }
        return packaged ? null : resource + " is not on the class path";
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public Map<String, String> details() {
        Map<String, String> all = new LinkedHashMap<>(details);
        all.put("huge pages", HugePages.setting());
        all.put("precision auto", FastestType.of(this, TYPICAL_DIM, TYPICAL_HIDDEN_DIM).reason());
        return all;
    }

    /** Who computes, as text. */
    String implementations() {
        return details.toString();
    }

    @Override
    public List<DType> inferenceTypes() {
        List<DType> types = new ArrayList<>(List.of(DType.F32));
        for (DType type : REQUIRED.keySet()) {
            if (offers(type)) {
                types.add(type);
            }
        }
        return types;
    }

    private boolean offers(DType type) {
        return kernels != null && kernels.lowPrecision() != null && REQUIRED.containsKey(type)
                && kernels.isa().compareTo(REQUIRED.get(type)) >= 0;
    }

    @Override
    public void requireInferenceType(DType type) {
        try {
            Backend.super.requireInferenceType(type);
        } catch (UnavailableException e) {
            if (!REQUIRED.containsKey(type)) {
                throw e;
            }
            throw new UnavailableException(e.getMessage() + ": " + type.fullName() + " needs native kernels for "
                    + REQUIRED.get(type) + ", and there are " + details.get("kernels"), e);
        }
    }

    @Override
    public DType fastestInferenceType(int dim, int hiddenDim) {
        return FastestType.of(this, dim, hiddenDim).type();
    }

    @Override
    public Weight prepareForInference(Tensor matrix, DType type) {
        if (type == DType.F32) {
            return prepare(matrix, true);
        }
        // Models of int8 have weights in bfloat16 too.
        if (type != DType.BF16 || !offers(DType.I8)) {
            requireInferenceType(type);
        }
        return new PackedWeight(kernels.lowPrecision().products(), matrix, type);
    }

    @Override
    public InferenceOps newInferenceOps(int threads, DType type) {
        requireInferenceType(type);
        return type == DType.F32 ? newOps(threads) : new LowPrecisionOps(threads, kernels.lowPrecision());
    }

    @Override
    public List<DType> trainingTypes() {
        return trainsInBfloat16() ? List.of(DType.F32, DType.BF16) : List.of(DType.F32);
    }

    private boolean trainsInBfloat16() {
        return kernels != null && kernels.bfloat16() != null && gemm.multiplies(DType.BF16);
    }

    @Override
    public void requireTrainingType(DType type) {
        try {
            Backend.super.requireTrainingType(type);
        } catch (UnavailableException e) {
            if (type != DType.BF16) {
                throw e;
            }
            throw new UnavailableException(e.getMessage() + ": bfloat16 needs native kernels for "
                    + REQUIRED.get(DType.BF16) + " and a oneDNN that multiplies it, and there are " + details, e);
        }
    }

    @Override
    public HostBuffer allocate(long bytes) {
        return new HostBuffer(bytes);
    }

    @Override
    public Weight prepare(Tensor matrix, boolean constant) {
        if (!constant) {
            return CpuWeight.changing(matrix);
        }
        return packs
                ? new PackedWeight(kernels.floatProducts(), matrix, DType.F32)
                : CpuWeight.constant(matrix, linearKernels);
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        destination.segment().copyFrom(ReferenceBackend.exactly(source, destination));
    }

    @Override
    public void download(Tensor source, MemorySegment destination) {
        ReferenceBackend.exactly(destination, source).copyFrom(source.segment());
    }

    @Override
    public Ops newOps(int threads) {
        return newOps(threads, DType.F32);
    }

    @Override
    public Ops newOps(int threads, DType type) {
        requireTrainingType(type);
        return kernels != null ? new CpuOps(threads, type, kernels, gemm) : new PortableCpuOps(threads, gemm);
    }

    @Override
    public void close() {
        // Libraries stay loaded for the process, and buffers belong to whoever allocated them.
    }
}
