package org.segformer3d.data.nifti;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.IOConsumer;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VoxelType;
import org.segformer3d.data.voxel.FastGzip;
import org.segformer3d.data.voxel.VoxelWriter;

/**
 * Writes NIfTI images, atomically: {@code .nii} or, by the name, {@code .nii.gz}; little-endian, not scaled.
 *
 * <p>A geometry that came from a NIfTI file is written as that file had it: the same version, transform codes, quaternion, sform,
 * voxel sizes and units, bit for bit. Any other becomes an sform (code 2, aligned) and, where the axes are orthogonal, the same as a
 * qform, in NIfTI-1, or NIfTI-2 where a size exceeds 32767.
 */
public final class NiftiWriter {
    /** What labels are written as, the smallest that holds them; NIfTI-1's own types first. */
    static final List<VoxelType> LABEL_TYPES =
            List.of(VoxelType.UINT8, VoxelType.INT8, VoxelType.UINT16, VoxelType.INT16, VoxelType.INT32);

    private NiftiWriter() {}

    /**
     * Writes an image as float32.
     *
     * @param file name ending in {@code .nii} or {@code .nii.gz}, never {@code null}; replaced when it exists
     * @param volume what to write, never {@code null}; several channels go along the fourth dimension
     * @throws IllegalArgumentException when the name ends otherwise
     * @throws IOException when writing fails; nothing is changed then
     */
    public static void write(Path file, Volume volume) throws IOException {
        write(file, volume, VoxelType.FLOAT32);
    }

    /**
     * Writes whole numbers in the smallest type that holds them all: uint8, int8, uint16, int16 or int32.
     *
     * @param file name ending in {@code .nii} or {@code .nii.gz}, never {@code null}; replaced when it exists
     * @param labels what to write, never {@code null}
     * @throws IllegalArgumentException when the name ends otherwise or a value isn't whole
     * @throws IOException when writing fails; nothing is changed then
     */
    public static void writeLabels(Path file, Volume labels) throws IOException {
        Objects.requireNonNull(labels, "labels");
        write(file, labels, VoxelType.firstHolding(labels.values(), LABEL_TYPES).orElseThrow());
    }

    /**
     * Writes an image as float32 whose channels need not be in memory together.
     *
     * @param file name ending in {@code .nii} or {@code .nii.gz}, never {@code null}; replaced when it exists
     * @param geometry where the image lies, never {@code null}
     * @param channels how many, ≥ 1; several go along the fourth dimension
     * @param source asked for each, never {@code null}
     * @throws IllegalArgumentException when the name ends otherwise or a channel has another number of values
     * @throws IOException when the source or writing fails; nothing is changed then
     */
    public static void write(Path file, Geometry geometry, int channels, ChannelSource source) throws IOException {
        write(file, geometry, channels, VoxelType.FLOAT32, source);
    }

    static void write(Path file, Geometry geometry, int channels, VoxelType stored, ChannelSource source)
            throws IOException {
        Objects.requireNonNull(geometry, "geometry");
        VoxelWriter voxels = new VoxelWriter(geometry.size(), channels, stored, ByteOrder.LITTLE_ENDIAN, source);
        write(file, header(geometry, channels, NiftiType.of(stored)), voxels::writeTo);
    }

    private static void write(Path file, Volume volume, VoxelType type) throws IOException {
        Objects.requireNonNull(volume, "volume");
        write(
                file,
                volume.geometry(),
                volume.channels(),
                type,
                c -> volume.channel(c).values());
    }

    private static void write(Path file, byte[] header, IOConsumer<OutputStream> voxels) throws IOException {
        Objects.requireNonNull(file, "file");
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        boolean gzip = name.endsWith(".nii.gz");
        if (!gzip && !name.endsWith(".nii")) {
            throw new IllegalArgumentException(file + ": expected a name that ends in .nii or .nii.gz");
        }
        AtomicFiles.write(file, out -> {
            OutputStream target = gzip ? new FastGzip(out) : out;
            target.write(header);
            voxels.accept(target);
            if (gzip) {
                ((FastGzip) target).finish();
            }
        });
    }

    private static byte[] header(Geometry geometry, int channels, NiftiType type) {
        Fields fields = geometry.source().orElse(null) instanceof NiftiHeader source && source.isSound()
                ? Fields.of(source)
                : Fields.of(geometry.affine());
        long[] dim = {
            3,
            geometry.size().depth(),
            geometry.size().height(),
            geometry.size().width(),
            1,
            1,
            1,
            1
        };
        if (channels > 1) {
            dim[0] = 4;
            dim[4] = channels;
        } else if (geometry.source().orElse(null) instanceof NiftiHeader source) {
            // A 1D or 2D image stays one.
            dim[0] = Math.min(3, source.dimensions().length);
        }
        boolean large = false;
        for (long size : dim) {
            large |= size > Short.MAX_VALUE;
        }
        return fields.version == 2 || large ? header2(fields, dim, type) : header1(fields, dim, type);
    }

    /** The numbers of a header that say where the image lies. */
    private static final class Fields {
        private int version = 1;
        private double[] pixdim = {1, 1, 1, 1, 1, 1, 1, 1};
        private int units = 2;
        private int qformCode;
        private int sformCode;
        private double[] quatern = new double[3];
        private double[] qoffset = new double[3];
        private double[] srow = new double[12];
        private int dimInfo;

        static Fields of(NiftiHeader source) {
            Fields f = new Fields();
            f.version = source.version();
            f.pixdim = source.pixdim();
            f.units = source.xyztUnits();
            f.qformCode = source.qformCode();
            f.sformCode = source.sformCode();
            f.quatern = source.quatern();
            f.qoffset = source.qoffset();
            f.srow = source.srow();
            f.dimInfo = source.dimInfo();
            return f;
        }

        static Fields of(Affine affine) {
            Fields f = new Fields();
            f.sformCode = 2;
            double[] rotation = new double[9];
            for (int axis = 0; axis < 3; axis++) {
                double length = affine.spacing(axis);
                f.pixdim[axis + 1] = length == 0 ? 1 : length;
                f.qoffset[axis] = affine.get(axis, 3);
                for (int row = 0; row < 3; row++) {
                    rotation[row * 3 + axis] = affine.get(row, axis) / f.pixdim[axis + 1];
                }
            }
            System.arraycopy(affine.toArray(), 0, f.srow, 0, 12);
            if (affine.determinant() < 0) {
                f.pixdim[0] = -1;
                for (int row = 0; row < 3; row++) {
                    rotation[row * 3 + 2] = -rotation[row * 3 + 2];
                }
            }
            if (isRotation(rotation)) {
                f.qformCode = 2;
                f.quatern = quaternion(rotation);
            }
            return f;
        }

        private static boolean isRotation(double[] r) {
            for (int a = 0; a < 3; a++) {
                for (int b = 0; b < 3; b++) {
                    double dot = r[a] * r[b] + r[3 + a] * r[3 + b] + r[6 + a] * r[6 + b];
                    if (!(Math.abs(dot - (a == b ? 1 : 0)) < 1e-5)) {
                        return false;
                    }
                }
            }
            return true;
        }

        /** Returns (b, c, d) of the unit quaternion of a rotation with a ≥ 0, computed from its largest component. */
        private static double[] quaternion(double[] r) {
            double[] squares = {
                1 + r[0] + r[4] + r[8], 1 + r[0] - r[4] - r[8], 1 - r[0] + r[4] - r[8], 1 - r[0] - r[4] + r[8]
            };
            int largest = 0;
            for (int n = 1; n < 4; n++) {
                largest = squares[n] > squares[largest] ? n : largest;
            }
            double s = 2 * Math.sqrt(squares[largest]);
            double x = r[7] - r[5];
            double y = r[2] - r[6];
            double z = r[3] - r[1];
            double[] q = switch (largest) {
                case 0 -> new double[] {s / 4, x / s, y / s, z / s};
                case 1 -> new double[] {x / s, s / 4, (r[1] + r[3]) / s, (r[2] + r[6]) / s};
                case 2 -> new double[] {y / s, (r[1] + r[3]) / s, s / 4, (r[5] + r[7]) / s};
                default -> new double[] {z / s, (r[2] + r[6]) / s, (r[5] + r[7]) / s, s / 4};
            };
            double sign = q[0] < 0 ? -1 : 1;
            return new double[] {sign * q[1], sign * q[2], sign * q[3]};
        }
    }

    private static byte[] header1(Fields f, long[] dim, NiftiType type) {
        byte[] bytes = new byte[352];
        ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(0, NiftiHeader.BYTES_1);
        b.put(38, (byte) 'r');
        b.put(39, (byte) f.dimInfo);
        for (int n = 0; n < 8; n++) {
            b.putShort(40 + 2 * n, (short) dim[n]);
            b.putFloat(76 + 4 * n, (float) f.pixdim[n]);
        }
        b.putShort(70, (short) type.code());
        b.putShort(72, (short) (8 * type.bytes()));
        b.putFloat(108, bytes.length);
        b.putFloat(112, 1);
        b.put(123, (byte) f.units);
        putText(b, 148, "SegFormer3D");
        b.putShort(252, (short) f.qformCode);
        b.putShort(254, (short) f.sformCode);
        for (int n = 0; n < 3; n++) {
            b.putFloat(256 + 4 * n, (float) f.quatern[n]);
            b.putFloat(268 + 4 * n, (float) f.qoffset[n]);
        }
        for (int n = 0; n < 12; n++) {
            b.putFloat(280 + 4 * n, (float) f.srow[n]);
        }
        putText(b, 344, "n+1");
        return bytes;
    }

    private static byte[] header2(Fields f, long[] dim, NiftiType type) {
        byte[] bytes = new byte[544];
        ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        b.putInt(0, NiftiHeader.BYTES_2);
        putText(b, 4, "n+2\0\r\n\032\n");
        b.putShort(12, (short) type.code());
        b.putShort(14, (short) (8 * type.bytes()));
        for (int n = 0; n < 8; n++) {
            b.putLong(16 + 8 * n, dim[n]);
            b.putDouble(104 + 8 * n, f.pixdim[n]);
        }
        b.putLong(168, bytes.length);
        b.putDouble(176, 1);
        putText(b, 240, "SegFormer3D");
        b.putInt(344, f.qformCode);
        b.putInt(348, f.sformCode);
        for (int n = 0; n < 3; n++) {
            b.putDouble(352 + 8 * n, f.quatern[n]);
            b.putDouble(376 + 8 * n, f.qoffset[n]);
        }
        for (int n = 0; n < 12; n++) {
            b.putDouble(400 + 8 * n, f.srow[n]);
        }
        b.putInt(500, f.units);
        b.put(524, (byte) f.dimInfo);
        return bytes;
    }

    private static void putText(ByteBuffer b, int at, String text) {
        b.put(at, text.getBytes(StandardCharsets.ISO_8859_1));
    }
}
