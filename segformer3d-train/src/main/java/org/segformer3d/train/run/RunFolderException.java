package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Path;

/** A run folder that can't be used for what was asked; the message is one line with the folder and what to do. */
public final class RunFolderException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception about a folder. */
    public RunFolderException(Path folder, String problem) {
        super(folder + ": " + problem);
    }

    /** Creates an exception about a folder with what caused it. */
    public RunFolderException(Path folder, String problem, Throwable cause) {
        super(folder + ": " + problem, cause);
    }
}
