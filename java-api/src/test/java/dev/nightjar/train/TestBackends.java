package dev.nightjar.train;

import dev.nightjar.backend.Backend;
import dev.nightjar.backend.cpu.CpuBackend;
import dev.nightjar.backend.reference.ReferenceBackend;
import java.util.stream.Stream;

/** The backends that must reproduce the golden values here. */
final class TestBackends {
    private TestBackends() {
    }

    static Stream<Backend> all() {
        return Stream.of(new ReferenceBackend(), new CpuBackend());
    }
}
