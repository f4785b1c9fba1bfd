package dev.nightjar.benchmarks;

import dev.nightjar.train.TokenizedRows;
import dev.nightjar.train.TokenizedRows.Row;
import java.util.ArrayList;
import java.util.List;

/**
 * Batches of made-up token ids that {@code peers/pytorch_training.py} makes in the same way: a SplitMix64 stream (Steele, Lea and Flood,
 * OOPSLA 2014) whose state starts at the seed gives 1000 + next mod 29000 for every position of a batch, row by row; the first of each row
 * becomes 101, the last 102; then it gives each row's label, next mod 3. The next batch goes on from there.
 */
final class SyntheticRows {
    /** Classes of the labels. */
    static final int CLASSES = 3;

    private long state;

    SyntheticRows(long seed) {
        this.state = seed;
    }

    /** The next batch; dropout knows its rows by their number. */
    TokenizedRows batch(int rows, int length) {
        int[][] ids = new int[rows][length];
        for (int[] row : ids) {
            for (int i = 0; i < length; i++) {
                row[i] = 1000 + (int) Long.remainderUnsigned(next(), 29000);
            }
            row[0] = 101;
            row[length - 1] = 102;
        }
        List<Row> batch = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            int label = (int) Long.remainderUnsigned(next(), CLASSES);
            batch.add(new Row(ids[row], row, label, new float[0]));
        }
        return new TokenizedRows(batch);
    }

    private long next() {
        state += 0x9E3779B97F4A7C15L;
        long z = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
