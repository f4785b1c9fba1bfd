package dev.nightjar.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;

/**
 * The base of a binding to a library whose functions return an {@code int} status, 0 for success: calls by name, for
 * everything that may take its time, and the check of every status. Handles and device addresses are {@code long}.
 * Thread-safe.
 */
public abstract class StatusLibrary {
    private final NativeLibrary library;

    protected StatusLibrary(NativeLibrary library) {
        this.library = library;
    }

    /** What the library calls a status. */
    protected abstract String errorText(int status);

    /** For calls that do not fit the methods below. */
    protected final NativeLibrary library() {
        return library;
    }

    /** The file or soname of the library. */
    public final String libraryName() {
        return library.name();
    }

    /**
     * Throws unless a function returned 0; allocates nothing if it did.
     *
     * @throws dev.nightjar.NightjarException naming function, status and its text
     */
    protected final void check(String function, int status) {
        // Spelt out, because a lambda that captures this would be allocated for every call.
        if (status != 0) {
            Downcalls.check(function, status, this::errorText);
        }
    }

    /** Calls a function whose parameters are as wide as these arguments, and gives its status. */
    protected final int status(String function, Object... arguments) {
        MemoryLayout[] parameters = Arrays.stream(arguments).map(StatusLibrary::layout).toArray(MemoryLayout[]::new);
        MethodHandle handle = library.downcall(function, FunctionDescriptor.of(JAVA_INT, parameters));
        try {
            return (int) handle.invokeWithArguments(arguments);
        } catch (Throwable t) {
            throw Downcalls.failure(function, t);
        }
    }

    private static MemoryLayout layout(Object argument) {
        return switch (argument) {
            case Integer i -> JAVA_INT;
            case Long l -> JAVA_LONG;
            case Byte b -> JAVA_BYTE;
            case MemorySegment s -> ADDRESS;
            default -> throw new IllegalArgumentException("no C type for " + argument.getClass());
        };
    }

    /** As {@link #status}, with the status checked. */
    protected final void call(String function, Object... arguments) {
        check(function, status(function, arguments));
    }

    /** Calls a function that writes its result, a handle or number of 64 bits, to its first parameter. */
    protected final long result(String function, Object... others) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            call(function, prepend(out, others));
            return out.get(JAVA_LONG, 0);
        }
    }

    /** As {@link #result}, for 32 bits. */
    protected final int intResult(String function, Object... others) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            call(function, prepend(out, others));
            return out.get(JAVA_INT, 0);
        }
    }

    private static Object[] prepend(Object first, Object[] others) {
        Object[] all = new Object[others.length + 1];
        all[0] = first;
        System.arraycopy(others, 0, all, 1, others.length);
        return all;
    }
}
