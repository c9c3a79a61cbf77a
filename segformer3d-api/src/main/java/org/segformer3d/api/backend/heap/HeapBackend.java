package org.segformer3d.api.backend.heap;

import java.util.Objects;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * A backend whose tensors are arrays of the Java process.
 *
 * @param <S> its scopes
 * @param <T> its tensors
 */
public abstract class HeapBackend<S extends HeapScope, T extends HeapTensor<?>> implements Backend {
    private final BackendOptions options;
    private final Class<S> scopes;
    private final Class<T> tensors;
    private volatile boolean closed;

    /**
     * Opens the backend.
     *
     * @param options what it was opened with, never {@code null}
     * @param scopes the class of its scopes
     * @param tensors the class of its tensors
     */
    protected HeapBackend(BackendOptions options, Class<S> scopes, Class<T> tensors) {
        this.options = Objects.requireNonNull(options, "options");
        this.scopes = Objects.requireNonNull(scopes, "scopes");
        this.tensors = Objects.requireNonNull(tensors, "tensors");
    }

    @Override
    public final BackendOptions options() {
        return options;
    }

    @Override
    public abstract S newScope();

    @Override
    public final boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
    }

    /**
     * Does nothing on an open backend.
     *
     * @throws IllegalStateException when it was closed
     */
    public final void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the backend is closed");
        }
    }

    /**
     * Returns an open scope of this backend.
     *
     * @throws IllegalStateException when it was closed
     * @throws IllegalArgumentException when it belongs to another backend
     */
    public final S scope(Scope scope) {
        Objects.requireNonNull(scope, "scope");
        if (!scopes.isInstance(scope) || scopes.cast(scope).backend() != this) {
            throw new IllegalArgumentException("the scope belongs to another backend");
        }
        S own = scopes.cast(scope);
        own.requireOpen();
        return own;
    }

    /**
     * Returns an open tensor of this backend.
     *
     * @throws IllegalStateException when it was closed
     * @throws IllegalArgumentException when it belongs to another backend
     */
    public final T tensor(Tensor tensor) {
        Objects.requireNonNull(tensor, "tensor");
        if (!tensors.isInstance(tensor) || tensors.cast(tensor).backend() != this) {
            throw new IllegalArgumentException("the tensor belongs to another backend");
        }
        T own = tensors.cast(tensor);
        own.values();
        return own;
    }
}
