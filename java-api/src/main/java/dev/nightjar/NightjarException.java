package dev.nightjar;

/** The root of everything Nightjar throws by itself; unchecked, with a message that names what was wrong and what was expected. */
public class NightjarException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public NightjarException(String message) {
        super(message);
    }

    public NightjarException(String message, Throwable cause) {
        super(message, cause);
    }
}
