package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DeviceTest {
    @TempDir
    private Path folder;

    @Test
    void badArgumentsAreNamed() {
        assertThatThrownBy(() -> Device.of("tpu")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"tpu\"");
        assertThatThrownBy(() -> Device.of("cpu").withThreads(0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("threads 0");
        assertThatThrownBy(() -> new Device("cpu", 3, List.of(1))).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[1] are not one for each of 2");
    }

    @Test
    void processorsBringTheirThreads() {
        Device device = Device.of("cpu").withWorkerCpus(2, 3);
        assertThat(device).isEqualTo(new Device("cpu", 3, List.of(2, 3)));
        assertThat(device.withThreads(3).workerCpus()).isEmpty();
    }

    /** Not served without them: by a backend without such threads, nor on a processor that is not there. */
    @ParameterizedTest
    @CsvSource({"reference, 0", "cpu, 1023"})
    void processorsThatCannotBeHadAreRefused(String backend, int cpu) throws IOException {
        Device device = Device.of(backend).withWorkerCpus(cpu);
        try (SentimentModel model = TinyModel.load(folder, List.of("a", "b"), List.of("s"), device)) {
            assertThatThrownBy(model::newSession).isInstanceOf(UnavailableException.class)
                    .hasMessageContaining(Integer.toString(cpu));
        }
    }
}
