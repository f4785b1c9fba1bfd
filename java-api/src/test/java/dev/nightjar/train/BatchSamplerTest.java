package dev.nightjar.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.nightjar.train.TokenizedRows.Row;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchSamplerTest {
    private static TokenizedRows rows(int count) {
        Random random = new Random(1);
        return new TokenizedRows(IntStream.range(0, count)
                .mapToObj(i -> new Row(new int[2 + random.nextInt(60)], i, 0, new float[0])).toList());
    }

    private static List<List<Integer>> lists(List<int[]> batches) {
        return batches.stream().map(batch -> IntStream.of(batch).boxed().toList()).toList();
    }

    @ParameterizedTest
    @CsvSource({"1, 32, false", "97, 32, false", "97, 1, false", "129, 8, true", "1000, 8, true", "3, 50, true"})
    void everyRowOnceAnEpochInAnOrderOfSeedAndEpoch(int count, int batchSize, boolean bucketing) {
        TokenizedRows rows = rows(count);
        BatchSampler sampler = new BatchSampler(rows, batchSize, 7, bucketing);
        List<int[]> epoch = sampler.epoch(3);
        assertThat(epoch).hasSize(sampler.batchesPerEpoch()).allMatch(batch -> batch.length <= batchSize);
        assertThat(epoch.stream().filter(batch -> batch.length < batchSize).count()).isLessThanOrEqualTo(1);
        assertThat(epoch.stream().flatMapToInt(Arrays::stream).sorted().toArray())
                .isEqualTo(IntStream.range(0, count).toArray());
        assertThat(lists(new BatchSampler(rows, batchSize, 7, bucketing).epoch(3))).isEqualTo(lists(epoch));
        if (count > 50) {
            assertThat(lists(sampler.epoch(4))).isNotEqualTo(lists(epoch));
            assertThat(lists(new BatchSampler(rows, batchSize, 8, bucketing).epoch(3))).isNotEqualTo(lists(epoch));
        }
    }

    @Test
    void bucketsHoldRowsOfSimilarLengthInRandomOrder() {
        TokenizedRows rows = rows(800);
        List<int[]> batches = new BatchSampler(rows, 16, 7, true).epoch(0);
        double spread = batches.stream()
                .mapToInt(batch -> IntStream.of(batch).map(i -> rows.get(i).ids().length).max().orElseThrow()
                        - IntStream.of(batch).map(i -> rows.get(i).ids().length).min().orElseThrow())
                .average().orElseThrow();
        assertThat(spread).isLessThan(4);
        List<Integer> shortest = batches.stream()
                .map(batch -> IntStream.of(batch).map(i -> rows.get(i).ids().length).min().orElseThrow()).toList();
        assertThat(shortest).isNotEqualTo(shortest.stream().sorted().toList());
    }

    /** Every position sees every row: a permutation that favoured some would show. */
    @Test
    void allOrdersAreAboutEquallyLikely() {
        BatchSampler sampler = new BatchSampler(rows(10), 10, 99, false);
        int[][] counts = new int[10][10];
        for (int epoch = 0; epoch < 5000; epoch++) {
            int[] order = sampler.epoch(epoch).getFirst();
            for (int position = 0; position < 10; position++) {
                counts[order[position]][position]++;
            }
        }
        // Binomial: mean 500, standard deviation 21.
        assertThat(Arrays.stream(counts).flatMapToInt(Arrays::stream).boxed())
                .allMatch(count -> count > 400 && count < 600);
    }

    @Test
    void capacitiesAndFingerprints() {
        TokenizedRows rows = new TokenizedRows(List.of(new Row(new int[5], 0, 1, new float[]{1}),
                new Row(new int[9], 1, 1, new float[]{2}), new Row(new int[7], 2, 1, new float[]{3})));
        assertThat(rows.longest()).isEqualTo(9);
        assertThat(rows.mostTokens(2)).isEqualTo(16);
        assertThat(rows.mostTokens(50)).isEqualTo(21);
        TokenizedRows reordered = new TokenizedRows(rows.rows().reversed());
        assertThat(reordered.fingerprint()).isNotEqualTo(rows.fingerprint());
        assertThat(new TokenizedRows(rows.rows()).fingerprint()).isEqualTo(rows.fingerprint()).hasSize(64);
    }
}
