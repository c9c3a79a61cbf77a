package org.segformer3d.backend.reference;

import java.nio.FloatBuffer;
import org.segformer3d.api.backend.heap.HeapTensor;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** An array of doubles in C order with a shape; the only element type of this backend is float64. */
final class ReferenceTensor extends HeapTensor<double[]> {
    private final long[] shape;

    ReferenceTensor(ReferenceScope owner, double[] data, long... shape) {
        super(owner, checked(data, shape));
        this.shape = shape.clone();
    }

    private static double[] checked(double[] data, long... shape) {
        if (Shapes.elements(shape) != data.length) {
            throw new IllegalArgumentException(
                    "shape " + Shapes.text(shape) + " doesn't hold " + data.length + " values");
        }
        return data;
    }

    /** Returns the values themselves; callers must not write to them, except a BatchNorm to its running statistics. */
    double[] data() {
        return values();
    }

    @Override
    public long[] shape() {
        values();
        return shape.clone();
    }

    @Override
    public DType dtype() {
        values();
        return DType.FLOAT64;
    }

    @Override
    public HostTensor toHost() {
        return HostTensor.of(values(), shape);
    }

    @Override
    public void copyTo(FloatBuffer target) {
        double[] doubles = values();
        requireRoom(target, doubles.length);
        for (double value : doubles) {
            target.put((float) value);
        }
    }
}
