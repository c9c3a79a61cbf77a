package org.segformer3d.data.io;

import java.nio.file.Path;

/** A file in a version of our format that is no longer read. */
public final class TooOldFileException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    private final int found;
    private final int oldest;

    /**
     * Creates an exception.
     *
     * @param file the file
     * @param format name of the format, for example {@code bundle}
     * @param found the file's version
     * @param oldest the oldest version that is read
     */
    public TooOldFileException(Path file, String format, int found, int oldest) {
        super(
                file,
                format + " version " + found + " is too old: expected at least " + oldest
                        + "; convert it with the release that wrote it, or make it again");
        this.found = found;
        this.oldest = oldest;
    }

    /** Returns the file's version. */
    public int found() {
        return found;
    }

    /** Returns the oldest version that is read. */
    public int oldest() {
        return oldest;
    }
}
