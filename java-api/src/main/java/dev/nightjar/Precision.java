package dev.nightjar;

import dev.nightjar.backend.Backend;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import java.util.Arrays;
import java.util.List;

/**
 * The type a model computes in: that of its weights, and of what passes from one operation to the next. Sums, softmax and
 * normalisation, and the probabilities and scores that come out, are float32 in every precision. {@link #toString()} is the
 * usual name, {@code bfloat16} for instance. Which backend offers what, {@link Device#statuses()} says.
 */
public enum Precision {
    /** Single precision: the only one of a model that is to be trained or saved, whatever its training then computes in. */
    FLOAT32(DType.F32, DType.F32),
    /** Half the memory, 8 significant bits and the range of float32. */
    BFLOAT16(DType.BF16, DType.BF16),
    /** Half the memory, 11 significant bits and nothing beyond 65504: a weight that is larger is refused. */
    FLOAT16(DType.F16, DType.F16),
    /**
     * Weights of the encoder's linear layers as symmetric 8-bit integers with a scale for each output, multiplied by
     * activations that are quantised token by token; everything between is bfloat16. The weights in float32, from which
     * they are made, stay in memory.
     */
    INT8(DType.I8, DType.F32),
    /**
     * The fastest of those that the device offers, but float32 where none is at least a tenth faster, and the more exact one
     * of two that are alike. The {@code cpu} backend measures once per process how long a linear layer takes in each;
     * the others compute in float32.
     */
    AUTO(null, null);

    private final DType type;
    private final DType parameterType;

    Precision(DType type, DType parameterType) {
        this.type = type;
        this.parameterType = parameterType;
    }

    /** The precision of a type that {@link dev.nightjar.backend.Backend#fastestInferenceType} gave. */
    private static Precision of(DType type) {
        return Arrays.stream(values()).filter(precision -> precision.type == type).findFirst().orElseThrow();
    }

    /** This one, or what {@link #AUTO} means for models of a shape on a backend. */
    Precision resolve(Backend backend, DistilBertConfig config) {
        return this == AUTO ? of(backend.fastestInferenceType(config.dim(), config.hiddenDim())) : this;
    }

    /** Of the parameters that a model holds. */
    DType parameterType() {
        return parameterType;
    }

    /** In which a folder's weights are written. */
    DType storageType() {
        if (this == AUTO) {
            throw new IllegalArgumentException("weights are not stored in precision auto");
        }
        return type;
    }

    DType type() {
        return type;
    }

    /** Those of the given types. */
    static List<Precision> of(List<DType> types) {
        return Arrays.stream(values()).filter(precision -> precision != AUTO && types.contains(precision.type))
                .toList();
    }

    @Override
    public String toString() {
        return this == AUTO ? "auto" : type.fullName();
    }
}
