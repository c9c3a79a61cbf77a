package org.segformer3d.api.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Objects;

/**
 * A dense array in the Java process: an element type, a shape with the slowest axis first, and little-endian bytes in C order.
 *
 * <p>A host tensor doesn't copy what it wraps and holds at most 2³¹−1 bytes. It needs no closing: its buffer belongs to the
 * Java heap or is a direct buffer that the collector frees.
 */
public final class HostTensor {
    private final DType dtype;
    private final long[] shape;
    private final ByteBuffer data;

    private HostTensor(DType dtype, long[] shape, ByteBuffer data) {
        this.dtype = dtype;
        this.shape = shape;
        this.data = data;
    }

    /**
     * Wraps bytes without copying them.
     *
     * @param dtype element type, never {@code null}
     * @param data little-endian elements in C order from position to limit, never {@code null}
     * @param shape sizes per axis
     * @throws IllegalArgumentException when the buffer's length doesn't fit the shape
     */
    public static HostTensor wrap(DType dtype, ByteBuffer data, long... shape) {
        Objects.requireNonNull(dtype, "dtype");
        long bytes = Math.multiplyExact(Shapes.elements(shape), (long) dtype.bytes());
        if (data.remaining() != bytes) {
            throw new IllegalArgumentException("shape " + Shapes.text(shape) + " of " + dtype + " needs " + bytes
                    + " bytes, found " + data.remaining());
        }
        return new HostTensor(dtype, shape.clone(), data.slice().order(ByteOrder.LITTLE_ENDIAN));
    }

    /**
     * Returns a zero-filled tensor in a direct buffer.
     *
     * @throws IllegalArgumentException when it would exceed 2³¹−1 bytes
     */
    public static HostTensor zeros(DType dtype, long... shape) {
        long bytes = Math.multiplyExact(Shapes.elements(shape), (long) dtype.bytes());
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("a host tensor holds at most 2 GiB; " + Shapes.text(shape) + " of "
                    + dtype + " needs " + bytes + " bytes");
        }
        return wrap(dtype, ByteBuffer.allocateDirect((int) bytes), shape);
    }

    /** Returns a float32 tensor with a copy of the values. */
    public static HostTensor of(float[] values, long... shape) {
        HostTensor tensor = zerosFor(values.length, DType.FLOAT32, shape);
        tensor.floatBuffer().put(values);
        return tensor;
    }

    /** Returns a float64 tensor with a copy of the values. */
    public static HostTensor of(double[] values, long... shape) {
        HostTensor tensor = zerosFor(values.length, DType.FLOAT64, shape);
        tensor.bytes().asDoubleBuffer().put(values);
        return tensor;
    }

    /** Returns a uint8 tensor with a copy of the values. */
    public static HostTensor of(byte[] values, long... shape) {
        HostTensor tensor = zerosFor(values.length, DType.UINT8, shape);
        tensor.bytes().put(values);
        return tensor;
    }

    /** Returns an int64 tensor with a copy of the values. */
    public static HostTensor of(long[] values, long... shape) {
        HostTensor tensor = zerosFor(values.length, DType.INT64, shape);
        tensor.bytes().asLongBuffer().put(values);
        return tensor;
    }

    private static HostTensor zerosFor(int length, DType dtype, long... shape) {
        if (Shapes.elements(shape) != length) {
            throw new IllegalArgumentException("shape " + Shapes.text(shape) + " doesn't hold " + length + " values");
        }
        return zeros(dtype, shape);
    }

    /** Returns the element type. */
    public DType dtype() {
        return dtype;
    }

    /** Returns a copy of the shape. */
    public long[] shape() {
        return shape.clone();
    }

    /** Returns the number of axes. */
    public int rank() {
        return shape.length;
    }

    /** Returns the size of one axis. */
    public long size(int axis) {
        return shape[axis];
    }

    /** Returns the number of elements. */
    public long elements() {
        return Shapes.elements(shape);
    }

    /** Returns the bytes, little-endian, from 0 to limit; writes go through to this tensor. */
    public ByteBuffer bytes() {
        return data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Returns a view of the values of a float32 tensor; writes go through.
     *
     * @throws IllegalStateException when the type isn't float32
     */
    public FloatBuffer floatBuffer() {
        if (dtype != DType.FLOAT32) {
            throw new IllegalStateException("expected a FLOAT32 tensor, found " + dtype);
        }
        return bytes().asFloatBuffer();
    }

    /** Returns a view of the same data with another shape of equally many elements. */
    public HostTensor reshape(long... newShape) {
        if (Shapes.elements(newShape) != elements()) {
            throw new IllegalArgumentException("cannot view " + Shapes.text(shape) + " as " + Shapes.text(newShape));
        }
        return new HostTensor(dtype, newShape.clone(), data);
    }

    /**
     * Returns one element as double.
     *
     * @param index position in C order
     */
    public double get(int index) {
        return switch (dtype) {
            case FLOAT64 -> data.getDouble(index * 8);
            case FLOAT32 -> data.getFloat(index * 4);
            case FLOAT16 -> halfToFloat(data.getShort(index * 2));
            case BFLOAT16 -> Float.intBitsToFloat(data.getShort(index * 2) << 16);
            case INT64 -> data.getLong(index * 8);
            case INT32 -> data.getInt(index * 4);
            case INT16 -> data.getShort(index * 2);
            case INT8 -> data.get(index);
            case UINT8 -> data.get(index) & 0xff;
            case BOOL -> data.get(index) == 0 ? 0 : 1;
        };
    }

    /** Returns all values as a new {@code double[]}. */
    public double[] toDoubles() {
        double[] values = new double[Math.toIntExact(elements())];
        if (dtype == DType.FLOAT64) {
            bytes().asDoubleBuffer().get(values);
        } else if (dtype == DType.FLOAT32) {
            // all at once: element by element, a network's weights take a tenth of a second
            float[] floats = toFloats();
            for (int i = 0; i < values.length; i++) {
                values[i] = floats[i];
            }
        } else {
            for (int i = 0; i < values.length; i++) {
                values[i] = get(i);
            }
        }
        return values;
    }

    /** Returns all values as a new {@code float[]}, rounded where the type is wider. */
    public float[] toFloats() {
        float[] values = new float[Math.toIntExact(elements())];
        if (dtype == DType.FLOAT32) {
            floatBuffer().get(values);
        } else {
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) get(i);
            }
        }
        return values;
    }

    /** Returns this tensor as float32: itself when it already is. */
    public HostTensor toFloat32() {
        return dtype == DType.FLOAT32 ? this : of(toFloats(), shape);
    }

    /** Returns this tensor as float64: itself when it already is. */
    public HostTensor toFloat64() {
        return dtype == DType.FLOAT64 ? this : of(toDoubles(), shape);
    }

    /** Returns an independent copy. */
    public HostTensor copy() {
        HostTensor copy = zeros(dtype, shape);
        copy.bytes().put(bytes());
        return copy;
    }

    private static float halfToFloat(short half) {
        int sign = half >> 15 & 1;
        int exponent = half >> 10 & 0x1f;
        int mantissa = half & 0x3ff;
        float magnitude;
        if (exponent == 0) {
            magnitude = mantissa * 0x1p-24f;
        } else if (exponent == 31) {
            magnitude = mantissa == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else {
            magnitude = Math.scalb(1 + mantissa * 0x1p-10f, exponent - 15);
        }
        return sign == 0 ? magnitude : -magnitude;
    }

    /** Two host tensors are equal when type, shape and bytes are. */
    @Override
    public boolean equals(Object other) {
        return other instanceof HostTensor that
                && dtype == that.dtype
                && Arrays.equals(shape, that.shape)
                && bytes().equals(that.bytes());
    }

    @Override
    public int hashCode() {
        return 31 * dtype.hashCode() + Arrays.hashCode(shape);
    }

    @Override
    public String toString() {
        return dtype + " " + Shapes.text(shape);
    }
}
