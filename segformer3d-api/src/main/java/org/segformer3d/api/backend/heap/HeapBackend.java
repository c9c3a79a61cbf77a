package org.segformer3d.api.backend.heap;

import java.nio.FloatBuffer;
import java.util.Objects;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
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

    /** Zero-pads or crops float32 (B,C,D,H,W) at the far end of each axis. */
    protected static HostTensor canvas(HostTensor input, Grid size) {
        long[] shape = input.shape();
        Grid from = Grid.of(shape);
        int maps = Math.toIntExact(shape[0] * shape[1]);
        FloatBuffer source = input.floatBuffer();
        HostTensor resized =
                HostTensor.zeros(DType.FLOAT32, shape[0], shape[1], size.depth(), size.height(), size.width());
        FloatBuffer target = resized.floatBuffer();
        int width = Math.min(from.width(), size.width());
        for (int map = 0; map < maps; map++) {
            for (int d = 0; d < Math.min(from.depth(), size.depth()); d++) {
                for (int h = 0; h < Math.min(from.height(), size.height()); h++) {
                    target.put(
                            ((map * size.depth() + d) * size.height() + h) * size.width(),
                            source,
                            ((map * from.depth() + d) * from.height() + h) * from.width(),
                            width);
                }
            }
        }
        return resized;
    }
}
