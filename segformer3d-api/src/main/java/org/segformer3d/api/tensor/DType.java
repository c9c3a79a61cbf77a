package org.segformer3d.api.tensor;

/** The element type of a {@link HostTensor} or {@link Tensor}. */
public enum DType {
    /** IEEE 754 double precision, 8 bytes. */
    FLOAT64(8, true),
    /** IEEE 754 single precision, 4 bytes. */
    FLOAT32(4, true),
    /** IEEE 754 half precision, 2 bytes. */
    FLOAT16(2, true),
    /** The upper half of a float32, 2 bytes. */
    BFLOAT16(2, true),
    /** Signed 64-bit integer. */
    INT64(8, false),
    /** Signed 32-bit integer. */
    INT32(4, false),
    /** Signed 16-bit integer. */
    INT16(2, false),
    /** Signed 8-bit integer. */
    INT8(1, false),
    /** Unsigned 8-bit integer. */
    UINT8(1, false),
    /** One byte, zero is false. */
    BOOL(1, false);

    private final int bytes;
    private final boolean floating;

    DType(int bytes, boolean floating) {
        this.bytes = bytes;
        this.floating = floating;
    }

    /** Returns the size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    /** Returns whether this is a floating-point type. */
    public boolean isFloating() {
        return floating;
    }
}
