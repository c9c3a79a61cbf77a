package org.segformer3d.api.ops;

import java.util.List;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Records the operations of one pass and plays them backward: gradients of one result with respect to variables.
 *
 * <pre>{@code
 * try (Tape tape = backend.newTape(pass); Scope scope = backend.newScope()) {
 *     Tensor w = tape.variable(weight);
 *     Tensor loss = tape.ops().sum(tape.ops().linear(x, w, null), 0, 1);
 *     Tensor gradient = tape.gradients(scope, loss, null, List.of(w)).get(0);
 * }
 * }</pre>
 *
 * <p>What was recorded may be closed by whoever made it: a tape keeps by itself what it needs, until it is played or closed. A tape is
 * used by one thread at a time.
 */
public interface Tape extends AutoCloseable {
    /** Returns the operations that are recorded; their results belong to a scope that is closed with the tape. */
    Ops ops();

    /**
     * Makes a tensor that gradients can be asked for.
     *
     * @param value any tensor of the backend in its compute type; it isn't copied where the backend can do without
     * @return a tensor with the same values that belongs to the tape
     */
    Tensor variable(Tensor value);

    /**
     * Returns the gradients of Σ cotangent · output. A tape is played once, since it lets go of what it kept while it goes back.
     *
     * @param scope owner of the gradients
     * @param output a result of the recorded operations
     * @param cotangent of the output's shape, or {@code null} for 1, where the output has one element
     * @param variables made by this tape
     * @return for each variable a tensor of its shape; zeros where the output doesn't depend on it
     * @throws IllegalArgumentException when a variable is none of this tape's, or the cotangent's shape is another
     * @throws IllegalStateException when the tape was played or closed before
     */
    List<Tensor> gradients(Scope scope, Tensor output, Tensor cotangent, List<Tensor> variables);

    /** Lets go of everything recorded. Has no effect on a closed tape. */
    @Override
    void close();
}
