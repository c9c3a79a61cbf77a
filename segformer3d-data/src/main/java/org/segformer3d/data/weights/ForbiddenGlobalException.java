package org.segformer3d.data.weights;

import org.segformer3d.data.io.FileFormatException;

/** A pickle that asks for something beyond plain data; nothing of it was run. */
public final class ForbiddenGlobalException extends FileFormatException {
    private static final long serialVersionUID = 1L;

    private final String global;

    ForbiddenGlobalException(String file, String global) {
        super(
                file,
                "refused: its pickle asks for '" + global
                        + "', which is not among the harmless names that a file of tensors"
                        + " needs; nothing was run. If you trust the file's author, save the bare state_dict again or"
                        + " convert it to safetensors");
        this.global = global;
    }

    /** Returns what the pickle asks for, for example {@code posix.system}. */
    public String global() {
        return global;
    }
}
