package org.segformer3d.data.volume;

import java.nio.file.Path;
import org.segformer3d.data.io.FileFormatException;

/** A file that cannot be read as an image or array; the message is one line naming the file, what was found and what was expected. */
public class VolumeFormatException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception about one file. */
    public VolumeFormatException(Path file, String problem) {
        super(file, problem);
    }

    /** Creates an exception about one file with its cause. */
    public VolumeFormatException(Path file, String problem, Throwable cause) {
        super(file, problem);
        initCause(cause);
    }
}
