package dev.nightjar.backend.cpu;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.AdamWStep;
import dev.nightjar.backend.AdamWTensors;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.FirstTokenOps;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.backend.ParameterTable;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.backend.reference.ReferenceOps;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@link Ops} in float32 or bfloat16, by native kernels and a {@link Gemm}. Every operation is cut into chunks by its shape, which {@link
 * IntraOp} deals out.
 */
final class CpuOps implements Ops, FirstTokenOps {
    /** Rows of one chunk of a row-wise operation; also the rows of one partial sum of a LayerNorm's gradients. */
    private static final int ROWS = 64;
    /** Columns of one chunk where rows are summed up: a cache line's multiple, so that threads do not share lines. */
    private static final int COLUMNS = 64;
    /** Elements of one chunk of an element-wise operation. */
    private static final int ELEMENTS = 1 << 15;
    /** Pairs of sequence and head in one chunk of attention. */
    private static final int PAIRS = 2;

    /** Of values. */
    private final DType type;
    private final NativeKernels kernels;
    /** Of float32, whatever values are. */
    private final NativeKernels floats;
    private final IntraOp threads;
    private final LinearMaps linear;
    private final PackedProducts packedProducts;
    private final ReferenceOps small = new ReferenceOps();
    private final ScratchMemory attentionScratch = new ScratchMemory();
    private final ScratchMemory partials = new ScratchMemory();
    private final Embedding embedding = new Embedding();
    private final ResidualLayerNorm residualLayerNorm = new ResidualLayerNorm();
    private final Attention attention = new Attention();
    private final PairChunks pairChunks = new PairChunks();
    private double[] partialSums = new double[0];

    /**
     * @param type F32 or BF16, of which {@code floats} and {@code gemm} have what it takes
     * @param floats kernels of float32
     */
    CpuOps(int threads, DType type, NativeKernels floats, Gemm gemm) {
        this.type = type;
        this.floats = floats;
        this.kernels = type == DType.F32 ? floats : floats.bfloat16();
        this.threads = new IntraOp(threads);
        this.linear = new LinearMaps(this.threads, gemm, floats, type == DType.F32 ? null : kernels);
        this.packedProducts = new PackedProducts(this.threads, floats.floatProducts());
    }

    private void matrix(String name, Tensor tensor, int rows, int cols) {
        Shapes.matrix(name, tensor, type, rows, cols);
    }

    private static long address(Tensor tensor) {
        return tensor == null ? 0 : tensor.address();
    }

    /** Receives [begin, end). */
    @FunctionalInterface
    private interface Range {
        void run(int begin, int end);
    }

    private void ranges(int count, int size, Range range) {
        threads.run(Math.ceilDiv(count, size),
                (chunk, worker) -> range.run(chunk * size, Math.min(count, (chunk + 1) * size)));
    }

    /** Receives [begin, end) of elements. */
    @FunctionalInterface
    private interface Elements {
        void run(long begin, long end);
    }

    private void elements(long from, long count, Elements elements) {
        threads.run(Math.toIntExact(Math.ceilDiv(count, (long) ELEMENTS)), (chunk, worker) -> elements
                .run(from + (long) chunk * ELEMENTS, from + Math.min(count, (chunk + 1L) * ELEMENTS)));
    }

    // The operations of a prediction keep their arguments in objects made once, so that it allocates nothing.

    /** An operation on tokens that ends in a normalisation. */
    private abstract class Normalising implements IntraOp.Task {
        PackedBatch batch;
        int dim;
        long gamma;
        long beta;
        Dropout dropout;
        long stats;
        long out;

        final void run(LayerNorm norm, Dropout drop, Tensor statsOut, Tensor result) {
            dim = result.cols();
            gamma = norm.weight().address();
            beta = norm.bias().address();
            dropout = drop;
            stats = address(statsOut);
            out = result.address();
            threads.run(Math.ceilDiv(batch.tokens(), ROWS), this);
        }

        @Override
        public final void run(int chunk, int worker) {
            rows(chunk * ROWS, Math.min(batch.tokens(), (chunk + 1) * ROWS));
        }

        abstract void rows(int begin, int end);
    }

    private final class Embedding extends Normalising {
        private long words;
        private long positions;
        private long sum;

        @Override
        void rows(int begin, int end) {
            kernels.embedding(begin, end, dim, batch, words, positions, gamma, beta, dropout, sum, stats, out);
        }
    }

    private final class ResidualLayerNorm extends Normalising {
        private long x;
        private long residual;

        @Override
        void rows(int begin, int end) {
            kernels.residualLayerNorm(begin, end, dim, batch, x, residual, gamma, beta, dropout, stats, out);
        }
    }

    private final class Attention implements Pairs {
        private int heads;
        private int headDim;
        private boolean firstOnly;
        private PackedBatch batch;
        private long qkv;
        private Dropout dropout;
        private long logSumExp;
        private long out;

        @Override
        public void run(int begin, int end, long scratch) {
            kernels.attention(begin, end, heads, headDim, firstOnly, batch, qkv, dropout, logSumExp, out, scratch);
        }
    }

    // ---- embeddings

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout,
            Tensor sum, Tensor stats, Tensor out) {
        int tokens = batch.tokens();
        int dim = out.cols();
        matrix("words", words, 1, dim);
        matrix("positions", positions, batch.maxLength(), dim);
        Shapes.norm("norm", norm, type, dim);
        Shapes.optional("sum", sum, type, tokens, dim);
        Shapes.optional("stats", stats, tokens, 2);
        matrix("out", out, tokens, dim);
        Shapes.rows("token id", batch.ids(), tokens, words);
        embedding.batch = batch;
        embedding.words = words.address();
        embedding.positions = positions.address();
        embedding.sum = address(sum);
        embedding.run(norm, dropout, stats, out);
    }

    @Override
    public void embeddingBackward(PackedBatch batch, Tensor sum, Tensor stats, LayerNorm norm, Dropout dropout,
            int padTokenId, Tensor dOut, Tensor dWords, Tensor dPositions, LayerNorm dNorm) {
        int tokens = batch.tokens();
        int dim = dOut.cols();
        matrix("dOut", dOut, tokens, dim);
        if (dWords != null) {
            Shapes.matrix("dWords", dWords, 1, dim);
            Shapes.rows("token id", batch.ids(), tokens, dWords);
        }
        Shapes.optional("dPositions", dPositions, batch.maxLength(), dim);
        if (dropout.active()) {
            ranges(tokens, ROWS, (begin, end) -> kernels.dropoutTokens(begin, end, dim, batch, dOut.address(), dropout,
                    dOut.address()));
        }
        normBackward(tokens, dOut, sum, stats, norm, dOut, dNorm);
        // Columns, because several tokens may add to the same row.
        ranges(dim, COLUMNS, (begin, end) -> {
            if (dWords != null) {
                kernels.scatterAdd(begin, end, dim, tokens, batch.ids().address(), padTokenId, dOut.address(),
                        dWords.address());
            }
            if (dPositions != null) {
                kernels.scatterAdd(begin, end, dim, tokens, batch.positions().address(), -1, dOut.address(),
                        dPositions.address());
            }
        });
    }

    // ---- linear maps

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        if (weight instanceof PackedWeight packed && preActivation == null) {
            Shapes.matrix("out", out, rows.most(), packed.rows());
            packedProducts.multiply(rows.most(), x, packed, bias, activation, DType.F32, out.address());
        } else {
            linear.forward(rows.most(), x, weight, bias, activation, preActivation, out);
        }
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
    public void activationBackward(Rows rows, Activation activation, Tensor preActivation, Tensor gradient) {
        matrix("preActivation", preActivation, rows.most(), gradient.cols());
        matrix("gradient", gradient, rows.most(), gradient.cols());
        elements(0, (long) rows.most() * gradient.cols(),
                (begin, end) -> kernels.activationBackward(begin, end, activation,
                        preActivation.address(), gradient.address()));
    }

    // ---- attention

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out) {
        int headDim = headDim(batch, heads, qkv, out);
        Shapes.optional("logSumExp", logSumExp, batch.tokens(), heads);
        attention.firstOnly = false;
        attend(batch, heads, headDim, qkv, dropout, logSumExp, out);
    }

    @Override
    public void firstTokenAttention(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        matrix("qkv", qkv, batch.tokens(), 3 * out.cols());
        matrix("out", out, batch.sequences(), out.cols());
        attention.firstOnly = true;
        attend(batch, heads, headDim(heads, out), qkv, Dropout.NONE, null, out);
    }

    private void attend(PackedBatch batch, int heads, int headDim, Tensor qkv, Dropout dropout, Tensor logSumExp,
            Tensor out) {
        attention.heads = heads;
        attention.headDim = headDim;
        attention.batch = batch;
        attention.qkv = qkv.address();
        attention.dropout = dropout;
        attention.logSumExp = address(logSumExp);
        attention.out = out.address();
        pairs(batch, heads, headDim, attention);
    }

    @Override
    public void attentionBackward(PackedBatch batch, int heads, Tensor qkv, Tensor out, Tensor logSumExp, Tensor dOut,
            Dropout dropout, Tensor dQkv) {
        int headDim = headDim(batch, heads, qkv, out);
        Shapes.matrix("logSumExp", logSumExp, batch.tokens(), heads);
        matrix("dOut", dOut, batch.tokens(), out.cols());
        matrix("dQkv", dQkv, batch.tokens(), qkv.cols());
        pairs(batch, heads, headDim,
                (begin, end, scratch) -> kernels.attentionBackward(begin, end, heads, headDim, batch, qkv.address(),
                        out.address(), logSumExp.address(), dOut.address(), dropout, dQkv.address(), scratch));
    }

    private int headDim(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        int dim = out.cols();
        matrix("qkv", qkv, batch.tokens(), 3 * dim);
        matrix("out", out, batch.tokens(), dim);
        return headDim(heads, out);
    }

    private static int headDim(int heads, Tensor out) {
        int dim = out.cols();
        if (heads < 1 || dim % heads != 0) {
            throw new IllegalArgumentException(heads + " heads do not divide " + dim + " columns");
        }
        return dim / heads;
    }

    /** Receives [begin, end) of the pairs of sequence and head, and scratch memory of its own. */
    @FunctionalInterface
    private interface Pairs {
        void run(int begin, int end, long scratch);
    }

    /** Deals out the pairs of sequence and head. */
    private static final class PairChunks implements IntraOp.Task {
        private int count;
        private long scratch;
        private long scratchSize;
        private Pairs pairs;

        @Override
        public void run(int chunk, int worker) {
            pairs.run(chunk * PAIRS, Math.min(count, (chunk + 1) * PAIRS),
                    scratch + Float.BYTES * scratchSize * worker);
        }
    }

    private void pairs(PackedBatch batch, int heads, int headDim, Pairs pairs) {
        pairChunks.count = batch.sequences() * heads;
        pairChunks.scratchSize = kernels.attentionScratch(batch.maxLength(), headDim);
        pairChunks.scratch = attentionScratch.floats(pairChunks.scratchSize * threads.threads());
        pairChunks.pairs = pairs;
        threads.run(Math.ceilDiv(pairChunks.count, PAIRS), pairChunks);
    }

    // ---- residual and normalisation

    @Override
    public void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout,
            Tensor stats, Tensor out) {
        int tokens = batch.tokens();
        int dim = x.cols();
        matrix("x", x, tokens, dim);
        matrix("residual", residual, tokens, dim);
        Shapes.norm("norm", norm, type, dim);
        Shapes.optional("stats", stats, tokens, 2);
        matrix("out", out, tokens, dim);
        residualLayerNorm.batch = batch;
        residualLayerNorm.x = x.address();
        residualLayerNorm.residual = residual.address();
        residualLayerNorm.run(norm, dropout, stats, out);
    }

    @Override
    public void residualLayerNormBackward(PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout, Tensor dResidual, Tensor dX, LayerNorm dNorm) {
        int tokens = batch.tokens();
        int dim = sum.cols();
        Shapes.optional("dX", dX, type, tokens, dim);
        normBackward(tokens, dOut, sum, stats, norm, dResidual, dNorm);
        if (dX != null && dropout.active()) {
            ranges(tokens, ROWS, (begin, end) -> kernels.dropoutTokens(begin, end, dim, batch, dResidual.address(),
                    dropout, dX.address()));
        } else if (dX != null) {
            MemorySegment.copy(dResidual.segment(), 0, dX.segment(), 0, (long) tokens * dim * type.bytes());
        }
    }

    private void normBackward(int tokens, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm, Tensor dSum,
            LayerNorm dNorm) {
        int dim = sum.cols();
        matrix("dOut", dOut, tokens, dim);
        matrix("sum", sum, tokens, dim);
        Shapes.matrix("stats", stats, tokens, 2);
        Shapes.norm("norm", norm, type, dim);
        matrix("dSum", dSum, tokens, dim);
        Shapes.norm("dNorm", dNorm, dim);
        int chunks = Math.ceilDiv(tokens, ROWS);
        long partial = partials.floats(2L * dim * chunks);
        ranges(tokens, ROWS,
                (begin, end) -> kernels.layerNormBackward(begin, end, dim, dOut.address(), sum.address(),
                        stats.address(), norm.weight().address(), dSum.address(),
                        partial + 2L * dim * Float.BYTES * (begin / ROWS)));
        ranges(dim, COLUMNS, (begin, end) -> {
            floats.columnSums(begin, end, chunks, 2 * dim, partial, dNorm.weight().address());
            floats.columnSums(begin, end, chunks, 2 * dim, partial + (long) dim * Float.BYTES,
                    dNorm.bias().address());
        });
    }

    // ---- pooling and heads

    @Override
    public void gatherFirst(PackedBatch batch, Tensor x, Tensor out) {
        int dim = x.cols();
        matrix("x", x, batch.tokens(), dim);
        matrix("out", out, batch.sequences(), dim);
        for (int b = 0; b < batch.sequences(); b++) {
            copyRow(x, batch.cuSeqlens().getInt(b), out, b, dim);
        }
    }

    @Override
    public void firstTokenRows(PackedBatch batch, Tensor x, Tensor out) {
        gatherFirst(batch, x, out);
    }

    @Override
    public void scatterFirst(PackedBatch batch, Tensor dOut, Tensor dX) {
        int dim = dX.cols();
        matrix("dOut", dOut, batch.sequences(), dim);
        matrix("dX", dX, batch.tokens(), dim);
        fill(dX.segment().asSlice(0, (long) batch.tokens() * dim * type.bytes()));
        for (int b = 0; b < batch.sequences(); b++) {
            copyRow(dOut, b, dX, batch.cuSeqlens().getInt(b), dim);
        }
    }

    private static void copyRow(Tensor from, int fromRow, Tensor to, int toRow, int dim) {
        long bytes = (long) dim * from.dtype().bytes();
        MemorySegment.copy(from.segment(), fromRow * bytes, to.segment(), toRow * bytes, bytes);
    }

    @Override
    public void dropout(PackedBatch batch, Dropout dropout, Tensor x) {
        matrix("x", x, batch.sequences(), x.cols());
        if (dropout.active()) {
            ranges(batch.sequences(), ROWS, (begin, end) -> kernels.dropoutSequences(begin, end, x.cols(), batch,
                    x.address(), dropout, x.address()));
        }
    }

    @Override
    public void softmax(Rows rows, Tensor x, Tensor out) {
        small.softmax(rows, x, out);
    }

    @Override
    public void multiTaskLoss(PackedBatch batch, Targets targets, Tensor logits, Tensor scores, Weight classifier,
            Weight regressor, Tensor weights, Tensor lossScale, Tensor dLogits, Tensor dScores, Tensor report) {
        small.multiTaskLoss(batch, targets, logits, scores, classifier, regressor, weights, lossScale, dLogits, dScores,
                report);
    }

    // ---- parameters

    @Override
    public void squaredNorm(Tensor x, Tensor result) {
        Shapes.elements("x", x, 0);
        int chunks = Math.toIntExact(Math.ceilDiv(x.elements(), (long) ELEMENTS));
        if (partialSums.length < chunks) {
            partialSums = new double[chunks];
        }
        double[] sums = partialSums;
        elements(0, x.elements(),
                (begin, end) -> sums[(int) (begin / ELEMENTS)] = floats.squaredNorm(begin, end, x.address()));
        double sum = 0;
        for (int chunk = 0; chunk < chunks; chunk++) {
            sum += sums[chunk];
        }
        result.set(0, (float) sum);
    }

    @Override
    public void axpby(float alpha, Tensor x, float beta, Tensor y) {
        Shapes.elements("x", x, 0);
        Shapes.elements("y", y, x.elements());
        elements(0, x.elements(), (begin, end) -> floats.axpby(begin, end, alpha, x.address(), beta, y.address()));
    }

    @Override
    public void zero(Tensor x) {
        fill(x.segment());
    }

    private void fill(MemorySegment memory) {
        long size = (long) ELEMENTS * Float.BYTES;
        threads.run(Math.toIntExact(Math.ceilDiv(memory.byteSize(), size)), (chunk, worker) -> memory
                .asSlice(chunk * size, Math.min(size, memory.byteSize() - chunk * size)).fill((byte) 0));
    }

    @Override
    public void adamW(Tensor step, ParameterTable table, Tensor squaredNorm, Tensor lossScale,
            AdamWTensors tensors) {
        Tensor copy = tensors.copy();
        if (lossScale != null || (copy == null ? DType.F32 : copy.dtype()) != type) {
            throw new IllegalArgumentException(
                    "a step in " + type + " with copy " + copy + " and loss scale " + lossScale);
        }
        long rounded = address(copy);
        AdamWStep s = AdamWStep.read(step);
        float clip = (float) Math.min(1, s.maxGradientNorm() / (Math.sqrt(squaredNorm.get(0)) + 1e-6));
        double correction1 = s.correction1();
        float rootCorrection2 = (float) (1 / Math.sqrt(s.correction2()));
        tensors.require(table);
        for (ParameterGroup group : table.groups()) {
            double rate = (double) s.learningRate() * group.learningRateScale();
            double keep = 1 - (group.decay() ? rate * s.weightDecay() : 0);
            elements(group.offset(), group.length(), (from, to) -> kernels.adamW(from, to, clip, s.beta1(), s.beta2(),
                    (float) (rate / correction1), (float) keep, rootCorrection2, s.epsilon(),
                    tensors.gradients().address(), tensors.firstMoment().address(), tensors.secondMoment().address(),
                    tensors.parameters().address(), rounded));
        }
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        small.upload(source, destination);
    }

    @Override
    public void updateLossScale(Tensor squaredNorm, Tensor lossScale) {
        small.updateLossScale(squaredNorm, lossScale);
    }

    @Override
    public void pinWorkers(List<Integer> cpus) {
        threads.pin(cpus);
    }

    @Override
    public void close() {
        threads.close();
        packedProducts.close();
        linear.close();
        attentionScratch.close();
        partials.close();
    }
}
