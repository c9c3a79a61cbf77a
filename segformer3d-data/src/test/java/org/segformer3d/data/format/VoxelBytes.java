package org.segformer3d.data.format;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.VoxelType;

/** Voxels 0, 1, 2, … in a file's order, made without the code under test. */
public final class VoxelBytes {
    /** The size that goes with {@link #values}. */
    public static final Grid SIZE = new Grid(2, 3, 4);

    private VoxelBytes() {}

    /** Returns numbers from {@code first} on as a file holds them. */
    public static byte[] counting(VoxelType type, ByteOrder order, int first, int count) {
        ByteBuffer b = ByteBuffer.allocate(count * type.bytes()).order(order);
        for (int n = first; n < first + count; n++) {
            switch (type) {
                case UINT8, INT8 -> b.put((byte) n);
                case INT16, UINT16 -> b.putShort((short) n);
                case INT32, UINT32 -> b.putInt(n);
                case INT64, UINT64 -> b.putLong(n);
                case FLOAT32 -> b.putFloat(n);
                case FLOAT64 -> b.putDouble(n);
            }
        }
        return b.array();
    }

    /** Returns 24 little-endian shorts. */
    public static byte[] shorts() {
        return counting(VoxelType.INT16, ByteOrder.LITTLE_ENDIAN, 0, 24);
    }

    /** Returns what 2×3×4 of {@link #counting} are in memory, where the last axis runs fastest. */
    public static float[] values() {
        return interleaved(1, 3);
    }

    /**
     * Returns what C×2×3×4 counting voxels are in memory.
     *
     * @param axis how many spatial axes run faster in the file than the channel
     */
    public static float[] interleaved(int channels, int axis) {
        float[] values = new float[channels * 24];
        int at = 0;
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < 2; i++) {
                for (int j = 0; j < 3; j++) {
                    for (int k = 0; k < 4; k++) {
                        values[at++] = switch (axis) {
                            case 0 -> c + channels * (i + 2 * (j + 3 * k));
                            case 1 -> i + 2 * (c + channels * (j + 3 * k));
                            case 2 -> i + 2 * (j + 3 * (c + channels * k));
                            default -> i + 2 * (j + 3 * (k + 4 * c));
                        };
                    }
                }
            }
        }
        return values;
    }

    /** Returns bytes one after the other. */
    public static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    /** Returns bytes gzipped. */
    public static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }

    /** Returns bytes as zlib compresses them. */
    public static byte[] zlib(byte[] bytes) throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (DeflaterOutputStream out = new DeflaterOutputStream(packed)) {
            out.write(bytes);
        }
        return packed.toByteArray();
    }
}
