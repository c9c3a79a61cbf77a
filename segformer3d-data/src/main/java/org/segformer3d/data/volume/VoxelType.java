package org.segformer3d.data.volume;

import java.util.List;
import java.util.Optional;

/** How a file stores the real number of one voxel. */
public enum VoxelType {
    /** Unsigned 8-bit integer. */
    UINT8(1, 0, 0xff),
    /** Signed 8-bit integer. */
    INT8(1, Byte.MIN_VALUE, Byte.MAX_VALUE),
    /** Unsigned 16-bit integer. */
    UINT16(2, 0, 0xffff),
    /** Signed 16-bit integer. */
    INT16(2, Short.MIN_VALUE, Short.MAX_VALUE),
    /** Unsigned 32-bit integer. */
    UINT32(4, 0, 0xffffffffL),
    /** Signed 32-bit integer. */
    INT32(4, Integer.MIN_VALUE, Integer.MAX_VALUE),
    /** Unsigned 64-bit integer. */
    UINT64(8, 0, Long.MAX_VALUE),
    /** Signed 64-bit integer. */
    INT64(8, Long.MIN_VALUE, Long.MAX_VALUE),
    /** Single precision. */
    FLOAT32(4, -(1 << 24), 1 << 24),
    /** Double precision. */
    FLOAT64(8, -(1L << 53), 1L << 53);

    private final int bytes;
    private final long least;
    private final long most;

    VoxelType(int bytes, long least, long most) {
        this.bytes = bytes;
        this.least = least;
        this.most = most;
    }

    /** Returns the bytes of one voxel. */
    public int bytes() {
        return bytes;
    }

    /** Returns whether this is a type of integers. */
    public boolean isInteger() {
        return this != FLOAT32 && this != FLOAT64;
    }

    /** Returns whether a number can be stored: for integers, whether it is whole and not too large. */
    public boolean holds(double value) {
        return !isInteger() || value == Math.rint(value) && value >= least && (value <= most || this == UINT64);
    }

    /**
     * Returns the first of some types that holds every value exactly.
     *
     * @param labels whole numbers of magnitude up to 2²⁴
     * @param offered the types to choose from, the preferred ones first
     * @return empty when none of them does
     * @throws IllegalArgumentException when a value isn't a whole number or is larger
     */
    public static Optional<VoxelType> firstHolding(float[] labels, List<VoxelType> offered) {
        float min = 0;
        float max = 0;
        for (float value : labels) {
            if (value != Math.rint(value) || Math.abs(value) > 1 << 24) {
                throw new IllegalArgumentException("expected whole-number labels up to 2^24, found " + value);
            }
            min = Math.min(min, value);
            max = Math.max(max, value);
        }
        for (VoxelType type : offered) {
            if (type.least <= (long) min && (long) max <= type.most) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /** Returns the name, for example {@code int16}. */
    @Override
    public String toString() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
