package org.segformer3d.data.io;

import java.nio.file.Path;

/** A sound file of a kind, or with a feature, that isn't read here. */
public final class UnsupportedFileException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    /**
     * Creates an exception.
     *
     * @param problem what was found, what is read instead, and what to do
     */
    public UnsupportedFileException(String file, String problem) {
        super(file, problem);
    }

    /** Creates an exception. */
    public UnsupportedFileException(Path file, String problem) {
        super(file, problem);
    }
}
