package org.segformer3d.data.weights;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** Brings strided elements of either byte order into C order and little-endian bytes. */
final class StridedData {
    private StridedData() {}

    /** Returns the strides of C order, in elements. */
    static long[] cStrides(long[] size) {
        long[] stride = new long[size.length];
        long step = 1;
        for (int axis = size.length - 1; axis >= 0; axis--) {
            stride[axis] = step;
            step *= Math.max(1, size[axis]);
        }
        return stride;
    }

    /** Returns the strides of Fortran order, in elements. */
    static long[] fortranStrides(long[] size) {
        long[] stride = new long[size.length];
        long step = 1;
        for (int axis = 0; axis < size.length; axis++) {
            stride[axis] = step;
            step *= Math.max(1, size[axis]);
        }
        return stride;
    }

    /** Returns whether elements with these strides lie in C order without gaps. */
    static boolean isContiguous(long[] size, long[] stride) {
        long step = 1;
        for (int axis = size.length - 1; axis >= 0; axis--) {
            if (size[axis] == 0) {
                return true;
            }
            if (size[axis] != 1 && stride[axis] != step) {
                return false;
            }
            step *= size[axis];
        }
        return true;
    }

    /**
     * Returns the largest position that a tensor reaches, counted from its first element; −1 when it is empty.
     *
     * @throws ArithmeticException when that is beyond 64 bits
     */
    static long lastPosition(long[] size, long[] stride) {
        long last = 0;
        boolean empty = false;
        for (int axis = 0; axis < size.length; axis++) {
            empty |= size[axis] == 0;
            last = Math.addExact(last, Math.multiplyExact(Math.max(0, size[axis] - 1), stride[axis]));
        }
        return empty ? -1 : last;
    }

    /**
     * Returns a tensor of elements in a buffer; without copying when they already lie as they should and fill the buffer.
     *
     * @param bytes the elements; the caller has checked that all positions are inside
     * @param type how they are stored; its {@link ElementType#dtype()} isn't empty
     * @param bigEndian whether an element's bytes are stored most significant first
     * @param offset the first element's position, in elements
     */
    static HostTensor tensor(
            ByteBuffer bytes, ElementType type, boolean bigEndian, long offset, long[] size, long[] stride) {
        DType dtype = type.dtype().orElseThrow();
        boolean swapped = bigEndian && type.bytes() > 1;
        boolean widened = type.bytes() != dtype.bytes();
        if (!swapped && !widened && isContiguous(size, stride)) {
            int length = Math.toIntExact(Shapes.elements(size) * type.bytes());
            if (length == 0) {
                return HostTensor.zeros(dtype, size);
            }
            int begin = Math.toIntExact(offset * type.bytes());
            if (length == bytes.capacity() && bytes.isDirect()) {
                return HostTensor.wrap(dtype, bytes.slice(0, length), size);
            }
            HostTensor copy = HostTensor.zeros(dtype, size);
            copy.bytes().put(bytes.slice(begin, length));
            return copy;
        }
        HostTensor tensor = HostTensor.zeros(dtype, size);
        gather(
                bytes.duplicate().order(bigEndian ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN),
                type,
                offset,
                size,
                stride,
                tensor.bytes());
        return tensor;
    }

    private static void gather(
            ByteBuffer from, ElementType type, long offset, long[] size, long[] stride, ByteBuffer to) {
        int rank = size.length;
        long[] index = new long[rank];
        long position = offset;
        while (to.hasRemaining()) {
            int at = (int) (position * type.bytes());
            if (type == ElementType.UINT16) {
                to.putInt(Short.toUnsignedInt(from.getShort(at)));
            } else if (type == ElementType.UINT32) {
                to.putLong(Integer.toUnsignedLong(from.getInt(at)));
            } else {
                switch (type.bytes()) {
                    case 1 -> to.put(from.get(at));
                    case 2 -> to.putShort(from.getShort(at));
                    case 4 -> to.putInt(from.getInt(at));
                    default -> to.putLong(from.getLong(at));
                }
            }
            for (int axis = rank - 1; axis >= 0; axis--) {
                position += stride[axis];
                if (++index[axis] < size[axis]) {
                    break;
                }
                position -= stride[axis] * size[axis];
                index[axis] = 0;
            }
        }
    }
}
