package dev.nightjar.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Memory for which the system is asked to use pages of 2 MiB, on Linux only. Whoever reads more than a processor's caches hold, such as
 * a model's weights for a single text, otherwise waits for the translation of an address every 4 KiB: reading 72 MB goes at 29 instead
 * of 24 GB/s on a virtual machine of Zen 4. It is advice: with {@code transparent_hugepage} set to {@code never} the memory is like any
 * other. Thread-safe.
 */
public final class HugePages {
    /** Bytes of a huge page. */
    public static final long SIZE = 2L << 20;
    private static final Path SETTING = Path.of("/sys/kernel/mm/transparent_hugepage/enabled");
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int MADV_HUGEPAGE = 14;
    private static final long MAP_FAILED = -1;
    private static final Optional<Functions> FUNCTIONS = Functions.find();

    private record Functions(MethodHandle mmap, MethodHandle madvise, MethodHandle munmap) {
        static Optional<Functions> find() {
            if (!System.getProperty("os.name").equals("Linux")) {
                return Optional.empty();
            }
            return Optional.of(new Functions(
                    find("mmap", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
                            JAVA_LONG)),
                    find("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT)),
                    find("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG))));
        }

        private static MethodHandle find(String name, FunctionDescriptor type) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
        }
    }

    private HugePages() {
    }

    /**
     * Zeroed memory that begins at a huge page and is given back when the arena is closed.
     *
     * @param bytes at least 1
     * @return empty on other systems, or where the system refuses
     */
    public static Optional<MemorySegment> map(long bytes, Arena arena) {
        return FUNCTIONS.flatMap(functions -> map(functions, bytes, arena));
    }

    /** Whether the system gives them, in its own words: {@code always}, {@code madvise} or {@code never}. */
    public static String setting() {
        try {
            // As in: always [madvise] never
            String choices = Files.readString(SETTING);
            return choices.substring(choices.indexOf('[') + 1, choices.indexOf(']'));
        } catch (IOException | IndexOutOfBoundsException e) {
            return "unknown to this system";
        }
    }

    private static Optional<MemorySegment> map(Functions functions, long bytes, Arena arena) {
        // A mapping begins at any small page; what lies before the first huge one is never touched, so it costs addresses only.
        long reserved = Math.addExact(bytes, SIZE);
        try {
            long address = (long) functions.mmap.invokeExact(MemorySegment.NULL, reserved, PROT_READ_WRITE,
                    MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (address == MAP_FAILED) {
                return Optional.empty();
            }
            long aligned = Math.ceilDiv(address, SIZE) * SIZE;
            // Refused by systems without huge pages; the memory is as good without.
            int ignored = (int) functions.madvise.invokeExact(aligned, bytes, MADV_HUGEPAGE);
            return Optional.of(MemorySegment.ofAddress(aligned).reinterpret(bytes, arena,
                    segment -> unmap(functions, address, reserved)));
        } catch (Throwable t) {
            throw Downcalls.failure("mmap", t);
        }
    }

    private static void unmap(Functions functions, long address, long bytes) {
        try {
            Downcalls.check("munmap", (int) functions.munmap.invokeExact(address, bytes), status -> "see errno");
        } catch (Throwable t) {
            throw Downcalls.failure("munmap", t);
        }
    }
}
