package dev.nightjar.backend.cuda;

import static dev.nightjar.backend.cuda.CudaOps.address;

import dev.nightjar.backend.AdamWStep;
import dev.nightjar.backend.AdamWTensors;
import dev.nightjar.backend.LossReport;
import dev.nightjar.backend.LossScale;
import dev.nightjar.backend.LossWeights;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.ParameterTable;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;

/** What {@link Ops} has below the heads: loss, vectors and AdamW, on the stream of one {@link CudaTrainingOps}. */
final class CudaOptimization {
    private static final int LOSS_THREADS = 512;
    /** As many classes as the loss kernel counts rows of. */
    private static final int MAX_CLASSES = 64;
    private static final int ELEMENTS_PER_BLOCK = 2048;
    private static final int THREADS = 256;
    private static final int ROWS_PER_BLOCK = 4;
    private static final int ROW_THREADS = 128;
    /** Elements that one block of a sum of squares should have at least, and blocks it has at most. */
    private static final int ELEMENTS_PER_SHARE = 1 << 13;
    private static final int MOST_SHARES = 1024;

    private final CudaContext context;
    private final KernelLauncher launcher;
    private final Scratch scratch;
    private final DType type;
    private final long ticket;
    private final long loss;
    private final long adamW;
    private final long lossScale;
    private final long squaredNorm;
    private final long axpby;
    private final long softmax;

    /**
     * @param type of the model's weights, and of the copy that AdamW makes of its parameters
     * @param ticket address of a zeroed counter
     */
    CudaOptimization(CudaContext context, CudaKernels kernels, KernelLauncher launcher, Scratch scratch, DType type,
            long ticket) {
        this.context = context;
        this.launcher = launcher;
        this.scratch = scratch;
        this.type = type;
        this.ticket = ticket;
        this.loss = kernels.function("multitask_loss", "multitask_loss", type);
        this.adamW = kernels.function("adamw", "adamw", type);
        this.lossScale = kernels.function("vectors", "nj_loss_scale");
        this.squaredNorm = kernels.function("vectors", "nj_squared_norm");
        this.axpby = kernels.function("vectors", "nj_axpby");
        this.softmax = kernels.function("vectors", "nj_softmax");
    }

    void multiTaskLoss(int rows, Targets targets, Tensor logits, Tensor scores, Weight classifier, Weight regressor,
            Tensor weights, Tensor scale, Tensor dLogits, Tensor dScores, Tensor report) {
        int classes = head("classifier", classifier, logits, dLogits, rows);
        int outputs = head("regressor", regressor, scores, dScores, rows);
        if (classes > MAX_CLASSES) {
            throw new IllegalArgumentException(classes + " classes exceed the loss kernel's " + MAX_CLASSES);
        }
        if (classes > 0) {
            Shapes.matrix("labels", targets.labels(), DType.I32, 1, targets.labels().cols());
            if (targets.labels().elements() < rows) {
                throw new IllegalArgumentException("labels is " + targets.labels() + " for " + rows + " rows");
            }
        }
        if (outputs > 0) {
            Shapes.matrix("targets", targets.scores(), rows, outputs);
        }
        Shapes.elements("weights", weights, LossWeights.SIZE);
        Shapes.elements("report", report, LossReport.SIZE);
        int dim = (classes > 0 ? classifier : regressor).tensor().cols();
        context.bind();
        launcher.argument(address(dLogits)).argument(address(dScores)).argument(address(report))
                .argument(address(logits)).argument(address(scores))
                .argument(classes > 0 ? address(targets.labels()) : 0)
                .argument(outputs > 0 ? address(targets.scores()) : 0).argument(weightAddress(classifier))
                .argument(weightAddress(regressor)).argument(address(weights)).argument(address(scale)).argument(rows)
                .argument(dim).argument(classes).argument(outputs);
        launcher.launch(loss, 1, 1, 1, LOSS_THREADS, 0);
    }

    /** Checks a head, which may be null, and gives the number of its outputs. */
    private int head(String name, Weight weight, Tensor outputs, Tensor gradient, int rows) {
        if (weight == null) {
            return 0;
        }
        Tensor w = weight.tensor();
        Shapes.matrix(name, w, type, 1, w.cols());
        Shapes.matrix("output of the " + name, outputs, rows, w.rows());
        Shapes.matrix("gradient of the " + name, gradient, rows, w.rows());
        return w.rows();
    }

    private static long weightAddress(Weight weight) {
        return weight == null ? 0 : address(weight.tensor());
    }

    void squaredNorm(Tensor x, Tensor result) {
        Shapes.elements("x", x, 1);
        Shapes.elements("result", result, 1);
        context.bind();
        int shares = Math.clamp(x.elements() / ELEMENTS_PER_SHARE, 1, MOST_SHARES);
        launcher.argument(address(result)).argument(scratch.address((long) MOST_SHARES * Double.BYTES))
                .argument(ticket).argument(address(x)).argument(x.elements());
        launcher.launch(squaredNorm, shares, 1, 1, THREADS, 0);
    }

    void axpby(float alpha, Tensor x, float beta, Tensor y) {
        Shapes.elements("x", x, 1);
        Shapes.elements("y", y, x.elements());
        context.bind();
        launcher.argument(address(y)).argument(address(x)).argument(alpha).argument(beta).argument(x.elements());
        launcher.launch(axpby, blocks(x.elements()), 1, 1, THREADS, 0);
    }

    private static int blocks(long elements) {
        return Math.toIntExact(Math.ceilDiv(elements, (long) ELEMENTS_PER_BLOCK));
    }

    void softmax(Rows rows, Tensor x, Tensor out) {
        Shapes.matrix("x", x, rows.most(), x.cols());
        Shapes.matrix("out", out, rows.most(), x.cols());
        context.bind();
        launcher.argument(address(out)).argument(address(x)).argument(rows.most()).argument(address(rows.count()))
                .argument(x.cols());
        launcher.launch(softmax, Math.ceilDiv(rows.most(), ROWS_PER_BLOCK), 1, 1, ROW_THREADS, 0);
    }

    void adamW(Tensor step, ParameterTable table, Tensor norm, Tensor scale, AdamWTensors tensors) {
        tensors.require(table);
        Shapes.elements("step", step, AdamWStep.SIZE);
        Shapes.elements("squaredNorm", norm, 1);
        if (tensors.copy() != null) {
            Shapes.matrix("copy", tensors.copy(), type, 1, tensors.copy().cols());
        }
        if (table.groups().isEmpty()) {
            return;
        }
        context.bind();
        launcher.argument(address(tensors.parameters())).argument(address(tensors.copy()))
                .argument(address(tensors.gradients())).argument(address(tensors.firstMoment()))
                .argument(address(tensors.secondMoment())).argument(address(norm)).argument(address(step))
                .argument(address(scale)).argument(address(table.entries())).argument(table.groups().size());
        launcher.launch(adamW, blocks(table.end()), 1, 1, THREADS, 0);
    }

    void updateLossScale(Tensor norm, Tensor scale) {
        Shapes.elements("squaredNorm", norm, 1);
        Shapes.elements("lossScale", scale, LossScale.SIZE);
        context.bind();
        launcher.argument(address(scale)).argument(address(norm)).argument((float) LossScale.GROWTH_INTERVAL)
                .argument(LossScale.LARGEST);
        launcher.launch(lossScale, 1, 1, 1, 1, 0);
    }
}
