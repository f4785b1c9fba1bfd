package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.Ops;
import dev.nightjar.model.DistilBert;
import dev.nightjar.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * What a model says about rows, row by row.
 *
 * @param probabilities [rows][classes]; null without classification head
 * @param scores [rows][targets]; null without regression head
 */
public record Predictions(float[][] probabilities, float[][] scores) {

    /** Runs the model without dropout over all rows, as many at a time as the buffers hold. */
    public static Predictions of(DistilBert model, Ops ops, BatchBuffers buffers, TokenizedRows rows) {
        float[][] probabilities = model.config().classes() == 0 ? null : new float[rows.size()][];
        float[][] scores = model.config().scores() == 0 ? null : new float[rows.size()][];
        for (int from = 0, count; from < rows.size(); from += count) {
            count = buffers.fitting(rows, from);
            buffers.load(rows, IntStream.range(from, from + count).toArray(), 0);
            model.predict(ops, buffers.packed(), buffers.activations());
            if (probabilities != null) {
                fetch(model.backend(), buffers.activations().probabilities(), probabilities, from, count);
            }
            if (scores != null) {
                fetch(model.backend(), buffers.activations().scores(), scores, from, count);
            }
        }
        return new Predictions(probabilities, scores);
    }

    private static void fetch(Backend backend, Tensor matrix, float[][] into, int from, int count) {
        long rowBytes = 4L * matrix.cols();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(rowBytes * count, Float.BYTES);
            backend.download(Tensor.matrix(matrix.buffer(), matrix.byteOffset(), matrix.dtype(), count, matrix.cols()),
                    host);
            for (int i = 0; i < count; i++) {
                into[from + i] = host.asSlice(i * rowBytes, rowBytes).toArray(ValueLayout.JAVA_FLOAT);
            }
        }
    }
}
