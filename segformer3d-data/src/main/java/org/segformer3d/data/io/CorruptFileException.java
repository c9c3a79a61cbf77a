package org.segformer3d.data.io;

import java.nio.file.Path;

/** A damaged, truncated or malformed file. */
public final class CorruptFileException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param problem what was found and what was expected, for example {@code checksum is 12…, expected 9f…; copy the file again}
     */
    public CorruptFileException(String file, String problem) {
        super(file, problem);
    }

    /** Creates an exception. */
    public CorruptFileException(Path file, String problem) {
        super(file, problem);
    }

    /** Creates an exception with what lies behind it. */
    public CorruptFileException(String file, String problem, Throwable cause) {
        super(file, problem);
        initCause(cause);
    }

    /** Creates an exception with what lies behind it. */
    public CorruptFileException(Path file, String problem, Throwable cause) {
        this(file.toString(), problem, cause);
    }
}
