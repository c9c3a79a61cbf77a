package org.segformer3d.backend.onnxruntime;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** A set of tensors that are closed together. */
final class OnnxRuntimeScope implements Scope {
    private final OnnxRuntimeBackend backend;
    private final Set<OnnxRuntimeTensor> owned = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean closed;

    OnnxRuntimeScope(OnnxRuntimeBackend backend) {
        this.backend = backend;
    }

    @Override
    public Tensor tensor(HostTensor host) {
        requireOpen();
        return own(host.dtype().isFloating() ? copyAsFloats(host) : host.copy());
    }

    private static HostTensor copyAsFloats(HostTensor host) {
        HostTensor floats = host.toFloat32();
        // A conversion is a copy already.
        return floats == host ? host.copy() : floats;
    }

    /** Makes a tensor of an array that nothing else writes to from now on. */
    OnnxRuntimeTensor own(HostTensor host) {
        OnnxRuntimeTensor tensor = new OnnxRuntimeTensor(this, host);
        add(tensor);
        return tensor;
    }

    synchronized void add(OnnxRuntimeTensor tensor) {
        requireOpen();
        owned.add(tensor);
    }

    synchronized void remove(OnnxRuntimeTensor tensor) {
        owned.remove(tensor);
    }

    OnnxRuntimeBackend backend() {
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
        List<OnnxRuntimeTensor> last;
        synchronized (this) {
            closed = true;
            last = new ArrayList<>(owned);
            owned.clear();
        }
        last.forEach(OnnxRuntimeTensor::close);
    }
}
