package org.segformer3d.server.job;

import java.util.Objects;

/**
 * Why a request can't be answered as it wished.
 *
 * @param status HTTP status, 400 to 599
 * @param code a word for programs, for example {@code queue_full}
 * @param message one line for people: what was found, what was expected, what to do
 */
public record Problem(int status, String code, String message) {
    /** Validates. */
    public Problem {
        Objects.requireNonNull(code, "code");
        if (status < 400 || status > 599) {
            throw new IllegalArgumentException("status: found " + status + ", expected 400 to 599");
        }
        message = message.strip().replaceAll("\\s*\\R+\\s*", "; ");
    }

    /** Returns this as an exception. */
    public ProblemException exception() {
        return new ProblemException(this);
    }
}
