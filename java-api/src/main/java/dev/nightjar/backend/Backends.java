package dev.nightjar.backend;

import dev.nightjar.backend.reference.ReferenceBackend;

/** Which backends there are and which one to use. */
public final class Backends {
    private Backends() {
    }

    /** Opens a backend by name, or for {@code auto} the fastest that is available. */
    public static Backend open(String name) {
        return switch (name) {
            case "auto", "reference" -> new ReferenceBackend();
            default -> throw new IllegalArgumentException("there is no backend \"" + name + "\"");
        };
    }
}
