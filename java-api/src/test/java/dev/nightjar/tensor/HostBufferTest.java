package dev.nightjar.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.nightjar.ffi.HugePages;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Small buffers and those of huge pages behave alike. */
class HostBufferTest {
    @ParameterizedTest
    @ValueSource(longs = {0, 1, 63, 4096, 2 * HugePages.SIZE - 1, 2 * HugePages.SIZE, 3 * HugePages.SIZE + 1})
    void isZeroedAlignedAndUsableToItsLastByteUntilClosed(long bytes) {
        HostBuffer buffer = new HostBuffer(bytes);
        MemorySegment segment = buffer.segment();
        assertEquals(bytes, buffer.byteSize());
        assertEquals(0, segment.address() % HostBuffer.ALIGNMENT);
        for (long i = 0; i < bytes; i++) {
            assertEquals(0, segment.get(ValueLayout.JAVA_BYTE, i));
        }
        segment.fill((byte) 7);
        assertThrows(IndexOutOfBoundsException.class, () -> segment.get(ValueLayout.JAVA_BYTE, bytes));
        buffer.close();
        buffer.close();
        assertFalse(segment.scope().isAlive());
    }

    @Test
    void refusesANegativeSize() {
        assertThrows(IllegalArgumentException.class, () -> new HostBuffer(-1));
    }

    /** The flag hg of a mapping; see proc_pid_smaps(5). */
    @Test
    @EnabledOnOs(OS.LINUX)
    void asksForHugePagesAndGivesThemBack() throws IOException {
        HostBuffer buffer = new HostBuffer(5 * HugePages.SIZE);
        long address = buffer.segment().address();
        assertEquals(0, address % HugePages.SIZE);
        List<String> flags = flagsOfMapping(address);
        assertTrue(Files.notExists(Path.of("/sys/kernel/mm/transparent_hugepage")) || flags.contains("hg"),
                flags::toString);
        buffer.close();
        assertEquals(List.of(), flagsOfMapping(address));
    }

    private static List<String> flagsOfMapping(long address) throws IOException {
        boolean inside = false;
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
            String[] words = line.split(" +", -1);
            if (words[0].endsWith(":")) {
                if (inside && words[0].equals("VmFlags:")) {
                    return List.of(words);
                }
            } else {
                String[] range = words[0].split("-", -1);
                inside = Long.parseUnsignedLong(range[0], 16) <= address
                        && address < Long.parseUnsignedLong(range[1], 16);
            }
        }
        return List.of();
    }
}
