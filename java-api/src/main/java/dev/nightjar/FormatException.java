package dev.nightjar;

/** A file, folder or stream does not hold what it should; the message names the file, the place in it and what was expected. */
public class FormatException extends NightjarException {
    private static final long serialVersionUID = 1L;

    private final String source;

    /**
     * @param source the file (with the line, tensor or key where that is known), as it should be shown
     * @param problem what was found and what was expected
     */
    public FormatException(String source, String problem) {
        this(source, problem, null);
    }

    public FormatException(String source, String problem, Throwable cause) {
        super(source + ": " + problem, cause);
        this.source = source;
    }

    /** The file, and where known the place in it, that could not be read. */
    public String source() {
        return source;
    }
}
