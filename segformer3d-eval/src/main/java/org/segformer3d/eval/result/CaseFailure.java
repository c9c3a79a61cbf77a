package org.segformer3d.eval.result;

import java.util.Objects;

/**
 * A case that couldn't be done, while others could.
 *
 * @param id the case
 * @param reason one line: what was found and what was expected
 */
public record CaseFailure(String id, String reason) {
    /** Validates. */
    public CaseFailure {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(reason, "reason");
    }

    /**
     * Returns the failure for an exception: its message, or its kind where it has none, and where it isn't one that is meant for users.
     */
    public static CaseFailure of(String id, Throwable cause) {
        String message = cause.getMessage();
        boolean forUsers = cause instanceof java.io.IOException
                || cause instanceof IllegalArgumentException
                || cause instanceof IllegalStateException;
        String text = message == null || message.isBlank()
                ? cause.getClass().getName()
                : forUsers ? message : cause.getClass().getSimpleName() + ": " + message;
        return new CaseFailure(id, text.strip().replaceAll("\\R+", " "));
    }
}
