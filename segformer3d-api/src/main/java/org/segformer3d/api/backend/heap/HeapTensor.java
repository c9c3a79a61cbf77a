package org.segformer3d.api.backend.heap;

import java.nio.FloatBuffer;
import java.util.Objects;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * A tensor whose values are in the Java process; closing it lets go of them.
 *
 * @param <V> how they are kept
 */
public abstract class HeapTensor<V> implements Tensor {
    private final HeapBackend<?, ?> backend;
    private volatile HeapScope owner;
    private volatile V values;

    /**
     * Makes a tensor that a scope owns.
     *
     * @param owner an open scope
     * @param values that nothing else writes to from now on
     */
    protected HeapTensor(HeapScope owner, V values) {
        this.backend = owner.backend();
        this.owner = owner;
        this.values = Objects.requireNonNull(values, "values");
        owner.add(this);
    }

    HeapBackend<?, ?> backend() {
        return backend;
    }

    /**
     * Returns the values themselves.
     *
     * @throws IllegalStateException when the tensor was closed
     */
    protected final V values() {
        V open = values;
        if (open == null) {
            throw new IllegalStateException("the tensor is closed");
        }
        return open;
    }

    /** Checks that a buffer has room for all values. */
    protected static void requireRoom(FloatBuffer target, int count) {
        if (target.remaining() < count) {
            throw new IllegalArgumentException(
                    "the buffer has room for " + target.remaining() + " elements, found " + count);
        }
    }

    @Override
    public final Device device() {
        values();
        return Device.CPU;
    }

    @Override
    public final Tensor moveTo(Scope scope) {
        values();
        HeapScope next = backend.scope(scope);
        HeapScope previous = owner;
        if (next != previous) {
            next.add(this);
            owner = next;
            previous.remove(this);
        }
        return this;
    }

    @Override
    public final boolean isClosed() {
        return values == null;
    }

    @Override
    public final void close() {
        if (values != null) {
            values = null;
            owner.remove(this);
        }
    }
}
