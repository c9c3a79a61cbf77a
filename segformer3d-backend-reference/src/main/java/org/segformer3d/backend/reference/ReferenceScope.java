package org.segformer3d.backend.reference;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** A set of tensors that are closed together. */
final class ReferenceScope implements Scope {
    private final ReferenceBackend backend;
    private final Set<ReferenceTensor> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean closed;

    ReferenceScope(ReferenceBackend backend) {
        this.backend = backend;
    }

    @Override
    public Tensor tensor(HostTensor host) {
        requireOpen();
        return own(host.toDoubles(), host.shape());
    }

    /** Makes a tensor of an array that nothing else writes to from now on. */
    ReferenceTensor own(double[] data, long... shape) {
        ReferenceTensor tensor = new ReferenceTensor(this, data, shape);
        add(tensor);
        return tensor;
    }

    synchronized void add(ReferenceTensor tensor) {
        requireOpen();
        owned.add(tensor);
    }

    synchronized void remove(ReferenceTensor tensor) {
        owned.remove(tensor);
    }

    ReferenceBackend backend() {
        return backend;
    }

    /** Throws {@link IllegalStateException} when the scope or its backend was closed. */
    synchronized void requireOpen() {
        backend.requireOpen();
        if (closed) {
            throw new IllegalStateException("the scope is closed");
        }
    }

    @Override
    public synchronized boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        List<ReferenceTensor> last;
        synchronized (this) {
            closed = true;
            last = new ArrayList<>(owned);
            owned.clear();
        }
        last.forEach(ReferenceTensor::close);
    }
}
