package dev.nightjar;

import java.util.ArrayDeque;
import java.util.Deque;

/** Closes what was made so far when making the whole fails halfway: latest first, unless {@link #keep()} was reached. */
final class Cleanup implements AutoCloseable {
    private final Deque<AutoCloseable> resources = new ArrayDeque<>();

    <T extends AutoCloseable> T add(T resource) {
        resources.push(resource);
        return resource;
    }

    /** The whole owns its parts now. */
    void keep() {
        resources.clear();
    }

    @Override
    public void close() {
        while (!resources.isEmpty()) {
            try {
                resources.pop().close();
            } catch (Exception e) {
                throw new NightjarException("could not be released", e);
            }
        }
    }
}
