package dev.nightjar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against {@code get_linear_schedule_with_warmup} and its siblings in transformers. */
class ScheduleTest {
    @ParameterizedTest
    @CsvSource({"LINEAR, 0, 4, 20, 0", "LINEAR, 3, 4, 20, 0.75", "LINEAR, 4, 4, 20, 1", "LINEAR, 12, 4, 20, 0.5",
            "LINEAR, 19, 4, 20, 0.0625", "LINEAR, 20, 4, 20, 0", "LINEAR, 0, 0, 10, 1", "LINEAR, 5, 10, 10, 0.5",
            "COSINE, 2, 4, 20, 0.5", "COSINE, 4, 4, 20, 1", "COSINE, 8, 4, 20, 0.8535533905932737",
            "COSINE, 12, 4, 20, 0.5", "COSINE, 20, 4, 20, 0", "CONSTANT, 1, 4, 20, 0.25", "CONSTANT, 19, 4, 20, 1"})
    void factor(Schedule schedule, int step, int warmup, int total, double expected) {
        assertThat(schedule.factor(step, warmup, total)).isCloseTo(expected, within(1e-15));
    }
}
