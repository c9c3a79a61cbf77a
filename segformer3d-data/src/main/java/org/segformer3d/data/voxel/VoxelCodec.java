package org.segformer3d.data.voxel;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import org.segformer3d.data.volume.VoxelType;

/** Turns stored voxels into float32 and back, one loop per type so that each is compiled for it. */
public final class VoxelCodec {
    /** Of either byte order: only whether they are zero counts. */
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());

    private final VoxelType type;
    private final ByteOrder order;
    private final boolean scaled;
    private final double slope;
    private final double inter;

    private VoxelCodec(VoxelType type, ByteOrder order, boolean scaled, double slope, double inter) {
        this.type = type;
        this.order = order;
        this.scaled = scaled;
        this.slope = slope;
        this.inter = inter;
    }

    /** A codec that neither multiplies nor adds. */
    public static VoxelCodec of(VoxelType type, ByteOrder order) {
        return scaled(type, order, 1, 0);
    }

    /** A codec whose values in memory are {@code stored · slope + inter}. */
    public static VoxelCodec scaled(VoxelType type, ByteOrder order, double slope, double inter) {
        return new VoxelCodec(type, order, slope != 1 || inter != 0, slope, inter);
    }

    /** Returns the bytes of one stored voxel. */
    public int bytes() {
        return type.bytes();
    }

    /** Whether bytes that are all zero become a positive zero. */
    boolean keepsZero() {
        return !scaled || slope > 0 && inter == 0;
    }

    /** Returns the first voxel from {@code from} that has a byte other than zero, or {@code to} where none before it has. */
    int firstNonZero(byte[] raw, int from, int to) {
        int at = from * bytes();
        int end = to * bytes();
        while (end - at >= Long.BYTES && (long) LONGS.get(raw, at) == 0) {
            at += Long.BYTES;
        }
        while (at < end && raw[at] == 0) {
            at++;
        }
        return at / bytes();
    }

    /** Returns the voxel after the last before {@code to} that has a byte other than zero, or {@code from} where none from there has. */
    int afterLastNonZero(byte[] raw, int from, int to) {
        int start = from * bytes();
        int end = to * bytes();
        while (end - start >= Long.BYTES && (long) LONGS.get(raw, end - Long.BYTES) == 0) {
            end -= Long.BYTES;
        }
        while (end > start && raw[end - 1] == 0) {
            end--;
        }
        return (end + bytes() - 1) / bytes();
    }

    /**
     * Decodes {@code count} voxels from the one numbered {@code from} into {@code out} from {@code to}; scaling is done in double
     * precision and rounded once.
     */
    void decode(byte[] raw, int from, int count, float[] out, int to) {
        ByteBuffer buffer =
                ByteBuffer.wrap(raw, from * bytes(), count * bytes()).order(order);
        switch (type) {
            case UINT8 -> {
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) ((raw[from + n] & 0xff) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = raw[from + n] & 0xff;
                    }
                }
            }
            case INT8 -> {
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) (raw[from + n] * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = raw[from + n];
                    }
                }
            }
            case INT16 -> {
                ShortBuffer shorts = buffer.asShortBuffer();
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) (shorts.get(n) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = shorts.get(n);
                    }
                }
            }
            case UINT16 -> {
                ShortBuffer shorts = buffer.asShortBuffer();
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) ((shorts.get(n) & 0xffff) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = shorts.get(n) & 0xffff;
                    }
                }
            }
            case INT32 -> {
                IntBuffer ints = buffer.asIntBuffer();
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) (ints.get(n) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = ints.get(n);
                    }
                }
            }
            case UINT32 -> {
                IntBuffer ints = buffer.asIntBuffer();
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) ((ints.get(n) & 0xffffffffL) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = ints.get(n) & 0xffffffffL;
                    }
                }
            }
            case INT64 -> {
                LongBuffer longs = buffer.asLongBuffer();
                if (scaled) {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = (float) (longs.get(n) * slope + inter);
                    }
                } else {
                    for (int n = 0; n < count; n++) {
                        out[to + n] = longs.get(n);
                    }
                }
            }
            case UINT64 -> {
                LongBuffer longs = buffer.asLongBuffer();
                for (int n = 0; n < count; n++) {
                    long v = longs.get(n);
                    if (v >= 0) {
                        out[to + n] = scaled ? (float) (v * slope + inter) : v;
                    } else {
                        // Half the value with the lost bit kept as a sticky one rounds as the whole would.
                        long half = v >>> 1 | v & 1;
                        out[to + n] = scaled ? (float) (half * 2.0 * slope + inter) : half * 2f;
                    }
                }
            }
            case FLOAT32 -> {
                buffer.asFloatBuffer().get(out, to, count);
                for (int n = 0; scaled && n < count; n++) {
                    out[to + n] = (float) (out[to + n] * slope + inter);
                }
            }
            case FLOAT64 -> {
                var doubles = buffer.asDoubleBuffer();
                for (int n = 0; n < count; n++) {
                    double v = doubles.get(n);
                    out[to + n] = (float) (scaled ? v * slope + inter : v);
                }
            }
            default -> throw new IllegalStateException("no scalar type: " + type);
        }
    }

    /** Encodes {@code count} values, which the type can hold exactly. */
    void encode(float[] values, int count, byte[] raw) {
        ByteBuffer buffer = ByteBuffer.wrap(raw).order(order);
        switch (type) {
            case UINT8, INT8 -> {
                for (int n = 0; n < count; n++) {
                    raw[n] = (byte) (int) values[n];
                }
            }
            case INT16, UINT16 -> {
                ShortBuffer shorts = buffer.asShortBuffer();
                for (int n = 0; n < count; n++) {
                    shorts.put(n, (short) (int) values[n]);
                }
            }
            case INT32 -> {
                IntBuffer ints = buffer.asIntBuffer();
                for (int n = 0; n < count; n++) {
                    ints.put(n, (int) values[n]);
                }
            }
            case FLOAT32 -> buffer.asFloatBuffer().put(values, 0, count);
            default -> throw new IllegalStateException("not written: " + type);
        }
    }
}
