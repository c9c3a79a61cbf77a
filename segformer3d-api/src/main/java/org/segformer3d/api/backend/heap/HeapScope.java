package org.segformer3d.api.backend.heap;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.segformer3d.api.tensor.Scope;

/** A set of tensors that are closed together. */
public abstract class HeapScope implements Scope {
    private final HeapBackend<?, ?> backend;
    private final Set<HeapTensor<?>> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean closed;

    /** Opens a scope. */
    protected HeapScope(HeapBackend<?, ?> backend) {
        this.backend = Objects.requireNonNull(backend, "backend");
    }

    HeapBackend<?, ?> backend() {
        return backend;
    }

    synchronized void add(HeapTensor<?> tensor) {
        requireOpen();
        owned.add(tensor);
    }

    synchronized void remove(HeapTensor<?> tensor) {
        owned.remove(tensor);
    }

    /**
     * Does nothing on an open scope.
     *
     * @throws IllegalStateException when it or its backend was closed
     */
    protected final synchronized void requireOpen() {
        backend.requireOpen();
        if (closed) {
            throw new IllegalStateException("the scope is closed");
        }
    }

    @Override
    public final synchronized boolean isClosed() {
        return closed;
    }

    @Override
    public final void close() {
        List<HeapTensor<?>> last;
        synchronized (this) {
            closed = true;
            last = new ArrayList<>(owned);
            owned.clear();
        }
        last.forEach(HeapTensor::close);
    }
}
