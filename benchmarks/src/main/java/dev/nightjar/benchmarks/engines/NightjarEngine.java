package dev.nightjar.benchmarks.engines;

import dev.nightjar.InferenceSession;
import dev.nightjar.SentimentModel;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** A session of a Nightjar model. */
final class NightjarEngine implements Engine {
    private final SentimentModel model;
    private final InferenceSession session;

    /** Takes the model over. */
    NightjarEngine(SentimentModel model) {
        this.model = model;
        this.session = model.newSession();
    }

    @Override
    public float[][] classify(List<String> texts) {
        // Takes the session over from the thread that checked it.
        session.clear();
        for (String text : texts) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            if (session.addText(MemorySegment.ofArray(utf8), utf8.length) == InferenceSession.NO_ROOM) {
                throw new IllegalArgumentException(texts.size() + " texts exceed the session's capacity");
            }
        }
        session.run();
        float[][] probabilities = new float[texts.size()][model.labels().size()];
        for (int row = 0; row < probabilities.length; row++) {
            for (int label = 0; label < probabilities[row].length; label++) {
                probabilities[row][label] = session.probability(row, label);
            }
        }
        return probabilities;
    }

    @Override
    public void close() {
        session.close();
        model.close();
    }
}
