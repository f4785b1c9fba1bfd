package dev.nightjar.benchmarks;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.InferenceSession;
import dev.nightjar.PretrainedEncoder;
import dev.nightjar.SentimentModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Random;

/** MiniLM-L6 with random heads for three classes and a score, and one batch of made-up token ids that it answers again and again. */
final class PredictionRig implements AutoCloseable {
    private static final int VOCABULARY = 30_000;
    private static final long SEED = 1;

    private final SentimentModel model;
    private final InferenceSession session;
    private final int[][] ids;

    /**
     * @param rows sequences of a batch
     * @param length tokens of each
     */
    PredictionRig(InferenceOptions options, int rows, int length) {
        try {
            model = SentimentModel.loadWithHeads(PretrainedEncoder.MINILM, List.of("negative", "neutral", "positive"),
                    List.of("score"), SEED, options.withTokenBudget(Math.max(rows * length, 512)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        session = model.newSession();
        Random random = new Random(SEED);
        ids = new int[rows][];
        for (int row = 0; row < rows; row++) {
            ids[row] = random.ints(length, 0, VOCABULARY).toArray();
        }
    }

    static InferenceOptions on(String backend) {
        return InferenceOptions.defaults().withDevice(Device.of(backend));
    }

    /** From token ids to a result that was read: the first class's probability in the last row. */
    float predict() {
        for (int[] row : ids) {
            session.add(row);
        }
        session.run();
        return session.probability(ids.length - 1, 0);
    }

    @Override
    public void close() {
        session.close();
        model.close();
    }
}
