package dev.nightjar.backend.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.UnavailableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
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

    @Test
    @EnabledOnOs(OS.LINUX)
    void workersStayOnTheirProcessorsAndTheCallerWhereItWas() {
        List<String> before = allowedProcessors();
        String cpu = before.getLast();
        try (IntraOp pool = new IntraOp(3)) {
            pool.pin(List.of(Integer.valueOf(cpu), Integer.valueOf(cpu)));
            Map<Integer, List<String>> allowed = new ConcurrentHashMap<>();
            CountDownLatch all = new CountDownLatch(3);
            pool.run(3, (chunk, worker) -> {
                all.countDown();
                await(all);
                allowed.put(worker, allowedProcessors());
            });
            assertThat(allowed).isEqualTo(Map.of(0, before, 1, List.of(cpu), 2, List.of(cpu)));
        }
    }

    @Test
    void aProcessorThatIsNotThereIsRefusedByNameAndTheThreadsWorkOn() {
        try (IntraOp pool = new IntraOp(2)) {
            assertThatThrownBy(() -> pool.pin(List.of(1023))).isInstanceOf(UnavailableException.class)
                    .hasMessageContaining("processor 1023");
            assertThatThrownBy(() -> pool.pin(List.of(0, 0))).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("[0, 0] for 1");
            AtomicInteger runs = new AtomicInteger();
            pool.run(5, (chunk, worker) -> runs.incrementAndGet());
            assertThat(runs).hasValue(5);
        }
    }

    /** Of the calling thread, one by one: its list is as in 0-2,5. */
    private static List<String> allowedProcessors() {
        try {
            String list = Files.readAllLines(Path.of("/proc/thread-self/status")).stream()
                    .filter(line -> line.startsWith("Cpus_allowed_list:")).findFirst().orElseThrow()
                    .split("\\s+", -1)[1];
            List<String> result = new ArrayList<>();
            for (String range : list.split(",", -1)) {
                String[] ends = range.split("-", -1);
                for (int cpu = Integer.parseInt(ends[0]); cpu <= Integer.parseInt(ends[ends.length - 1]); cpu++) {
                    result.add(Integer.toString(cpu));
                }
            }
            return result;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
