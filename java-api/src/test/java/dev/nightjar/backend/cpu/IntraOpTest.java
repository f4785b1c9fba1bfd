package dev.nightjar.backend.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IntraOpTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyChunkRunsOnceBeforeRunReturns(int threads) {
        try (IntraOp pool = new IntraOp(threads)) {
            for (int round = 0; round < 20_000; round++) {
                int chunks = round % 11;
                AtomicIntegerArray runs = new AtomicIntegerArray(chunks);
                AtomicInteger strangers = new AtomicInteger();
                pool.run(chunks, (chunk, worker) -> {
                    runs.incrementAndGet(chunk);
                    if (worker < 0 || worker >= threads) {
                        strangers.incrementAndGet();
                    }
                });
                for (int chunk = 0; chunk < chunks; chunk++) {
                    assertThat(runs.get(chunk)).isEqualTo(1);
                }
                assertThat(strangers).hasValue(0);
            }
        }
    }

    /** Two chunks that wait for each other end only if two threads run them, the second one after parking, too. */
    @Test
    void chunksRunAtTheSameTime() {
        try (IntraOp pool = new IntraOp(2)) {
            for (int round = 0; round < 50; round++) {
                CountDownLatch both = new CountDownLatch(2);
                pool.run(2, (chunk, worker) -> {
                    both.countDown();
                    await(both);
                });
                assertThat(both.getCount()).isZero();
            }
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void whatAChunkThrowsReachesTheCallerAndThePoolGoesOn(int threads) {
        try (IntraOp pool = new IntraOp(threads)) {
            for (int round = 0; round < 100; round++) {
                assertThatThrownBy(() -> pool.run(7, (chunk, worker) -> {
                    if (chunk == 5) {
                        throw new IllegalArgumentException("chunk 5");
                    }
                })).isInstanceOf(IllegalArgumentException.class).hasMessage("chunk 5");
                AtomicInteger runs = new AtomicInteger();
                pool.run(7, (chunk, worker) -> runs.incrementAndGet());
                assertThat(runs).hasValue(7);
            }
        }
    }

    @Test
    void refusesWorkWhenClosed() {
        IntraOp pool = new IntraOp(2);
        pool.close();
        pool.close();
        assertThatThrownBy(() -> pool.run(2, (chunk, worker) -> {
        })).isInstanceOf(IllegalStateException.class);
    }
}
