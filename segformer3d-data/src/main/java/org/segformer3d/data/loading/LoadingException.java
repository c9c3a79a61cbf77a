package org.segformer3d.data.loading;

/** A case could not be loaded or used; the message is one line that names it and says why. */
public class LoadingException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String caseId;

    /** Creates an exception about one case. */
    public LoadingException(String caseId, Throwable cause) {
        super("case " + caseId + ": " + (cause.getMessage() == null ? cause.toString() : cause.getMessage()), cause);
        this.caseId = caseId;
    }

    /** Returns the id of the case. */
    public String caseId() {
        return caseId;
    }
}
