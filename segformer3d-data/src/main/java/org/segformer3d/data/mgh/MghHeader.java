package org.segformer3d.data.mgh;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.SourceHeader;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;
import org.segformer3d.data.voxel.StoredVoxels;
import org.segformer3d.data.voxel.VoxelInput;

/**
 * The header of an MGH file: big-endian, version 1, frames as channels.
 *
 * <p>It holds the voxel sizes, the directions of the axes in right, anterior, superior, and the position of the point whose index is
 * half the sizes; or says that these don't count, and then voxels are of 1 mm and lie as FreeSurfer's own volumes do.
 */
final class MghHeader implements SourceHeader {
    /** Bytes before the voxels. */
    static final int BYTES = 284;

    static final int UCHAR = 0;
    static final int INT = 1;
    static final int FLOAT = 3;
    static final int SHORT = 4;
    static final int USHORT = 10;

    private final int[] sizes = new int[4];
    private final int typeCode;
    private final boolean isPlaced;
    /** Three voxel sizes, three directions, one position. */
    private final float[] place = new float[15];

    private MghHeader(ByteBuffer b) {
        for (int axis = 0; axis < 4; axis++) {
            sizes[axis] = b.getInt(4 + 4 * axis);
        }
        typeCode = b.getInt(20);
        isPlaced = b.getShort(28) != 0;
        for (int n = 0; n < place.length; n++) {
            place[n] = b.getFloat(30 + 4 * n);
        }
    }

    static boolean recognises(byte[] start) {
        if (start.length < 30) {
            return false;
        }
        ByteBuffer b = ByteBuffer.wrap(start);
        boolean likely = b.getInt(0) == 1 && b.getInt(20) >= 0 && b.getInt(20) <= 20;
        for (int axis = 0; axis < 4; axis++) {
            likely &= b.getInt(4 + 4 * axis) > 0;
        }
        return likely;
    }

    /**
     * Reads a header.
     *
     * @throws VolumeFormatException when it isn't one or says what isn't supported
     */
    static MghHeader read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "no such file");
        }
        byte[] bytes = new byte[BYTES];
        int found;
        try (VoxelInput in = VoxelInput.open(file)) {
            found = in.read(bytes, BYTES);
        }
        if (found < BYTES) {
            throw new VolumeFormatException(
                    file, "found only " + found + " bytes, expected an MGH header of " + BYTES + " bytes");
        }
        ByteBuffer b = ByteBuffer.wrap(bytes);
        if (b.getInt(0) != 1) {
            throw new VolumeFormatException(
                    file, "not an MGH file: found version " + b.getInt(0) + ", expected 1 (big-endian)");
        }
        MghHeader header = new MghHeader(b);
        header.check(file);
        return header;
    }

    private void check(Path file) throws VolumeFormatException {
        type(file);
        double values = 1;
        for (int size : sizes) {
            if (size < 1) {
                throw new VolumeFormatException(file, "found sizes " + sizeText() + ", expected numbers above 0");
            }
            values *= size;
        }
        if (values > Integer.MAX_VALUE - 8) {
            throw new VolumeFormatException(
                    file, "found sizes " + sizeText() + ", expected at most 2^31 - 9 values in one volume");
        }
        for (int axis = 0; isPlaced && axis < 3; axis++) {
            if (place[axis] < 0) {
                throw new VolumeFormatException(
                        file,
                        "found a voxel size of " + place[axis] + " along axis " + axis + ", expected more than 0");
            }
        }
        Affine affine = affine();
        if (!affine.isInvertible()) {
            throw new VolumeFormatException(
                    file,
                    "found voxel sizes and directions that give the affine " + affine
                            + ", which spans no volume; expected three independent directions of finite numbers");
        }
    }

    private VoxelType type(Path file) throws VolumeFormatException {
        return switch (typeCode) {
            case UCHAR -> VoxelType.UINT8;
            case INT -> VoxelType.INT32;
            case FLOAT -> VoxelType.FLOAT32;
            case SHORT -> VoxelType.INT16;
            case USHORT -> VoxelType.UINT16;
            default ->
                throw new VolumeFormatException(
                        file,
                        "found MGH type " + typeCode + (typeCode == 6 ? " (tensor)" : typeCode == 5 ? " (bitmap)" : "")
                                + ", which isn't supported; expected 0 (uchar), 1 (int), 3 (float), 4 (short) or 10 (ushort)");
        };
    }

    private String sizeText() {
        return sizes[0] + "×" + sizes[1] + "×" + sizes[2] + (sizes[3] == 1 ? "" : "×" + sizes[3]);
    }

    @Override
    public String format() {
        return "MGH";
    }

    int channels() {
        return sizes[3];
    }

    Grid size() {
        return new Grid(sizes[0], sizes[1], sizes[2]);
    }

    boolean isPlaced() {
        return isPlaced;
    }

    float[] place() {
        return place.clone();
    }

    private Affine affine() {
        float[] from = isPlaced ? place : new float[] {1, 1, 1, -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0};
        double[] rows = new double[12];
        for (int row = 0; row < 3; row++) {
            double origin = from[12 + row];
            for (int axis = 0; axis < 3; axis++) {
                double step = (double) from[3 + 3 * axis + row] * from[axis];
                rows[row * 4 + axis] = step;
                origin -= step * sizes[axis] / 2.0;
            }
            rows[row * 4 + 3] = origin;
        }
        return Affine.ofRows(rows);
    }

    Geometry geometry() {
        return Geometry.of(size(), affine(), this);
    }

    VolumeHeader toVolumeHeader(Path file) throws VolumeFormatException {
        return new VolumeHeader(
                "MGH", geometry(), true, channels(), BYTES, List.of(file), "MGH, " + sizeText() + ", " + type(file));
    }

    /** Returns where a file's voxels are. */
    StoredVoxels voxels(Path file, boolean gzipped) throws VolumeFormatException {
        return new StoredVoxels(
                file,
                List.of(file),
                0,
                0,
                BYTES,
                gzipped ? StoredVoxels.Encoding.GZIP : StoredVoxels.Encoding.RAW,
                type(file),
                ByteOrder.BIG_ENDIAN,
                size(),
                channels(),
                3);
    }

    /** Returns the bytes of a header. */
    static byte[] bytes(Geometry geometry, int channels, VoxelType type) {
        ByteBuffer b = ByteBuffer.allocate(BYTES);
        Grid size = geometry.size();
        b.putInt(0, 1);
        b.putInt(4, size.depth())
                .putInt(8, size.height())
                .putInt(12, size.width())
                .putInt(16, channels);
        b.putInt(
                20,
                switch (type) {
                    case UINT8 -> UCHAR;
                    case INT16 -> SHORT;
                    case INT32 -> INT;
                    case FLOAT32 -> FLOAT;
                    default -> throw new IllegalArgumentException("not written: " + type);
                });
        boolean kept = geometry.source().orElse(null) instanceof MghHeader source && source.isPlaced();
        float[] place = kept ? ((MghHeader) geometry.source().get()).place() : place(geometry);
        b.putShort(28, (short) 1);
        for (int n = 0; n < place.length; n++) {
            b.putFloat(30 + 4 * n, place[n]);
        }
        return b.array();
    }

    private static float[] place(Geometry geometry) {
        Affine affine = geometry.affine();
        Grid size = geometry.size();
        double[] spacing = geometry.spacing();
        double[] centre = affine.apply(size.depth() / 2.0, size.height() / 2.0, size.width() / 2.0);
        float[] place = new float[15];
        for (int axis = 0; axis < 3; axis++) {
            place[axis] = (float) spacing[axis];
            place[12 + axis] = (float) centre[axis];
            for (int row = 0; row < 3; row++) {
                place[3 + 3 * axis + row] = (float) (affine.get(row, axis) / spacing[axis]);
            }
        }
        return place;
    }
}
