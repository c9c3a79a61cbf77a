package org.segformer3d.data.weights;

import java.io.IOException;
import java.util.List;

/** The element type of a pickled NumPy array: a code such as {@code f4}, and a byte order that follows in the state. */
final class NumpyType {
    private final String code;
    private boolean bigEndian;

    NumpyType(String code) {
        this.bigEndian = code.startsWith(">");
        this.code = code.matches("[<>=|].*") ? code.substring(1) : code;
    }

    String code() {
        return code;
    }

    boolean bigEndian() {
        return bigEndian;
    }

    /** Returns how elements are stored, or {@code null} when they are objects, texts or records. */
    ElementType element() {
        return ElementType.ofNumpy(code);
    }

    /** Takes the tuple {@code (version, byte order, …)}. */
    void setState(PickleCalls calls, Object state) throws IOException {
        if (!(state instanceof List<?> parts) || parts.size() < 2 || !(parts.get(1) instanceof String order)) {
            throw calls.corrupt("an array type without a byte order");
        }
        bigEndian = order.equals(">");
    }
}
