package org.segformer3d.server.job;

/** Ends a request with a problem that its client is told. */
public final class ProblemException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Problem problem;

    /** Creates an exception. */
    public ProblemException(Problem problem) {
        super(problem.message());
        this.problem = problem;
    }

    /** Creates an exception. */
    public ProblemException(int status, String code, String message) {
        this(new Problem(status, code, message));
    }

    /** Returns the problem. */
    public Problem problem() {
        return problem;
    }
}
