package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;

/** A weight [N, K] and, where it never changes, its transpose, with which oneDNN is fastest. */
final class CpuWeight implements Weight {
    private final Tensor tensor;
    private final HostBuffer transposed;

    private CpuWeight(Tensor tensor, HostBuffer transposed) {
        this.tensor = tensor;
        this.transposed = transposed;
    }

    static CpuWeight changing(Tensor tensor) {
        return new CpuWeight(tensor, null);
    }

    static CpuWeight constant(Tensor tensor, LinearKernels kernels) {
        HostBuffer transposed = WeightMemory.allocate(tensor.byteSize());
        try (IntraOp alone = new IntraOp(1)) {
            LinearMaps.transpose(alone, kernels, tensor, transposed.segment().address());
        }
        return new CpuWeight(tensor, transposed);
    }

    @Override
    public Tensor tensor() {
        return tensor;
    }

    /** Address of the transpose [K, N], or 0. */
    long transposed() {
        return transposed == null ? 0 : transposed.segment().address();
    }

    @Override
    public void close() {
        if (transposed != null) {
            transposed.close();
        }
    }
}
