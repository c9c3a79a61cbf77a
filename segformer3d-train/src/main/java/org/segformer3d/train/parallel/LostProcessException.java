package org.segformer3d.train.parallel;

import java.io.IOException;

/** Training on several processes can't go on, because one of them is gone or has failed; the message names it. */
public final class LostProcessException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception with a message for people. */
    public LostProcessException(String message) {
        super(message);
    }

    /** Creates an exception with a message for people and what it showed by. */
    public LostProcessException(String message, Throwable cause) {
        super(message, cause);
    }
}
