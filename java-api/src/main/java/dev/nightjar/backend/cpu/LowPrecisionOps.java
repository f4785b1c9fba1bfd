package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.FirstTokenOps;
import dev.nightjar.backend.Heads;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Weight;
import dev.nightjar.backend.reference.ReferenceOps;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * Inference with {@linkplain PackedWeight packed weights} of bfloat16 and int8; what passes between operations is bfloat16. Operations
 * keep their arguments in objects made once, so that a prediction allocates nothing.
 */
final class LowPrecisionOps implements FirstTokenOps {
    /** Rows of one chunk of a row-wise operation. */
    private static final int ROWS = 64;
    /** Pairs of sequence and head in one chunk of attention. */
    private static final int PAIRS = 2;

    private final LowPrecisionKernels kernels;
    private final IntraOp threads;
    private final PackedProducts products;
    private final ReferenceOps small = new ReferenceOps();
    private final ScratchMemory sums = new ScratchMemory();
    private final ScratchMemory attentionScratch = new ScratchMemory();
    private final Embedding embedding = new Embedding();
    private final Attention attention = new Attention();
    private final ResidualLayerNorm residualLayerNorm = new ResidualLayerNorm();

    LowPrecisionOps(int threads, LowPrecisionKernels kernels) {
        this.kernels = kernels;
        this.threads = new IntraOp(threads);
        this.products = new PackedProducts(this.threads, kernels.products());
    }

    private static void bf16(String name, Tensor tensor, int rows, int cols) {
        Shapes.matrix(name, tensor, DType.BF16, rows, cols);
    }

    // ---- embeddings

    private final class Embedding implements IntraOp.Task {
        private PackedBatch batch;
        private Tensor words;
        private Tensor positions;
        private LayerNorm norm;
        private Tensor out;

        @Override
        public void run(int chunk, int worker) {
            kernels.embedding(chunk * ROWS, Math.min(batch.tokens(), (chunk + 1) * ROWS), batch, words, positions, norm,
                    out);
        }
    }

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Tensor out) {
        int dim = out.cols();
        DType type = words.dtype();
        Shapes.matrix("words", words, type, 1, dim);
        Shapes.matrix("positions", positions, type, batch.maxLength(), dim);
        Shapes.norm("norm", norm, type, dim);
        bf16("out", out, batch.tokens(), dim);
        Shapes.rows("token id", batch.ids(), batch.tokens(), words);
        embedding.batch = batch;
        embedding.words = words;
        embedding.positions = positions;
        embedding.norm = norm;
        embedding.out = out;
        threads.run(Math.ceilDiv(batch.tokens(), ROWS), embedding);
    }

    // ---- linear maps

    private void multiply(int rows, Tensor x, Linear layer, Activation activation, DType outType, long out) {
        if (!(layer.weight() instanceof PackedWeight weight)) {
            throw new IllegalArgumentException("weight " + layer.weight().tensor()
                    + " was not prepared for low precision");
        }
        products.multiply(rows, x, weight, layer.bias(), activation, outType, out);
    }

    @Override
    public void linear(PackedBatch batch, Tensor x, Linear layer, Activation activation, Tensor out) {
        bf16("out", out, batch.tokens(), layer.weight().tensor().rows());
        multiply(batch.tokens(), x, layer, activation, DType.BF16, out.address());
    }

    private final class ResidualLayerNorm implements IntraOp.Task {
        private int rows;
        private long x;
        private Tensor residual;
        private LayerNorm norm;
        private Tensor out;

        @Override
        public void run(int chunk, int worker) {
            kernels.residualLayerNorm(chunk * ROWS, Math.min(rows, (chunk + 1) * ROWS), x, residual, norm, out);
        }
    }

    @Override
    public void linearResidualLayerNorm(PackedBatch batch, Tensor x, Linear layer, Tensor residual, LayerNorm norm,
            Tensor sum, Tensor out) {
        int rows = batch.tokens();
        int dim = layer.weight().tensor().rows();
        bf16("residual", residual, rows, dim);
        Shapes.norm("norm", norm, norm.weight().dtype(), dim);
        bf16("out", out, rows, dim);
        // Not in the tensor of the caller, whose 16 bits would round before the normalisation.
        long sumAddress = sums.floats((long) rows * dim);
        multiply(rows, x, layer, Activation.NONE, DType.F32, sumAddress);
        residualLayerNorm.rows = rows;
        residualLayerNorm.x = sumAddress;
        residualLayerNorm.residual = residual;
        residualLayerNorm.norm = norm;
        residualLayerNorm.out = out;
        threads.run(Math.ceilDiv(rows, ROWS), residualLayerNorm);
    }

    // ---- attention

    private final class Attention implements IntraOp.Task {
        private PackedBatch batch;
        private int heads;
        private int headDim;
        private boolean firstOnly;
        private long qkv;
        private long out;
        private long scratch;
        private long scratchSize;

        @Override
        public void run(int chunk, int worker) {
            int pairs = batch.sequences() * heads;
            kernels.attention(chunk * PAIRS, Math.min(pairs, (chunk + 1) * PAIRS), heads, headDim, firstOnly, batch,
                    qkv,
                    out, scratch + scratchSize * worker);
        }
    }

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        bf16("out", out, batch.tokens(), out.cols());
        attend(batch, heads, qkv, false, out);
    }

    @Override
    public void firstTokenAttention(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        bf16("out", out, batch.sequences(), out.cols());
        attend(batch, heads, qkv, true, out);
    }

    private void attend(PackedBatch batch, int heads, Tensor qkv, boolean firstOnly, Tensor out) {
        int dim = out.cols();
        if (heads < 1 || dim % heads != 0) {
            throw new IllegalArgumentException(heads + " heads do not divide " + dim + " columns");
        }
        bf16("qkv", qkv, batch.tokens(), 3 * dim);
        attention.batch = batch;
        attention.heads = heads;
        attention.headDim = dim / heads;
        attention.firstOnly = firstOnly;
        attention.qkv = qkv.address();
        attention.out = out.address();
        attention.scratchSize = kernels.attentionScratch(batch.maxLength(), dim / heads);
        attention.scratch = attentionScratch.bytes(attention.scratchSize * threads.threads());
        threads.run(Math.ceilDiv(batch.sequences() * heads, PAIRS), attention);
    }

    // ---- heads

    @Override
    public void firstTokenRows(PackedBatch batch, Tensor x, Tensor out) {
        int dim = x.cols();
        bf16("x", x, batch.tokens(), dim);
        bf16("out", out, batch.sequences(), dim);
        for (int b = 0; b < batch.sequences(); b++) {
            MemorySegment.copy(x.segment(), ValueLayout.JAVA_SHORT, 2L * batch.cuSeqlens().getInt(b) * dim,
                    out.segment(), ValueLayout.JAVA_SHORT, 2L * b * dim, dim);
        }
    }

    @Override
    public void heads(PackedBatch batch, Tensor hidden, Heads heads, Heads.Outputs outputs) {
        int rows = batch.sequences();
        bf16("pooled", outputs.pooled(), rows, heads.preClassifier().weight().tensor().rows());
        firstTokenRows(batch, hidden, outputs.first());
        multiply(rows, outputs.first(), heads.preClassifier(), Activation.RELU, DType.BF16, outputs.pooled().address());
        if (heads.classifier() != null) {
            task(rows, heads.classifier(), outputs.pooled(), "logits", outputs.logits());
            Shapes.matrix("probabilities", outputs.probabilities(), rows, outputs.logits().cols());
            small.softmax(batch.sequenceRows(), outputs.logits(), outputs.probabilities());
        }
        if (heads.regressor() != null) {
            task(rows, heads.regressor(), outputs.pooled(), "scores", outputs.scores());
        }
    }

    private void task(int rows, Linear head, Tensor pooled, String name, Tensor out) {
        Shapes.matrix(name, out, rows, head.weight().tensor().rows());
        multiply(rows, pooled, head, Activation.NONE, DType.F32, out.address());
    }

    @Override
    public void pinWorkers(List<Integer> cpus) {
        threads.pin(cpus);
    }

    @Override
    public void close() {
        threads.close();
        products.close();
        sums.close();
        attentionScratch.close();
    }
}
