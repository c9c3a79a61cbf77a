package org.segformer3d.data.nifti;

import java.util.Optional;
import org.segformer3d.data.volume.VoxelType;

/** How a NIfTI file stores a voxel: the values of the header field {@code datatype}. */
public enum NiftiType {
    /** Unsigned 8-bit integer. */
    UINT8(2, 1, true, "uint8"),
    /** Signed 16-bit integer. */
    INT16(4, 2, true, "int16"),
    /** Signed 32-bit integer. */
    INT32(8, 4, true, "int32"),
    /** Single precision. */
    FLOAT32(16, 4, true, "float32"),
    /** Two float32, real and imaginary. */
    COMPLEX64(32, 8, false, "complex64"),
    /** Double precision. */
    FLOAT64(64, 8, true, "float64"),
    /** Three bytes of colour. */
    RGB24(128, 3, false, "RGB24"),
    /** Signed 8-bit integer. */
    INT8(256, 1, true, "int8"),
    /** Unsigned 16-bit integer. */
    UINT16(512, 2, true, "uint16"),
    /** Unsigned 32-bit integer. */
    UINT32(768, 4, true, "uint32"),
    /** Signed 64-bit integer. */
    INT64(1024, 8, true, "int64"),
    /** Unsigned 64-bit integer. */
    UINT64(1280, 8, true, "uint64"),
    /** Extended precision. */
    FLOAT128(1536, 16, false, "float128"),
    /** Two float64, real and imaginary. */
    COMPLEX128(1792, 16, false, "complex128"),
    /** Two float128, real and imaginary. */
    COMPLEX256(2048, 32, false, "complex256"),
    /** Four bytes of colour and opacity. */
    RGBA32(2304, 4, false, "RGBA32"),
    /** One bit. */
    BINARY(1, 0, false, "binary (1 bit)"),
    /** Not stated. */
    UNKNOWN(0, 0, false, "unknown (code 0)");

    private final int code;
    private final int bytes;
    private final boolean scalar;
    private final String text;

    NiftiType(int code, int bytes, boolean scalar, String text) {
        this.code = code;
        this.bytes = bytes;
        this.scalar = scalar;
        this.text = text;
    }

    /** Returns the value of the header field {@code datatype}. */
    public int code() {
        return code;
    }

    /** Returns the bytes of one voxel. */
    public int bytes() {
        return bytes;
    }

    /** Returns the type as all formats know it; empty for what isn't a real number. */
    public Optional<VoxelType> voxelType() {
        return scalar ? Optional.of(VoxelType.valueOf(name())) : Optional.empty();
    }

    /** Returns the type that stores a real number in this way. */
    static NiftiType of(VoxelType type) {
        return valueOf(type.name());
    }

    /** Returns whether this is a real number, which is what can be read as a volume. */
    public boolean isScalar() {
        return scalar;
    }

    /** Returns the type with a code, or {@code null} when there is none. */
    static NiftiType ofCode(int code) {
        for (NiftiType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        return null;
    }

    /** Returns the name, for example {@code int16}. */
    @Override
    public String toString() {
        return text;
    }
}
