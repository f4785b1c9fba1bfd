package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Float32Codec;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Int8Rows;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A weight [N, K] in float32, bfloat16 or int8, in the order in which {@link ProductKernels#linear} reads it. */
final class PackedWeight implements Weight {
    private final Tensor tensor;
    private final DType type;
    private final HostBuffer packed;
    /** [N] float32; int8 only, else null. */
    private final HostBuffer scales;

    /** @param tensor in float32, which is rounded or quantised, or in {@code type} */
    PackedWeight(ProductKernels kernels, Tensor tensor, DType type) {
        this.tensor = tensor;
        this.type = type;
        int n = tensor.rows();
        int k = tensor.cols();
        packed = WeightMemory.allocate(kernels.packedWeightSize(type, n, k));
        scales = type == DType.I8 ? new HostBuffer((long) n * Float.BYTES) : null;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment matrix = tensor.segment();
            if (type == DType.I8) {
                matrix = arena.allocate((long) n * k);
                Int8Rows.quantise(n, k, tensor.segment(), matrix, scales.segment());
            } else if (tensor.dtype() != type) {
                matrix = arena.allocate((long) n * k * type.bytes(), Float.BYTES);
                Float32Codec.encode(type, tensor.segment(), matrix, tensor.elements());
            }
            kernels.packWeight(type, n, k, matrix.address(), packed.segment().address());
        }
    }

    @Override
    public Tensor tensor() {
        return tensor;
    }

    DType type() {
        return type;
    }

    /** N. */
    int rows() {
        return tensor.rows();
    }

    /** K. */
    int cols() {
        return tensor.cols();
    }

    long address() {
        return packed.segment().address();
    }

    /** Address of the scales, or 0. */
    long scales() {
        return scales == null ? 0 : scales.segment().address();
    }

    @Override
    public void close() {
        packed.close();
        if (scales != null) {
            scales.close();
        }
    }
}
