package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Weight;
import dev.nightjar.backend.reference.ReferenceOps;
import dev.nightjar.tensor.Tensor;
import java.util.List;

/** Operations where the native library is absent: fast products, and plain Java for the rest, which is a small part of the work. */
final class PortableCpuOps extends ReferenceOps {
    private final IntraOp threads;
    private final LinearMaps linear;

    PortableCpuOps(int threads, Gemm gemm) {
        this.threads = new IntraOp(threads);
        this.linear = new LinearMaps(this.threads, gemm, new JavaLinearKernels());
    }

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        linear.forward(rows.most(), x, weight, bias, activation, preActivation, out);
    }

    @Override
    public void linearBackwardInput(Rows rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        linear.backwardInput(rows.most(), dOut, weight, accumulate, dX);
    }

    @Override
    public void linearBackwardWeight(Rows rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias) {
        linear.backwardWeight(rows.most(), x, dOut, dWeight, dBias);
    }

    @Override
    public void pinWorkers(List<Integer> cpus) {
        threads.pin(cpus);
    }

    @Override
    public void close() {
        threads.close();
        linear.close();
    }
}
