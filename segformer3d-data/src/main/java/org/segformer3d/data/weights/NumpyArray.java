package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** A pickled NumPy array, which the pickle makes empty first and fills afterwards. */
final class NumpyArray {
    private long[] shape;
    private NumpyType type;
    private boolean fortran;
    private byte[] raw;

    /** Takes the tuple {@code (version, shape, type, whether in Fortran order, bytes)}, in old files without the version. */
    void setState(PickleCalls calls, Object state) throws IOException {
        List<?> parts = state instanceof List<?> list ? list : List.of();
        int first = parts.size() == 5 ? 1 : 0;
        if (parts.size() < 4 || !(parts.get(first + 1) instanceof NumpyType elements)) {
            throw calls.corrupt("an array without shape, type and data");
        }
        set(
                calls,
                calls.numbers(parts.get(first)),
                elements,
                Boolean.TRUE.equals(parts.get(first + 2)),
                parts.get(first + 3));
    }

    void set(PickleCalls calls, long[] newShape, NumpyType newType, boolean newFortran, Object data)
            throws IOException {
        ElementType element = newType.element();
        byte[] bytes = calls.rawBytes(data);
        if (element != null) {
            long expected;
            try {
                expected = Math.multiplyExact(Shapes.elements(newShape), (long) element.bytes());
            } catch (ArithmeticException | IllegalArgumentException e) {
                throw calls.corrupt("an array of an impossible shape");
            }
            if (bytes == null || bytes.length != expected) {
                throw calls.corrupt("an array of shape " + Shapes.text(newShape) + " has "
                        + (bytes == null ? "no" : bytes.length) + " bytes, expected " + expected);
            }
        }
        shape = newShape;
        type = newType;
        fortran = newFortran;
        raw = bytes;
    }

    /** Returns why this array cannot become a tensor, or {@code null} when it can. */
    String obstacle() {
        if (type == null) {
            return "an array that is never filled";
        }
        ElementType element = type.element();
        if (element == null || element.dtype().isEmpty()) {
            return "an array of type '" + type.code() + "'";
        }
        return bytes() > Integer.MAX_VALUE ? "an array above 2 GiB" : null;
    }

    /** Returns the size of {@link #tensor} in bytes. */
    long bytes() {
        return Shapes.elements(shape) * type.element().dtype().orElseThrow().bytes();
    }

    /** Returns the values in C order; only when there is no {@link #obstacle}. */
    HostTensor tensor() {
        return StridedData.tensor(
                ByteBuffer.wrap(raw),
                type.element(),
                type.bigEndian(),
                0,
                shape,
                fortran ? StridedData.fortranStrides(shape) : StridedData.cStrides(shape));
    }
}
