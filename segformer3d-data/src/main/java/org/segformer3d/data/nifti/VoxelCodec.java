package org.segformer3d.data.nifti;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/** Turns stored voxels into float32 and back, one loop per type so that each is compiled for it. */
final class VoxelCodec {
    private final NiftiType type;
    private final ByteOrder order;
    private final boolean scaled;
    private final double slope;
    private final double inter;

    private VoxelCodec(NiftiType type, ByteOrder order, boolean scaled, double slope, double inter) {
        this.type = type;
        this.order = order;
        this.scaled = scaled;
        this.slope = slope;
        this.inter = inter;
    }

    static VoxelCodec of(NiftiHeader header) {
        return new VoxelCodec(header.type(), header.byteOrder(), header.isScaled(), header.slope(), header.intercept());
    }

    /** A codec for writing: little-endian and not scaled. */
    static VoxelCodec of(NiftiType type) {
        return new VoxelCodec(type, ByteOrder.LITTLE_ENDIAN, false, 1, 0);
    }

    int bytes() {
        return type.bytes();
    }

    /** Decodes {@code count} voxels; scaling is done in double precision and rounded once. */
    void decode(byte[] raw, int count, float[] out) {
        ByteBuffer buffer = ByteBuffer.wrap(raw).order(order);
        switch (type) {
            case UINT8 -> {
                for (int n = 0; n < count; n++) {
                    int v = raw[n] & 0xff;
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case INT8 -> {
                for (int n = 0; n < count; n++) {
                    out[n] = scaled ? (float) (raw[n] * slope + inter) : raw[n];
                }
            }
            case INT16 -> {
                ShortBuffer shorts = buffer.asShortBuffer();
                for (int n = 0; n < count; n++) {
                    int v = shorts.get(n);
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case UINT16 -> {
                ShortBuffer shorts = buffer.asShortBuffer();
                for (int n = 0; n < count; n++) {
                    int v = shorts.get(n) & 0xffff;
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case INT32 -> {
                IntBuffer ints = buffer.asIntBuffer();
                for (int n = 0; n < count; n++) {
                    int v = ints.get(n);
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case UINT32 -> {
                IntBuffer ints = buffer.asIntBuffer();
                for (int n = 0; n < count; n++) {
                    long v = ints.get(n) & 0xffffffffL;
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case INT64 -> {
                LongBuffer longs = buffer.asLongBuffer();
                for (int n = 0; n < count; n++) {
                    long v = longs.get(n);
                    out[n] = scaled ? (float) (v * slope + inter) : v;
                }
            }
            case UINT64 -> {
                LongBuffer longs = buffer.asLongBuffer();
                for (int n = 0; n < count; n++) {
                    long v = longs.get(n);
                    if (v >= 0) {
                        out[n] = scaled ? (float) (v * slope + inter) : v;
                    } else {
                        // Half the value with the lost bit kept as a sticky one rounds as the whole would.
                        long half = v >>> 1 | v & 1;
                        out[n] = scaled ? (float) (half * 2.0 * slope + inter) : half * 2f;
                    }
                }
            }
            case FLOAT32 -> {
                buffer.asFloatBuffer().get(out, 0, count);
                for (int n = 0; scaled && n < count; n++) {
                    out[n] = (float) (out[n] * slope + inter);
                }
            }
            case FLOAT64 -> {
                var doubles = buffer.asDoubleBuffer();
                for (int n = 0; n < count; n++) {
                    double v = doubles.get(n);
                    out[n] = (float) (scaled ? v * slope + inter : v);
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
