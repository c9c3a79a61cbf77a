package org.segformer3d.backend.onnxruntime;

import java.nio.FloatBuffer;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** An array in the Java process: float32, or integers as they came. */
final class OnnxRuntimeTensor implements Tensor {
    private final OnnxRuntimeBackend backend;
    private volatile OnnxRuntimeScope owner;
    private volatile HostTensor host;

    OnnxRuntimeTensor(OnnxRuntimeScope owner, HostTensor host) {
        this.backend = owner.backend();
        this.owner = owner;
        this.host = host;
    }

    OnnxRuntimeBackend backend() {
        return backend;
    }

    /** Returns the array itself; callers must not write to it. */
    HostTensor host() {
        HostTensor open = host;
        if (open == null) {
            throw new IllegalStateException("the tensor is closed");
        }
        return open;
    }

    @Override
    public long[] shape() {
        return host().shape();
    }

    @Override
    public DType dtype() {
        return host().dtype();
    }

    @Override
    public Device device() {
        host();
        return Device.CPU;
    }

    @Override
    public HostTensor toHost() {
        return host().copy();
    }

    @Override
    public void copyTo(FloatBuffer target) {
        float[] values = host().toFloats();
        if (target.remaining() < values.length) {
            throw new IllegalArgumentException(
                    "the buffer has room for " + target.remaining() + " elements, found " + values.length);
        }
        target.put(values);
    }

    @Override
    public Tensor moveTo(Scope scope) {
        host();
        OnnxRuntimeScope next = backend.scope(scope);
        OnnxRuntimeScope previous = owner;
        if (next != previous) {
            next.add(this);
            owner = next;
            previous.remove(this);
        }
        return this;
    }

    @Override
    public boolean isClosed() {
        return host == null;
    }

    @Override
    public void close() {
        if (host != null) {
            host = null;
            owner.remove(this);
        }
    }
}
