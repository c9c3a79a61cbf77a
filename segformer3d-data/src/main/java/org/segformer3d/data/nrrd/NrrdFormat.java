package org.segformer3d.data.nrrd;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;
import org.segformer3d.data.voxel.FastGzip;
import org.segformer3d.data.voxel.VoxelWriter;

/**
 * NRRD: {@code .nrrd}, and {@code .nhdr} with its voxels in files of their own (one, a list, a numbered pattern).
 *
 * <p>Raw, gzipped and ascii voxels of every real type are read in both byte orders; bzip2 and hex, complex numbers, colours, matrices and
 * blocks are refused by name. Positions are turned from the file's space into right, anterior, superior. What is written is gzipped,
 * little-endian, in left, posterior, superior, with channels as a list along the last axis.
 */
public final class NrrdFormat implements VolumeFormat {
    private static final String DETACHED = ".nhdr";

    /** Creates the format, which has no state. */
    public NrrdFormat() {}

    @Override
    public String name() {
        return "NRRD";
    }

    @Override
    public List<String> endings() {
        return List.of(".nrrd", DETACHED);
    }

    @Override
    public boolean recognises(byte[] start) {
        int length = NrrdHeader.MAGIC.length();
        return start.length >= length
                && new String(start, 0, length, StandardCharsets.ISO_8859_1).equals(NrrdHeader.MAGIC);
    }

    @Override
    public boolean namesOtherFiles(Path file) throws IOException {
        return NrrdHeader.read(file).isDetached();
    }

    @Override
    public VolumeHeader readHeader(Path file) throws IOException {
        return NrrdHeader.read(file).toVolumeHeader();
    }

    @Override
    public Volume read(Path file) throws IOException {
        NrrdHeader header = NrrdHeader.read(file);
        header.warn();
        return Volume.of(header.voxels().read(), header.channels(), header.geometry());
    }

    @Override
    public List<VoxelType> labelTypes() {
        return List.of(VoxelType.UINT8, VoxelType.INT8, VoxelType.UINT16, VoxelType.INT16, VoxelType.INT32);
    }

    @Override
    public void write(Path file, Geometry geometry, int channels, VoxelType type, ChannelSource source)
            throws IOException {
        VoxelWriter voxels = new VoxelWriter(geometry.size(), channels, type, ByteOrder.LITTLE_ENDIAN, source);
        String name = file.getFileName().toString();
        if (!name.toLowerCase(Locale.ROOT).endsWith(DETACHED)) {
            byte[] header = (header(geometry, channels, type) + "\n").getBytes(StandardCharsets.UTF_8);
            AtomicFiles.write(file, out -> {
                out.write(header);
                gzip(voxels, out);
            });
            return;
        }
        // The voxels first, so that a header always leads to some.
        Path data = file.resolveSibling(name.substring(0, name.length() - DETACHED.length()) + ".raw.gz");
        AtomicFiles.write(data, out -> gzip(voxels, out));
        AtomicFiles.writeString(file, header(geometry, channels, type) + "data file: " + data.getFileName() + "\n");
    }

    private static void gzip(VoxelWriter voxels, OutputStream out) throws IOException {
        FastGzip gzip = new FastGzip(out);
        voxels.writeTo(gzip);
        gzip.finish();
    }

    private static String header(Geometry geometry, int channels, VoxelType type) {
        boolean list = channels > 1;
        Affine affine = geometry.affine();
        StringBuilder text = new StringBuilder("NRRD0004\n# written by SegFormer3D\n");
        text.append("type: ").append(typeName(type)).append("\ndimension: ").append(list ? 4 : 3);
        text.append("\nspace: left-posterior-superior\nsizes: ")
                .append(geometry.size().depth())
                .append(' ')
                .append(geometry.size().height())
                .append(' ')
                .append(geometry.size().width())
                .append(list ? " " + channels : "")
                .append("\nspace directions:");
        for (int axis = 0; axis < 3; axis++) {
            text.append(' ').append(vector(affine, axis));
        }
        text.append(list ? " none" : "").append("\nkinds: domain domain domain").append(list ? " list" : "");
        text.append("\nendian: little\nencoding: gzip\nspace origin: ").append(vector(affine, 3));
        return text.append('\n').toString();
    }

    /** Returns a column of the affine, left, posterior, superior. */
    private static String vector(Affine affine, int column) {
        // Adding 0 turns −0 into 0.
        return "(" + (0 - affine.get(0, column)) + "," + (0 - affine.get(1, column)) + ","
                + (affine.get(2, column) + 0.0) + ")";
    }

    private static String typeName(VoxelType type) {
        return switch (type) {
            case UINT8 -> "unsigned char";
            case INT8 -> "signed char";
            case UINT16 -> "unsigned short";
            case INT16 -> "short";
            case INT32 -> "int";
            case FLOAT32 -> "float";
            default -> throw new IllegalArgumentException("not written: " + type);
        };
    }
}
