package dev.nightjar.backend.cuda;

import dev.nightjar.backend.Activation;
import dev.nightjar.backend.Heads;
import dev.nightjar.backend.LayerNorm;
import dev.nightjar.backend.Linear;
import dev.nightjar.backend.PackedBatch;
import dev.nightjar.backend.RecordingOps;
import dev.nightjar.backend.Shapes;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.HostBuffer;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * {@link RecordingOps} by Nightjar's kernels and a {@link CudaGemm}, all on one stream. Nothing here waits for the
 * device but {@link #await}.
 *
 * <p>Kernels get the number of rows that memory and grid are for from the host, and the number of rows that are there
 * from the last of {@code cuSeqlens} on the device, so the same launches serve every batch within the bounds.
 */
class CudaOps implements RecordingOps {
    private static final int MAX_GRID_ROWS = 65_535;
    static final int MAX_NORM_DIM = 1024;
    private static final int MAX_HEAD_DIM = 128;
    /** Rows of one block where a warp takes a row. */
    static final int ROWS_PER_BLOCK = 4;
    static final int ROW_THREADS = 128;
    static final int ATTENTION_TILE = 64;
    static final int ATTENTION_THREADS = 128;
    private static final int SHORT_ATTENTION = 128;
    private static final int SHORT_MEMORY = 49_152;
    private static final int HEADS_TILE = 16;
    private static final int HEADS_THREADS = 256;
    /** What attention reads and writes at once. */
    private static final int VECTOR_BYTES = 16;

    /**
     * The attention kernels for head dimensions up to {@code headDim}; {@code shortSequences} is 0 where there is none.
     */
    private record Attention(int headDim, long function, long shortSequences) {
    }

    final CudaContext context;
    final DType type;
    final KernelLauncher launcher;
    final CudaBuffer tickets;
    private final boolean recording;
    private final CudaGemm gemm;
    private final long embedding;
    private final Attention[] attention;
    private final long heads;
    private boolean closed;

    /**
     * @param type of all tensors but results
     * @param recording whether {@link #record} makes a graph; otherwise it keeps the calls and repeats them
     */
    CudaOps(CudaContext context, CudaKernels kernels, DType type, GemmProvider provider, boolean recording) {
        this.context = context;
        this.type = type;
        this.recording = recording;
        this.launcher = new KernelLauncher(context);
        CudaBuffer counters = null;
        try {
            counters = context.allocateZeroed((long) MAX_GRID_ROWS * Integer.BYTES);
            tickets = counters;
            embedding = kernels.function("embedding", "embedding", type);
            attention = new Attention[]{attention(kernels, 32), attention(kernels, 64), attention(kernels, 128)};
            heads = kernels.function("heads", "heads", type);
            gemm = provider.open(site(kernels));
        } catch (RuntimeException | Error e) {
            if (counters != null) {
                counters.close();
            }
            launcher.close();
            throw e;
        }
    }

    final GemmProvider.Site site(CudaKernels kernels) {
        return new GemmProvider.Site(context, kernels, launcher, type, tickets.address());
    }

    private Attention attention(CudaKernels kernels, int headDim) {
        return new Attention(headDim, kernels.function("attention", "attention_d" + headDim, type),
                type != DType.F32 ? kernels.function("attention", "attention_short_d" + headDim, type) : 0);
    }

    // ---- tensors

    /** The device address of a tensor, 0 for null. */
    static long address(Tensor tensor) {
        if (tensor == null) {
            return 0;
        }
        if (tensor.buffer() instanceof CudaBuffer buffer) {
            return buffer.address() + tensor.byteOffset();
        }
        throw new IllegalArgumentException(tensor + " is not in device memory");
    }

    /** Where the number of tokens is: at the end of the prefix sums, whether padded or not. */
    static long tokenCount(PackedBatch batch) {
        return address(batch.cuSeqlens()) + (long) batch.sequences() * Integer.BYTES;
    }

    final void check(String name, Tensor tensor, int rows, int cols) {
        Shapes.matrix(name, tensor, type, rows, cols);
    }

    final void check(LayerNorm norm, int dim) {
        if (dim > MAX_NORM_DIM) {
            throw new IllegalArgumentException(
                    "a normalisation over " + dim + " columns exceeds the kernels' " + MAX_NORM_DIM);
        }
        check("norm.weight", norm.weight(), 1, dim);
        check("norm.bias", norm.bias(), 1, dim);
    }

    private CudaGemm.Product product(PackedBatch batch, Tensor x, Linear layer, Tensor out) {
        Tensor weight = layer.weight().tensor();
        check("weight", weight, out.cols(), x.cols());
        check("bias", layer.bias(), 1, out.cols());
        check("x", x, batch.tokens(), x.cols());
        check("out", out, batch.tokens(), out.cols());
        context.bind();
        return new CudaGemm.Product(batch.tokens(), tokenCount(batch), address(x), address(weight),
                address(layer.bias()), out.cols(), x.cols(), address(out));
    }

    // ---- operations

    @Override
    public void embedding(PackedBatch batch, Tensor words, Tensor positions, LayerNorm norm, Tensor out) {
        int dim = out.cols();
        check("words", words, 1, dim);
        check("positions", positions, batch.maxLength(), dim);
        check(norm, dim);
        check("out", out, batch.tokens(), dim);
        context.bind();
        launcher.argument(address(out)).argument(address(batch.ids())).argument(address(batch.positions()))
                .argument(address(words)).argument(address(positions)).argument(address(norm.weight()))
                .argument(address(norm.bias())).argument(batch.tokens()).argument(tokenCount(batch)).argument(dim)
                .argument(DistilBertConfig.LAYER_NORM_EPSILON);
        launcher.launch(embedding, Math.ceilDiv(batch.tokens(), ROWS_PER_BLOCK), 1, 1, ROW_THREADS, 0);
    }

    @Override
    public void linear(PackedBatch batch, Tensor x, Linear layer, Activation activation, Tensor out) {
        gemm.linear(product(batch, x, layer, out), activation);
    }

    @Override
    public void linearResidualLayerNorm(PackedBatch batch, Tensor x, Linear layer, Tensor residual, LayerNorm norm,
            Tensor sum, Tensor out) {
        check("residual", residual, batch.tokens(), out.cols());
        check("sum", sum, batch.tokens(), out.cols());
        check(norm, out.cols());
        gemm.linearResidualLayerNorm(product(batch, x, layer, out), address(sum), address(residual),
                address(norm.weight()), address(norm.bias()));
    }

    @Override
    public void attention(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        int headDim = headDim(batch, heads, qkv, out);
        Attention kernel = attention[widthIndex(headDim)];
        context.bind();
        launcher.argument(address(out)).argument(address(qkv)).argument(address(batch.cuSeqlens())).argument(heads)
                .argument(headDim).argument((float) (1 / Math.sqrt(headDim)));
        int length = Math.ceilDiv(batch.maxLength(), 16) * 16;
        if (kernel.shortSequences != 0 && length <= SHORT_ATTENTION && length * kernel.headDim * 6 <= SHORT_MEMORY) {
            launcher.launch(kernel.shortSequences, 1, heads, batch.sequences(), 2 * length,
                    6 * length * kernel.headDim);
        } else {
            launcher.launch(kernel.function, Math.ceilDiv(batch.maxLength(), ATTENTION_TILE), heads, batch.sequences(),
                    ATTENTION_THREADS, 0);
        }
    }

    /** Checks what the attention kernels take, and gives the dimension of a head. */
    final int headDim(PackedBatch batch, int heads, Tensor qkv, Tensor out) {
        int dim = out.cols();
        if (heads < 1 || dim % (8 * heads) != 0 || dim / heads > MAX_HEAD_DIM) {
            throw new IllegalArgumentException(
                    heads + " heads of " + dim + " columns: the kernels need a head dimension"
                            + " that is a multiple of 8 up to " + MAX_HEAD_DIM);
        }
        check("qkv", qkv, batch.tokens(), 3 * dim);
        check("out", out, batch.tokens(), dim);
        requireAligned("qkv", qkv);
        requireAligned("out", out);
        return dim / heads;
    }

    /** Which of the attention kernels, which come for heads of 32, 64 and 128 columns. */
    static int widthIndex(int headDim) {
        return headDim <= 32 ? 0 : headDim <= 64 ? 1 : 2;
    }

    static void requireAligned(String name, Tensor tensor) {
        if (address(tensor) % VECTOR_BYTES != 0) {
            throw new IllegalArgumentException(name + " does not begin at a multiple of " + VECTOR_BYTES + " bytes");
        }
    }

    @Override
    public void heads(PackedBatch batch, Tensor hidden, Heads weights, Heads.Outputs outputs) {
        int rows = batch.sequences();
        int dim = hidden.cols();
        check("hidden", hidden, batch.tokens(), dim);
        check("pooled", outputs.pooled(), rows, dim);
        int classes = head("classifier", weights.classifier(), dim);
        int targets = head("regressor", weights.regressor(), dim);
        head("preClassifier", weights.preClassifier(), dim);
        if (classes > 0) {
            Shapes.matrix("logits", outputs.logits(), rows, classes);
            Shapes.matrix("probabilities", outputs.probabilities(), rows, classes);
        }
        if (targets > 0) {
            Shapes.matrix("scores", outputs.scores(), rows, targets);
        }
        context.bind();
        launcher.argument(address(outputs.logits())).argument(address(outputs.probabilities()))
                .argument(address(outputs.scores())).argument(address(outputs.pooled())).argument(address(hidden))
                .argument(address(batch.cuSeqlens()));
        arguments(weights.preClassifier());
        arguments(weights.classifier());
        arguments(weights.regressor());
        launcher.argument(tickets.address()).argument(rows).argument(dim).argument(classes).argument(targets);
        launcher.launch(this.heads, Math.ceilDiv(dim, HEADS_TILE), Math.ceilDiv(rows, HEADS_TILE), 1, HEADS_THREADS, 0);
    }

    /** Checks a head, which may be null, and gives the number of its outputs. */
    private int head(String name, Linear layer, int dim) {
        if (layer == null) {
            return 0;
        }
        Tensor weight = layer.weight().tensor();
        check(name + ".weight", weight, 1, dim);
        check(name + ".bias", layer.bias(), 1, weight.rows());
        return weight.rows();
    }

    private void arguments(Linear layer) {
        launcher.argument(layer == null ? 0 : address(layer.weight().tensor()))
                .argument(layer == null ? 0 : address(layer.bias()));
    }

    // ---- recording

    @Override
    public HostBuffer allocateHost(long bytes) {
        return context.allocatePinned(bytes);
    }

    @Override
    public void copyIn(MemorySegment source, Tensor destination) {
        CudaBackend.requireSize(source, destination);
        context.bind();
        context.driver().memcpyHtoDAsync(address(destination), source.address(), source.byteSize(), launcher.stream());
    }

    @Override
    public void copyOut(Tensor source, MemorySegment destination) {
        CudaBackend.requireSize(destination, source);
        context.bind();
        context.driver().memcpyDtoHAsync(destination.address(), address(source), destination.byteSize(),
                launcher.stream());
    }

    @Override
    public Recording record(Runnable operations) {
        return recording ? new Graph(capture(operations)) : new Repetition(operations);
    }

    /** The executable graph of operations. */
    CudaHandle capture(Runnable operations) {
        return context.capture(launcher.stream(), operations);
    }

    /** Operations as one launch. */
    private final class Graph implements Recording {
        private final CudaHandle executable;

        Graph(CudaHandle executable) {
            this.executable = executable;
        }

        @Override
        public void run() {
            context.bind();
            context.driver().graphLaunch(executable.value(), launcher.stream());
        }

        @Override
        public void close() {
            executable.close();
        }
    }

    /** Operations one by one. */
    private record Repetition(Runnable operations) implements Recording {
        @Override
        public void run() {
            operations.run();
        }

        @Override
        public void close() {
            // Nothing was made.
        }
    }

    final boolean isClosed() {
        return closed;
    }

    @Override
    public void await() {
        context.bind();
        context.driver().streamSynchronize(launcher.stream());
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        await();
        gemm.close();
        tickets.close();
        launcher.close();
    }
}
