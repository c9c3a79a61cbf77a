package org.segformer3d.data.nifti;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.SourceHeader;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * The header of a NIfTI file, its numbers exactly as stored.
 *
 * <p>Fields of NIfTI-1 that are float32 are held as the equal double. Whatever is computed from them ({@link #affine()}, {@link
 * #slope()}) follows nibabel, which repairs some fields: a qfac other than ±1 counts as 1, a zero voxel size as 1, a negative one as
 * its magnitude, and an unknown transform code as 0. Unlike nibabel, a form that can't be used isn't, and a {@link #remark} says so.
 */
public final class NiftiHeader implements SourceHeader {
    static final int BYTES_1 = 348;
    static final int BYTES_2 = 540;

    private final int version;
    private final boolean littleEndian;
    private final boolean singleFile;
    private final long[] dim;
    private final int datatype;
    private final double[] pixdim;
    private final double voxOffset;
    private final double sclSlope;
    private final double sclInter;
    private final int qformCode;
    private final int sformCode;
    private final double[] quatern;
    private final double[] qoffset;
    private final double[] srow;
    private final int xyztUnits;
    private final int dimInfo;
    private final String description;
    private NiftiPlacement placement;

    private NiftiHeader(int version, boolean singleFile, ByteBuffer b) {
        this.version = version;
        this.littleEndian = b.order() == ByteOrder.LITTLE_ENDIAN;
        this.singleFile = singleFile;
        dim = new long[8];
        pixdim = new double[8];
        quatern = new double[3];
        qoffset = new double[3];
        srow = new double[12];
        if (version == 1) {
            dimInfo = b.get(39) & 0xff;
            for (int n = 0; n < 8; n++) {
                dim[n] = b.getShort(40 + 2 * n);
                pixdim[n] = b.getFloat(76 + 4 * n);
            }
            datatype = b.getShort(70);
            voxOffset = b.getFloat(108);
            sclSlope = b.getFloat(112);
            sclInter = b.getFloat(116);
            xyztUnits = b.get(123) & 0xff;
            description = text(b, 148, 80);
            qformCode = b.getShort(252);
            sformCode = b.getShort(254);
            for (int n = 0; n < 3; n++) {
                quatern[n] = b.getFloat(256 + 4 * n);
                qoffset[n] = b.getFloat(268 + 4 * n);
            }
            for (int n = 0; n < 12; n++) {
                srow[n] = b.getFloat(280 + 4 * n);
            }
        } else {
            datatype = b.getShort(12);
            for (int n = 0; n < 8; n++) {
                dim[n] = b.getLong(16 + 8 * n);
                pixdim[n] = b.getDouble(104 + 8 * n);
            }
            voxOffset = b.getLong(168);
            sclSlope = b.getDouble(176);
            sclInter = b.getDouble(184);
            description = text(b, 240, 80);
            qformCode = b.getInt(344);
            sformCode = b.getInt(348);
            for (int n = 0; n < 3; n++) {
                quatern[n] = b.getDouble(352 + 8 * n);
                qoffset[n] = b.getDouble(376 + 8 * n);
            }
            for (int n = 0; n < 12; n++) {
                srow[n] = b.getDouble(400 + 8 * n);
            }
            xyztUnits = b.getInt(500);
            dimInfo = b.get(524) & 0xff;
        }
    }

    private static String text(ByteBuffer b, int at, int length) {
        byte[] bytes = new byte[length];
        b.get(at, bytes);
        int end = 0;
        while (end < length && bytes[end] != 0) {
            end++;
        }
        return new String(bytes, 0, end, StandardCharsets.ISO_8859_1);
    }

    /**
     * Returns how many bytes a header has that starts with the given ones.
     *
     * @param start at least 4 bytes
     */
    static int length(byte[] start) {
        int size = ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
        return size == BYTES_2 || Integer.reverseBytes(size) == BYTES_2 ? BYTES_2 : BYTES_1;
    }

    /**
     * Interprets the bytes of a header and checks everything that doesn't depend on the rest of the file.
     *
     * @param file the file for messages
     * @param bytes 348 or 540 bytes
     * @throws VolumeFormatException when this is no NIfTI header or one that cannot be read
     */
    static NiftiHeader parse(Path file, byte[] bytes) throws VolumeFormatException {
        int version = bytes.length == BYTES_2 ? 2 : 1;
        ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        String magic = new String(bytes, version == 1 ? 344 : 4, 4, StandardCharsets.ISO_8859_1);
        boolean single = magic.equals("n+" + version + "\0");
        if (!single && !magic.equals("ni" + version + "\0")) {
            int size = b.getInt(0);
            if (version == 1 && (size == BYTES_1 || Integer.reverseBytes(size) == BYTES_1)) {
                throw new VolumeFormatException(
                        file,
                        "an ANALYZE 7.5 header (no NIfTI magic), whose orientation is undefined; expected NIfTI-1 or NIfTI-2:"
                                + " convert it first");
            }
            throw new VolumeFormatException(
                    file, "not a NIfTI file: found magic '" + printable(magic) + "', expected n+1, ni1, n+2 or ni2");
        }
        // As nibabel: the number of dimensions decides the byte order, the stated header size only when that is 0.
        long dims = version == 1 ? b.getShort(40) : b.getLong(16);
        if (dims == 0 ? b.getInt(0) != bytes.length : dims < 1 || dims > 7) {
            b.order(ByteOrder.BIG_ENDIAN);
        }
        if (version == 2) {
            byte[] eol = new byte[4];
            b.get(8, eol);
            int found = ByteBuffer.wrap(eol).getInt();
            if (found != 0 && found != 0x0d0a1a0a) {
                throw new VolumeFormatException(
                        file,
                        "damaged by a text-mode transfer: found end-of-line check " + Integer.toHexString(found)
                                + ", expected 0d0a1a0a");
            }
        }
        NiftiHeader header = new NiftiHeader(version, single, b);
        header.check(file);
        return header;
    }

    private static String printable(String text) {
        StringBuilder result = new StringBuilder();
        for (char c : text.toCharArray()) {
            result.append(c >= ' ' && c < 127 ? String.valueOf(c) : String.format("\\x%02x", (int) c));
        }
        return result.toString();
    }

    private void check(Path file) throws VolumeFormatException {
        NiftiType type = NiftiType.ofCode(datatype);
        if (type == null) {
            throw new VolumeFormatException(
                    file, "unknown datatype code " + datatype + ", expected a scalar NIfTI type");
        }
        if (!type.isScalar()) {
            throw new VolumeFormatException(
                    file,
                    "datatype " + type + " isn't supported, expected real numbers (8- to 64-bit integers or floats)");
        }
        if (dim[0] < 1 || dim[0] > 7) {
            throw new VolumeFormatException(file, "found dim[0] = " + dim[0] + ", expected 1 to 7 dimensions");
        }
        int beyond = 0;
        long elements = 1;
        for (int n = 1; n <= dim[0]; n++) {
            if (dim[n] < 1) {
                throw new VolumeFormatException(file, "found dim[" + n + "] = " + dim[n] + ", expected at least 1");
            }
            if (n > 3 && dim[n] > 1) {
                beyond++;
            }
            if (elements > Long.MAX_VALUE / 64 / dim[n]) {
                throw new VolumeFormatException(file, "a claimed size of " + sizeText() + " voxels is impossible");
            }
            elements *= dim[n];
        }
        if (beyond > 1) {
            throw new VolumeFormatException(
                    file,
                    "found " + sizeText()
                            + " voxels, expected three spatial dimensions and at most one further one longer than 1");
        }
        if (!(voxOffset >= 0 && voxOffset <= 1L << 53)) {
            throw new VolumeFormatException(
                    file, "found vox_offset " + voxOffset + ", expected a position in the file");
        }
        if (hasScale() && !Double.isFinite(sclInter)) {
            throw new VolumeFormatException(
                    file,
                    "found scl_inter " + sclInter + " beside scl_slope " + sclSlope + ", expected a finite number");
        }
        placement = NiftiPlacement.of(file, this);
        if (!affine().isFinite()) {
            throw new VolumeFormatException(
                    file, "found a place beyond all numbers in millimetres, expected a finite affine");
        }
    }

    private String sizeText() {
        StringBuilder text = new StringBuilder();
        for (int n = 1; n <= dim[0]; n++) {
            text.append(n == 1 ? "" : "×").append(dim[n]);
        }
        return text.toString();
    }

    @Override
    public String format() {
        return "NIfTI-" + version;
    }

    /** Returns 1 for NIfTI-1 and 2 for NIfTI-2. */
    public int version() {
        return version;
    }

    /** Returns the byte order of header and voxels. */
    public ByteOrder byteOrder() {
        return littleEndian ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
    }

    /** Returns whether the magic says that the voxels follow the header in one file. */
    public boolean isSingleFile() {
        return singleFile;
    }

    /** Returns how voxels are stored. */
    public NiftiType type() {
        return NiftiType.ofCode(datatype);
    }

    /** Returns the sizes as stored, 1 to 7 of them, the fastest axis first. */
    public long[] dimensions() {
        long[] sizes = new long[(int) dim[0]];
        System.arraycopy(dim, 1, sizes, 0, sizes.length);
        return sizes;
    }

    /** Returns the number of channels: the one dimension beyond the third that is longer than 1, or 1. */
    public long channels() {
        long product = 1;
        for (int n = 4; n <= dim[0]; n++) {
            product *= dim[n];
        }
        return product;
    }

    /** Returns the size of the given spatial axis (0, 1, 2); 1 for an axis the file doesn't have. */
    public long size(int axis) {
        return axis < dim[0] ? dim[axis + 1] : 1;
    }

    /** Returns the number of values over all dimensions. */
    public long elements() {
        return size(0) * size(1) * size(2) * channels();
    }

    /** Returns the eight numbers of {@code pixdim} as stored. */
    public double[] pixdim() {
        return pixdim.clone();
    }

    /** Returns the byte at which the voxels start. */
    public long voxelOffset() {
        return (long) voxOffset;
    }

    /** Returns whether values are scaled: the slope is finite and not 0, and slope and intercept aren't 1 and 0. */
    public boolean isScaled() {
        return hasScale() && (sclSlope != 1 || sclInter != 0);
    }

    private boolean hasScale() {
        return sclSlope != 0 && Double.isFinite(sclSlope);
    }

    /** Returns the factor values are multiplied with: 1 when the file states none. */
    public double slope() {
        return hasScale() ? sclSlope : 1;
    }

    /** Returns what is added after multiplying: 0 when the file states no slope. */
    public double intercept() {
        return hasScale() ? sclInter : 0;
    }

    /** Returns {@code qform_code} as stored. */
    public int qformCode() {
        return qformCode;
    }

    /** Returns {@code sform_code} as stored. */
    public int sformCode() {
        return sformCode;
    }

    /** Returns {@code xyzt_units} as stored. */
    public int xyztUnits() {
        return xyztUnits;
    }

    /** Returns {@code descrip}. */
    public String description() {
        return description;
    }

    double[] quatern() {
        return quatern.clone();
    }

    double[] qoffset() {
        return qoffset.clone();
    }

    double[] srow() {
        return srow.clone();
    }

    int dimInfo() {
        return dimInfo;
    }

    /** Returns how many millimetres the file's unit of length is: 1000 for metres, 0.001 for micrometres, otherwise 1. */
    public double millimetresPerUnit() {
        return switch (xyztUnits & 7) {
            case 1 -> 1000;
            case 3 -> 0.001;
            default -> 1;
        };
    }

    /**
     * Returns the map from voxel indices to millimetres: the sform when it has a code and can be inverted, else the qform when it has one,
     * else the voxel sizes with the first axis pointing left and the origin at the centre, as nibabel does; in millimetres whatever the
     * file's unit.
     */
    public Affine affine() {
        double unit = millimetresPerUnit();
        return unit == 1 ? placement.affine() : placement.affine().scaledBy(unit);
    }

    /** Returns what is odd about the header's word on where the image lies, without the file's name; empty for most files. */
    public Optional<String> remark() {
        return placement.remark();
    }

    /** Returns whether each form with a code can be used, so that a copy of the header says what {@link #affine} does. */
    boolean isSound() {
        return placement.isSound();
    }

    boolean hasSform() {
        return code(sformCode) != 0;
    }

    boolean hasQform() {
        return code(qformCode) != 0;
    }

    private static int code(int stored) {
        return stored < 0 || stored > 5 ? 0 : stored;
    }

    private double voxelSize(int axis) {
        double size = Math.abs(pixdim[axis + 1]);
        return size == 0 ? 1 : size;
    }

    /** Returns the affine of a file without a form, in its unit. */
    Affine baseAffine() {
        double[] rows = new double[12];
        for (int axis = 0; axis < 3; axis++) {
            double step = axis < dim[0] ? voxelSize(axis) : 1;
            step = axis == 0 ? -step : step;
            rows[axis * 4 + axis] = step;
            rows[axis * 4 + 3] = -step * (size(axis) - 1) / 2;
        }
        return Affine.ofRows(rows);
    }

    /** Returns the affine of the qform in the file's unit; its quaternion must not be longer than 1, but for rounding. */
    Affine qformAffine() {
        double x = quatern[0];
        double y = quatern[1];
        double z = quatern[2];
        double square = x * x + y * y + z * z;
        double w = square < 1 - 3 * (version == 1 ? 0x1p-23 : 0x1p-52) ? Math.sqrt(1 - square) : 0;
        double s = 2 / (w * w + square);
        double[] size = {voxelSize(0), voxelSize(1), voxelSize(2) * (pixdim[0] == -1 ? -1 : 1)};
        double[] r = {
            1 - s * (y * y + z * z),
            s * (x * y - w * z),
            s * (x * z + w * y),
            s * (x * y + w * z),
            1 - s * (x * x + z * z),
            s * (y * z - w * x),
            s * (x * z - w * y),
            s * (y * z + w * x),
            1 - s * (x * x + y * y)
        };
        double[] rows = new double[12];
        for (int row = 0; row < 3; row++) {
            for (int c = 0; c < 3; c++) {
                rows[row * 4 + c] = r[row * 3 + c] * size[c];
            }
            rows[row * 4 + 3] = qoffset[row];
        }
        return Affine.ofRows(rows);
    }

    /**
     * Returns where the image lies.
     *
     * @throws ArithmeticException when a size exceeds 2³¹−1
     */
    public Geometry geometry() {
        return Geometry.of(
                new Grid(Math.toIntExact(size(0)), Math.toIntExact(size(1)), Math.toIntExact(size(2))), affine(), this);
    }

    /** Returns one line for people: format, sizes, type, scaling and which transform holds. */
    @Override
    public String toString() {
        List<String> parts = new ArrayList<>();
        parts.add(format());
        parts.add(sizeText());
        parts.add(type() + (littleEndian ? "" : " (big-endian)"));
        if (isScaled()) {
            parts.add("× " + (float) slope() + " + " + (float) intercept());
        }
        parts.add(placement.form());
        return String.join(", ", parts);
    }
}
