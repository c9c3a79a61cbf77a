package org.segformer3d.api.backend;

/** A backend that can't be found, opened or used as asked; the message is one line that says what there is instead. */
public class BackendException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message for the user. */
    public BackendException(String message) {
        super(message);
    }

    /** Creates an exception with a message for the user and what caused it. */
    public BackendException(String message, Throwable cause) {
        super(message, cause);
    }
}
