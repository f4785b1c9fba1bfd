package dev.nightjar.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.nightjar.UnavailableException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Which processors a thread may run on; on Linux only. */
public final class ThreadAffinity {
    private static final String FUNCTION = "sched_setaffinity";
    /** Of glibc's {@code cpu_set_t}. */
    private static final int SET_BYTES = 128;

    private ThreadAffinity() {
    }

    /**
     * Keeps the calling platform thread on one processor.
     *
     * @param cpu as Linux numbers them
     * @throws UnavailableException on another system, or if the process may not use that processor
     */
    public static void pinCurrentThread(int cpu) {
        MemorySegment function = System.getProperty("os.name").equals("Linux")
                ? Linker.nativeLinker().defaultLookup().find(FUNCTION).orElse(null)
                : null;
        if (function == null || cpu < 0 || cpu >= SET_BYTES * Byte.SIZE) {
            throw new UnavailableException("a thread cannot be kept on processor " + cpu + " of "
                    + System.getProperty("os.name"));
        }
        MemoryLayout state = Linker.Option.captureStateLayout();
        MethodHandle handle = Linker.nativeLinker().downcallHandle(function,
                FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS),
                Linker.Option.captureCallState("errno"));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment error = arena.allocate(state);
            MemorySegment set = arena.allocate(SET_BYTES, Long.BYTES);
            set.set(JAVA_BYTE, cpu / Byte.SIZE, (byte) (1 << cpu % Byte.SIZE));
            // Thread 0 is the calling one.
            int status = (int) handle.invokeExact(error, 0, (long) SET_BYTES, set);
            if (status != 0) {
                throw new UnavailableException(FUNCTION + " refuses processor " + cpu + ": errno "
                        + error.get(JAVA_INT, state.byteOffset(MemoryLayout.PathElement.groupElement("errno"))));
            }
        } catch (Throwable t) {
            throw Downcalls.failure(FUNCTION, t);
        }
    }
}
