package org.segformer3d.data.labels;

/** A label volume holds a value that no region knows; the message is one line that names the volume, the value and the known ones. */
public class UnknownLabelException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message for the user. */
    public UnknownLabelException(String message) {
        super(message);
    }
}
