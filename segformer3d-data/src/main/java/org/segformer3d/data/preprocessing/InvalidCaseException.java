package org.segformer3d.data.preprocessing;

/** A case that cannot be used; the message is one line that names the case, what was found and what was expected. */
public class InvalidCaseException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    /** Creates an exception about one case. */
    public InvalidCaseException(String caseName, String problem) {
        super(caseName + ": " + problem);
    }
}
