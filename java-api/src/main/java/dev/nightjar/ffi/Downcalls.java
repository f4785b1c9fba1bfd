package dev.nightjar.ffi;

import dev.nightjar.NightjarException;
import java.util.function.IntFunction;

/** What happens when a call into native code fails: the one place where statuses become exceptions. */
public final class Downcalls {
    private Downcalls() {
    }

    /**
     * Throws unless a native function returned 0.
     *
     * @param call the function's name
     * @param text what the library calls a status
     * @throws NightjarException naming call, status and text
     */
    public static void check(String call, int status, IntFunction<String> text) {
        if (status != 0) {
            throw new NightjarException(call + " failed with status " + status + " (" + text.apply(status) + ")");
        }
    }

    /**
     * What to throw for something that {@link java.lang.invoke.MethodHandle#invokeExact} threw: an error or unchecked exception as it
     * is, anything else wrapped.
     */
    public static RuntimeException failure(String call, Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException e ? e : new NightjarException(call + " failed", thrown);
    }
}
