package dev.nightjar;

/** A backend or native library that was asked for by name cannot be used here; the message and cause say why. */
public class UnavailableException extends NightjarException {
    private static final long serialVersionUID = 1L;

    public UnavailableException(String message) {
        super(message);
    }

    public UnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
