package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.AdamWTensors;
import dev.nightjar.backend.Dropout;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Ops;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.ParameterTable;
import dev.nightjar.backend.Rows;
import dev.nightjar.backend.Shapes;
import dev.nightjar.backend.Targets;
import dev.nightjar.backend.Weight;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * {@link Ops} by Nightjar's kernels and a {@link CudaTrainingGemm}, on the stream of the forms that it has from {@link CudaOps}; loss and
 * optimizer by {@link CudaOptimization}. Nothing waits for the device but {@link #await}, and an {@link #upload} far ahead of it.
 */
final class CudaTrainingOps extends CudaOps implements Ops {
    /** Up to how many columns a float32 result is a head's; in a 16-bit type every float32 result is. */
    private static final int MAX_HEAD_COLUMNS = 16;
    private static final int ELEMENTS_PER_BLOCK = 2048;
    private static final int ELEMENT_THREADS = 256;
    private static final int BLOCKS_PER_MULTIPROCESSOR = 2;
    private static final int GRADIENT_COLUMNS = 256;
    private static final int SUM_COLUMNS = 32;
    private static final int SUM_THREADS = 256;

    private final Scratch scratch;
    private final UploadRing uploads;
    private final CudaTrainingGemm products;
    private final CudaOptimization optimization;
    private final Functions functions;

    /** The kernels, by what {@code kernels/README.md} calls them; arrays by {@link #widthIndex}. */
    private record Functions(long embedding, long layerNorm, long layerNormBackward, long embeddingBackward,
            long layerNormGradient, long activationBackward, long dropout, long gatherFirst, long scatterFirst,
            long head, long headInputs, long headWeights, long tokenOrder, long wordGradient, long positionGradient,
            long[] attention, long[] attentionQueries, long[] attentionKeys) {
        static Functions of(CudaKernels kernels, DType type) {
            return new Functions(kernels.function("embedding", "embedding_train", type),
                    kernels.function("layernorm", "layernorm_train", type),
                    kernels.function("layernorm_backward", "layernorm_backward", type),
                    kernels.function("layernorm_backward", "embedding_backward", type),
                    kernels.function("layernorm_backward", "layernorm_gradient", type),
                    kernels.function("activation", "activation_backward", type),
                    kernels.function("dropout", "dropout", type),
                    kernels.function("first_token", "gather_first", type),
                    kernels.function("first_token", "scatter_first", type), kernels.function("head", "head", type),
                    kernels.function("head", "head_dgrad", type), kernels.function("head", "head_wgrad", type),
                    kernels.function("embedding_gradient", "token_order", type),
                    kernels.function("embedding_gradient", "word_gradient", type),
                    kernels.function("embedding_gradient", "position_gradient", type),
                    byWidth(kernels, "attention_train", "attention_train", type),
                    byWidth(kernels, "attention_backward", "attention_backward_queries", type),
                    byWidth(kernels, "attention_backward", "attention_backward_keys", type));
        }

        private static long[] byWidth(CudaKernels kernels, String module, String entry, DType type) {
            return new long[]{kernels.function(module, entry + "_d32", type),
                    kernels.function(module, entry + "_d64", type), kernels.function(module, entry + "_d128", type)};
        }
    }

    /** @param recording as in {@link CudaOps} */
    CudaTrainingOps(CudaContext context, CudaKernels kernels, DType type, GemmProvider provider, boolean recording) {
        super(context, kernels, type, provider, recording);
        scratch = new Scratch(context);
        uploads = new UploadRing(context, launcher.stream());
        try {
            functions = Functions.of(kernels, type);
            optimization = new CudaOptimization(context, kernels, launcher, scratch, type, tickets.address());
            products = provider.openTraining(site(kernels), scratch);
        } catch (RuntimeException | Error e) {
            super.close();
            throw e;
        }
    }

    private static int blocks(long elements) {
        return Math.toIntExact(Math.ceilDiv(elements, (long) ELEMENTS_PER_BLOCK));
    }

    private static int rowBlocks(int rows) {
        return Math.ceilDiv(rows, ROWS_PER_BLOCK);
    }

    // ---- recording

    /** Scratch memory cannot grow while operations are captured; it grows between attempts. */
    @Override
    CudaHandle capture(Runnable operations) {
        while (true) {
            try {
                scratch.capturing(true);
                return super.capture(operations);
            } catch (Scratch.ExhaustedException e) {
                scratch.grow(e.bytes());
            } finally {
                scratch.capturing(false);
            }
        }
    }

    @Override
    public void upload(MemorySegment source, Tensor destination) {
        CudaBackend.requireSize(source, destination);
        context.bind();
        uploads.upload(source, address(destination));
    }

    // ---- embeddings

    private KernelLauncher places(PackedBatch batch) {
        return launcher.argument(address(batch.positions())).argument(address(batch.tokenSequences()))
                .argument(address(batch.keys()));
    }

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Dropout dropout,
            Tensor sum, Tensor stats, Tensor out) {
        if (sum == null && stats == null && !dropout.active()) {
            embedding(batch, words, positions, norm, out);
            return;
        }
        int dim = out.cols();
        check("words", words, 1, dim);
        check("positions", positions, batch.maxLength(), dim);
        check(norm, dim);
        check("sum", sum, batch.tokens(), dim);
        Shapes.matrix("stats", stats, batch.tokens(), 2);
        check("out", out, batch.tokens(), dim);
        context.bind();
        launcher.argument(address(out)).argument(address(sum)).argument(address(stats)).argument(address(batch.ids()));
        places(batch).argument(address(words)).argument(address(positions)).argument(address(norm.weight()))
                .argument(address(norm.bias())).argument(batch.tokens()).argument(tokenCount(batch)).argument(dim)
                .argument(DistilBertConfig.LAYER_NORM_EPSILON).argument(dropout);
        launcher.launch(functions.embedding, rowBlocks(batch.tokens()), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void embeddingBackward(PackedBatch batch, Tensor sum, Tensor stats, LayerNorm norm, Dropout dropout,
            int padTokenId, Tensor dOut, Tensor dWords, Tensor dPositions, LayerNorm dNorm) {
        normBackward(functions.embeddingBackward, batch, dOut, sum, stats, norm, dropout, dOut, null, dNorm);
        int tokens = batch.tokens();
        int dim = dOut.cols();
        int across = Math.ceilDiv(dim, GRADIENT_COLUMNS);
        if (dWords != null) {
            Shapes.matrix("dWords", dWords, 1, dim);
            long order = scratch.address((long) tokens * Integer.BYTES);
            launcher.argument(order).argument(address(batch.ids())).argument(tokens).argument(tokenCount(batch));
            launcher.launch(functions.tokenOrder, rowBlocks(tokens), 1, 1, ROW_THREADS, 0);
            launcher.argument(address(dWords)).argument(address(dOut)).argument(address(batch.ids())).argument(order)
                    .argument(padTokenId).argument(tokens).argument(tokenCount(batch)).argument(dim);
            launcher.launch(functions.wordGradient, rowBlocks(tokens), across, 1, ROW_THREADS, 0);
        }
        if (dPositions != null) {
            Shapes.matrix("dPositions", dPositions, batch.maxLength(), dim);
            launcher.argument(address(dPositions)).argument(address(dOut)).argument(address(batch.cuSeqlens()))
                    .argument(batch.sequences()).argument(batch.maxLength()).argument(dim);
            launcher.launch(functions.positionGradient, rowBlocks(batch.maxLength()), across, 1, ROW_THREADS, 0);
        }
    }

    // ---- linear maps

    private boolean isHead(Tensor out) {
        return out.dtype() == DType.F32 && (type != DType.F32 || out.cols() <= MAX_HEAD_COLUMNS);
    }

    @Override
    public void linear(Rows rows, Tensor x, Weight weight, Tensor bias, Activation activation, Tensor preActivation,
            Tensor out) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        check("weight", w, n, k);
        check("bias", bias, 1, n);
        check("x", x, rows.most(), k);
        boolean head = isHead(out) && activation == Activation.NONE;
        Shapes.matrix("out", out, head ? DType.F32 : type, rows.most(), n);
        context.bind();
        if (head) {
            launcher.argument(address(out)).argument(address(x)).argument(address(w)).argument(address(bias))
                    .argument(rows.most()).argument(address(rows.count())).argument(n).argument(k);
            launcher.launch(functions.head, rowBlocks(rows.most()), n, 1, ROW_THREADS, 0);
            return;
        }
        if (preActivation != null) {
            check("preActivation", preActivation, rows.most(), n);
        }
        products.linear(new CudaGemm.Product(rows.most(), address(rows.count()), address(x), address(w), address(bias),
                n, k, address(out)), activation, address(preActivation));
    }

    @Override
    public void linearBackwardInput(Rows rows, Tensor dOut, Weight weight, boolean accumulate, Tensor dX) {
        Tensor w = weight.tensor();
        int n = w.rows();
        int k = w.cols();
        check("weight", w, n, k);
        check("dX", dX, rows.most(), k);
        boolean head = isHead(dOut);
        Shapes.matrix("dOut", dOut, head ? DType.F32 : type, rows.most(), n);
        context.bind();
        if (head) {
            launcher.argument(address(dX)).argument(address(dOut)).argument(address(w)).argument(accumulate ? 1 : 0)
                    .argument(rows.most()).argument(address(rows.count())).argument(n).argument(k);
            launcher.launch(functions.headInputs, rowBlocks(rows.most()), 1, 1, ROW_THREADS, 0);
        } else {
            products.backwardInput(gradient(rows, null, dOut, n, k), address(w), accumulate, address(dX));
        }
    }

    @Override
    public void linearBackwardWeight(Rows rows, Tensor x, Tensor dOut, Tensor dWeight, Tensor dBias) {
        int n = dWeight.rows();
        int k = dWeight.cols();
        Shapes.matrix("dWeight", dWeight, n, k);
        Shapes.matrix("dBias", dBias, 1, n);
        check("x", x, rows.most(), k);
        boolean head = isHead(dOut);
        Shapes.matrix("dOut", dOut, head ? DType.F32 : type, rows.most(), n);
        context.bind();
        if (head) {
            launcher.argument(address(dWeight)).argument(address(dBias)).argument(address(dOut)).argument(address(x))
                    .argument(rows.most()).argument(address(rows.count())).argument(n).argument(k);
            launcher.launch(functions.headWeights, Math.ceilDiv(k, SUM_COLUMNS), n, 1, SUM_THREADS, 0);
        } else {
            products.backwardWeight(gradient(rows, x, dOut, n, k), address(dWeight), address(dBias));
        }
    }

    private static CudaTrainingGemm.Gradient gradient(Rows rows, Tensor x, Tensor dOut, int n, int k) {
        return new CudaTrainingGemm.Gradient(rows.most(), address(rows.count()), address(x), address(dOut), n, k);
    }

    @Override
    public void activationBackward(Rows rows, Activation activation, Tensor preActivation, Tensor gradient) {
        int n = gradient.cols();
        check("preActivation", preActivation, rows.most(), n);
        check("gradient", gradient, rows.most(), n);
        context.bind();
        launcher.argument(address(gradient)).argument(address(preActivation)).argument(NightjarGemm.code(activation))
                .argument(rows.most()).argument(address(rows.count())).argument(n);
        launcher.launch(functions.activationBackward, blocks((long) rows.most() * n), 1, 1, ELEMENT_THREADS, 0);
    }

    // ---- attention

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Dropout dropout, Tensor logSumExp, Tensor out) {
        if (logSumExp == null && !dropout.active()) {
            attention(batch, heads, qkv, out);
            return;
        }
        int headDim = headDim(batch, heads, qkv, out);
        Shapes.matrix("logSumExp", logSumExp, batch.tokens(), heads);
        context.bind();
        launcher.argument(address(out)).argument(address(logSumExp)).argument(address(qkv));
        attend(functions.attention, batch, heads, headDim, dropout);
    }

    @Override
    public void attentionBackward(PackedBatch batch, int heads, Tensor qkv, Tensor out, Tensor logSumExp, Tensor dOut,
            Dropout dropout, Tensor dQkv) {
        int headDim = headDim(batch, heads, qkv, out);
        headDim(batch, heads, dQkv, dOut);
        Shapes.matrix("logSumExp", logSumExp, batch.tokens(), heads);
        context.bind();
        long delta = scratch.address((long) batch.tokens() * heads * Float.BYTES);
        launcher.argument(address(dQkv)).argument(delta).argument(address(qkv)).argument(address(out))
                .argument(address(dOut)).argument(address(logSumExp));
        attend(functions.attentionQueries, batch, heads, headDim, dropout);
        launcher.argument(address(dQkv)).argument(delta).argument(address(qkv)).argument(address(dOut))
                .argument(address(logSumExp));
        attend(functions.attentionKeys, batch, heads, headDim, dropout);
    }

    /** The arguments that all attention kernels end with, and the launch. */
    private void attend(long[] byWidth, PackedBatch batch, int heads, int headDim, Dropout dropout) {
        launcher.argument(address(batch.cuSeqlens())).argument(address(batch.keys())).argument(heads).argument(headDim)
                .argument((float) (1 / Math.sqrt(headDim))).argument(dropout);
        launcher.launch(byWidth[widthIndex(headDim)], Math.ceilDiv(batch.maxLength(), ATTENTION_TILE), heads,
                batch.sequences(), ATTENTION_THREADS, 0);
    }

    // ---- residual and normalisation

    @Override
    public void residualLayerNorm(PackedBatch batch, Tensor x, Tensor residual, LayerNorm norm, Dropout dropout,
            Tensor stats, Tensor out) {
        int dim = x.cols();
        check("x", x, batch.tokens(), dim);
        check("residual", residual, batch.tokens(), dim);
        check(norm, dim);
        check("out", out, batch.tokens(), dim);
        context.bind();
        // Nobody reads them where there is no backward pass.
        long statsOrScratch = stats == null ? scratch.address(2L * Float.BYTES * batch.tokens()) : address(stats);
        if (stats != null) {
            Shapes.matrix("stats", stats, batch.tokens(), 2);
        }
        launcher.argument(address(out)).argument(address(x)).argument(statsOrScratch).argument(address(residual))
                .argument(address(norm.weight())).argument(address(norm.bias()));
        places(batch).argument(batch.tokens()).argument(tokenCount(batch)).argument(dim)
                .argument(DistilBertConfig.LAYER_NORM_EPSILON).argument(dropout);
        launcher.launch(functions.layerNorm, rowBlocks(batch.tokens()), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void residualLayerNormBackward(PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout, Tensor dResidual, Tensor dX, LayerNorm dNorm) {
        normBackward(functions.layerNormBackward, batch, dOut, sum, stats, norm, dropout, dResidual, dX, dNorm);
    }

    private void normBackward(long function, PackedBatch batch, Tensor dOut, Tensor sum, Tensor stats, LayerNorm norm,
            Dropout dropout, Tensor dSum, Tensor dX, LayerNorm dNorm) {
        int tokens = batch.tokens();
        int dim = sum.cols();
        check("dOut", dOut, tokens, dim);
        check("sum", sum, tokens, dim);
        Shapes.matrix("stats", stats, tokens, 2);
        check(norm, dim);
        check("dSum", dSum, tokens, dim);
        if (dX != null) {
            check("dX", dX, tokens, dim);
        }
        Shapes.norm("dNorm", dNorm, dim);
        context.bind();
        int shares = Math.min(rowBlocks(tokens), BLOCKS_PER_MULTIPROCESSOR * context.multiprocessors());
        long partial = scratch.address(2L * Float.BYTES * shares * dim);
        launcher.argument(address(dSum)).argument(address(dX)).argument(partial).argument(address(dOut))
                .argument(address(sum)).argument(address(stats)).argument(address(norm.weight()));
        places(batch).argument(tokens).argument(tokenCount(batch)).argument(dim).argument(dropout);
        launcher.launch(function, shares, 1, 1, ROW_THREADS, 0);
        launcher.argument(address(dNorm.weight())).argument(address(dNorm.bias())).argument(partial).argument(shares)
                .argument(dim);
        launcher.launch(functions.layerNormGradient, Math.ceilDiv(dim, SUM_COLUMNS), 2, 1, SUM_THREADS, 0);
    }

    // ---- pooling and heads

    @Override
    public void gatherFirst(PackedBatch batch, Tensor x, Tensor out) {
        int dim = x.cols();
        check("x", x, batch.tokens(), dim);
        check("out", out, batch.sequences(), dim);
        context.bind();
        launcher.argument(address(out)).argument(address(x)).argument(address(batch.cuSeqlens()))
                .argument(batch.sequences()).argument(dim);
        launcher.launch(functions.gatherFirst, rowBlocks(batch.sequences()), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void scatterFirst(PackedBatch batch, Tensor dOut, Tensor dX) {
        int dim = dX.cols();
        check("dOut", dOut, batch.sequences(), dim);
        check("dX", dX, batch.tokens(), dim);
        context.bind();
        launcher.argument(address(dX)).argument(address(dOut)).argument(address(batch.positions()))
                .argument(address(batch.tokenSequences())).argument(batch.tokens()).argument(tokenCount(batch))
                .argument(dim);
        launcher.launch(functions.scatterFirst, rowBlocks(batch.tokens()), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void dropout(PackedBatch batch, Dropout dropout, Tensor x) {
        int n = x.cols();
        check("x", x, batch.sequences(), n);
        if (!dropout.active()) {
            return;
        }
        context.bind();
        launcher.argument(address(x)).argument(address(batch.keys())).argument(batch.sequences())
                .argument(address(batch.sequenceRows().count())).argument(n).argument(dropout);
        launcher.launch(functions.dropout, rowBlocks(batch.sequences()), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void softmax(Rows rows, Tensor x, Tensor out) {
        optimization.softmax(rows, x, out);
    }

    @Override
    public void multiTaskLoss(PackedBatch batch, Targets targets, Tensor logits, Tensor scores, Weight classifier,
            Weight regressor, Tensor weights, Tensor lossScale, Tensor dLogits, Tensor dScores, Tensor report) {
        optimization.multiTaskLoss(batch.sequences(), targets, logits, scores, classifier, regressor, weights,
                lossScale, dLogits, dScores, report);
    }

    // ---- parameters

    @Override
    public void squaredNorm(Tensor x, Tensor result) {
        optimization.squaredNorm(x, result);
    }

    @Override
    public void axpby(float alpha, Tensor x, float beta, Tensor y) {
        optimization.axpby(alpha, x, beta, y);
    }

    @Override
    public void zero(Tensor x) {
        context.bind();
        context.driver().memsetD8Async(address(x), (byte) 0, x.byteSize(), launcher.stream());
    }

    @Override
    public void adamW(Tensor step, ParameterTable table, Tensor squaredNorm, Tensor lossScale, AdamWTensors tensors) {
        optimization.adamW(step, table, squaredNorm, lossScale, tensors);
    }

    @Override
    public void updateLossScale(Tensor squaredNorm, Tensor lossScale) {
        optimization.updateLossScale(squaredNorm, lossScale);
    }

    @Override
    public void close() {
        if (!isClosed()) {
            await();
            products.close();
            uploads.close();
            scratch.close();
            super.close();
        }
    }
}
