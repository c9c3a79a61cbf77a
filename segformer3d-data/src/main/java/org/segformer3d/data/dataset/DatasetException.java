package org.segformer3d.data.dataset;

import java.nio.file.Path;
import org.segformer3d.data.io.FileFormatException;

/** A data set that cannot be used; the message is one line naming the file or folder, what was looked for and what was found. */
public class DatasetException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception about one file or folder. */
    public DatasetException(Path where, String problem) {
        super(where, problem);
    }

    /** Creates an exception about one file or folder with its cause. */
    public DatasetException(Path where, String problem, Throwable cause) {
        super(where, problem);
        initCause(cause);
    }
}
