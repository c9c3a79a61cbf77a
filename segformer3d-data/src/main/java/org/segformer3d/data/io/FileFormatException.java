package org.segformer3d.data.io;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Objects;

/**
 * A file whose content cannot be used; the message is one line that starts with the file and says what was found and what was expected.
 *
 * <p>Subclasses tell the reasons apart: damaged ({@link CorruptFileException}), written by a version no longer read
 * ({@link TooOldFileException}), written by a later version ({@link TooNewFileException}), sound but of a kind that isn't read
 * ({@link UnsupportedFileException}).
 */
public abstract class FileFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String file;

    /**
     * Creates an exception about a file.
     *
     * @param file the file, as the user should see it, never {@code null}
     * @param problem what was found and what was expected; line breaks and control characters in it are replaced
     */
    protected FileFormatException(String file, String problem) {
        super(oneLine(Objects.requireNonNull(file, "file") + ": " + problem));
        this.file = file;
    }

    /** Creates an exception about a file. */
    protected FileFormatException(Path file, String problem) {
        this(Objects.requireNonNull(file, "file").toString(), problem);
    }

    /** Returns the file, as it was named to the reader. */
    public String file() {
        return file;
    }

    /** Names out of a hostile file end up in messages, so they must not be able to forge further lines of a log. */
    private static String oneLine(String text) {
        StringBuilder line = new StringBuilder(text.length());
        text.codePoints().forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? '\ufffd' : c));
        return line.toString();
    }
}
