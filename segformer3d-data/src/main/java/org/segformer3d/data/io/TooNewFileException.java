package org.segformer3d.data.io;

import java.nio.file.Path;

/** A file in a version of our format that this release doesn't know yet. */
public final class TooNewFileException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    private final int found;
    private final int newest;

    /**
     * Creates an exception.
     *
     * @param file the file
     * @param format name of the format, for example {@code bundle}
     * @param found the file's version
     * @param newest the newest version that is read
     */
    public TooNewFileException(Path file, String format, int found, int newest) {
        super(
                file,
                format + " version " + found + " is too new: expected at most " + newest
                        + "; update SegFormer3D for Java");
        this.found = found;
        this.newest = newest;
    }

    /** Returns the file's version. */
    public int found() {
        return found;
    }

    /** Returns the newest version that is read. */
    public int newest() {
        return newest;
    }
}
