package org.segformer3d.api.tensor;

/**
 * Owner of native memory: closes every tensor made in it when it is closed.
 *
 * <pre>{@code
 * try (Scope scope = backend.newScope()) {
 *     Tensor logits = model.forward(scope, scope.tensor(input));
 *     return logits.toHost();
 * }
 * }</pre>
 *
 * <p>A scope is used by one thread at a time. Using a closed scope throws {@link IllegalStateException}; closing twice is allowed.
 */
public interface Scope extends AutoCloseable {
    /**
     * Copies a host array into the backend.
     *
     * @param host any element type; floating types are converted to the backend's compute type, integers keep theirs where the
     *     backend has it and are converted to the compute type otherwise
     * @return a tensor owned by this scope
     */
    Tensor tensor(HostTensor host);

    /** Returns whether this scope was closed. */
    boolean isClosed();

    /** Closes every tensor this scope still owns. Has no effect on a closed scope. */
    @Override
    void close();
}
