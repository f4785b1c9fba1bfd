package dev.nightjar;

/** Two threads used at the same time what belongs to one; the message names what. */
public class ConcurrentUseException extends NightjarException {
    private static final long serialVersionUID = 1L;

    public ConcurrentUseException(String message) {
        super(message);
    }
}
