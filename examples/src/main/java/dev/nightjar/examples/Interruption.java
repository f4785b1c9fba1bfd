package dev.nightjar.examples;

import java.util.concurrent.CountDownLatch;

/**
 * Lets Ctrl-C (SIGINT, SIGTERM) end a piece of work in good order: the JVM asks the work to stop and waits until the command has ended.
 * The exit code is then the JVM's, 130 for SIGINT.
 */
final class Interruption implements AutoCloseable {
    private static final CountDownLatch COMMAND_ENDED = new CountDownLatch(1);

    private final Thread hook;

    /** @param stop asks the work to end soon; called on another thread */
    Interruption(Runnable stop) {
        hook = new Thread(() -> {
            stop.run();
            try {
                COMMAND_ENDED.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "nightjar-interruption");
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Lets a JVM that waits end: everything is written and said. */
    static void commandEnded() {
        COMMAND_ENDED.countDown();
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is already waiting for the command to end.
        }
    }
}
