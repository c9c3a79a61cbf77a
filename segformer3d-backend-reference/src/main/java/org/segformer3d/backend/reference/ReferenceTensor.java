package org.segformer3d.backend.reference;

import java.nio.FloatBuffer;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** An array of doubles in C order with a shape; the only element type of this backend is float64. */
final class ReferenceTensor implements Tensor {
    private final ReferenceBackend backend;
    private final long[] shape;
    private volatile ReferenceScope owner;
    private volatile double[] data;

    ReferenceTensor(ReferenceScope owner, double[] data, long... shape) {
        if (Shapes.elements(shape) != data.length) {
            throw new IllegalArgumentException(
                    "shape " + Shapes.text(shape) + " doesn't hold " + data.length + " values");
        }
        this.backend = owner.backend();
        this.owner = owner;
        this.data = data;
        this.shape = shape.clone();
    }

    /** Returns the values themselves; callers must not write to them, except a BatchNorm to its running statistics. */
    double[] data() {
        double[] values = data;
        if (values == null) {
            throw new IllegalStateException("the tensor is closed");
        }
        return values;
    }

    ReferenceBackend backend() {
        return backend;
    }

    @Override
    public long[] shape() {
        data();
        return shape.clone();
    }

    @Override
    public DType dtype() {
        data();
        return DType.FLOAT64;
    }

    @Override
    public Device device() {
        data();
        return Device.CPU;
    }

    @Override
    public HostTensor toHost() {
        return HostTensor.of(data(), shape);
    }

    @Override
    public void copyTo(FloatBuffer target) {
        double[] values = data();
        if (target.remaining() < values.length) {
            throw new IllegalArgumentException(
                    "the buffer has room for " + target.remaining() + " elements, found " + values.length);
        }
        for (double value : values) {
            target.put((float) value);
        }
    }

    @Override
    public Tensor moveTo(Scope scope) {
        data();
        ReferenceScope next = backend.scope(scope);
        ReferenceScope previous = owner;
        if (next != previous) {
            next.add(this);
            owner = next;
            previous.remove(this);
        }
        return this;
    }

    @Override
    public boolean isClosed() {
        return data == null;
    }

    @Override
    public void close() {
        if (data != null) {
            data = null;
            owner.remove(this);
        }
    }
}
