package dev.nightjar.model;

import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A batch and what PyTorch in float64 gave for it with {@linkplain TestNetwork#golden the tiny model}, without padding.
 *
 * @param outputs without probabilities
 */
public record GoldenForward(List<int[]> sequences, NetworkOutputs outputs) {
    /** The file of the test resources. */
    public static GoldenForward read() throws IOException {
        try (WeightSource file = SafetensorsFile.open(TestNetwork.golden("forward.safetensors"))) {
            float[] ids = file.read("input_ids");
            float[] mask = file.read("attention_mask");
            float[] padded = file.read("hidden_states.2");
            int width = file.info("input_ids").shape().get(1).intValue();
            int dim = padded.length / ids.length;
            List<int[]> sequences = new ArrayList<>();
            FloatBuffer hidden = FloatBuffer.allocate(padded.length);
            for (int begin = 0; begin < ids.length; begin += width) {
                int[] real = IntStream.range(begin, begin + width).filter(i -> mask[i] == 1).toArray();
                sequences.add(Arrays.stream(real).map(i -> (int) ids[i]).toArray());
                hidden.put(padded, begin * dim, real.length * dim);
            }
            return new GoldenForward(sequences,
                    new NetworkOutputs(Arrays.copyOf(hidden.array(), hidden.position()), file.read("logits"),
                            new float[0], file.read("regression")));
        }
    }
}
