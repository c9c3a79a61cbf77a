package org.segformer3d.api.backend;

import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;

/** A backend that computes gradients of whatever is written in its operations. */
public interface DifferentiableBackend extends Backend {
    /**
     * Starts recording operations.
     *
     * @param pass what the operations belong to, never {@code null}
     * @return an empty tape, to be closed
     */
    Tape newTape(Pass pass);
}
