package dev.nightjar.backend;

import java.util.List;
import java.util.stream.IntStream;

/** Sizes that one operation is tried with. */
record OpsShape(List<Integer> lengths, int dim, int heads) {
    static OpsShape of(int dim, int heads, Integer... lengths) {
        return new OpsShape(List.of(lengths), dim, heads);
    }

    int tokens() {
        return lengths.stream().mapToInt(Integer::intValue).sum();
    }

    int sequences() {
        return lengths.size();
    }

    int maxLength() {
        return lengths.stream().mapToInt(Integer::intValue).max().orElseThrow();
    }

    /** Columns of the feed-forward layer: not a multiple of a vector for the odd dimension. */
    int hidden() {
        return dim == 36 ? 150 : 2 * dim;
    }

    /** One label for each sequence, with some unknown. */
    int[] labels(int classes) {
        return IntStream.range(0, sequences()).map(b -> b % 5 == 4 ? -1 : (b * 7 + 1) % classes).toArray();
    }
}
