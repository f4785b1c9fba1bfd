package dev.nightjar.train;

import dev.nightjar.backend.Philox;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The batches of every epoch, each row once an epoch. An order is made of seed and epoch alone, so a run can start in the middle. Stateless
 * and thread-safe.
 */
public final class BatchSampler {
    /** Batches whose rows are sorted together when bucketing, as in Hugging Face's length-grouped sampler. */
    private static final int BUCKET_BATCHES = 50;
    /** Counter words that keep the streams of rows and of batches apart. */
    private static final int ROWS = 0;
    private static final int BATCHES = 1;

    private final TokenizedRows rows;
    private final int batchSize;
    private final long seed;
    private final boolean bucketing;

    /** @param bucketing whether batches are of rows of similar length, still in random order */
    public BatchSampler(TokenizedRows rows, int batchSize, long seed, boolean bucketing) {
        this.rows = rows;
        this.batchSize = batchSize;
        this.seed = seed;
        this.bucketing = bucketing;
    }

    /** Number of batches in an epoch; the last may be smaller. */
    public int batchesPerEpoch() {
        return Math.ceilDiv(rows.size(), batchSize);
    }

    /**
     * The batches of an epoch as indexes of rows.
     *
     * @param epoch counted from 0
     */
    public List<int[]> epoch(int epoch) {
        int[] order = permutation(rows.size(), epoch, ROWS);
        if (!bucketing) {
            return cut(order);
        }
        int span = Math.toIntExact(Math.min((long) BUCKET_BATCHES * batchSize, order.length));
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < order.length; from += span) {
            int[] bucket = Arrays.stream(order, from, Math.min(order.length, from + span)).boxed()
                    .sorted(Comparator.comparingInt(index -> rows.get(index).ids().length))
                    .mapToInt(Integer::intValue).toArray();
            batches.addAll(cut(bucket));
        }
        return IntStream.of(permutation(batches.size(), epoch, BATCHES)).mapToObj(batches::get).toList();
    }

    private List<int[]> cut(int[] order) {
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < order.length; from += batchSize) {
            batches.add(Arrays.copyOfRange(order, from, Math.min(order.length, from + batchSize)));
        }
        return batches;
    }

    /** The numbers below {@code count}, sorted by a random key each. */
    private int[] permutation(int count, int epoch, int stream) {
        long[] keys = new long[count];
        int[] words = new int[4];
        for (int i = 0; i < count; i++) {
            Philox.words(seed, i, epoch, stream, 0, words);
            keys[i] = (long) words[0] << 32 | Integer.toUnsignedLong(words[1]);
        }
        return IntStream.range(0, count).boxed().sorted(Comparator.comparingLong(i -> keys[i]))
                .mapToInt(Integer::intValue).toArray();
    }
}
