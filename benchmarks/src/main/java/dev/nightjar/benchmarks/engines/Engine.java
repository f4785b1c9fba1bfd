package dev.nightjar.benchmarks.engines;

import java.util.List;

/** Something that turns texts into classes: Nightjar or a peer, with the same weights. Not thread-safe. */
public interface Engine extends AutoCloseable {
    /**
     * Classifies texts together, from characters to probabilities.
     *
     * @return of every text the probability of every class
     */
    float[][] classify(List<String> texts);

    @Override
    void close();
}
