package org.segformer3d.data.metaimage;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.segformer3d.api.block.Grid;
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
 * MetaImage: {@code .mha}, and {@code .mhd} with its voxels in files of their own (one, a list, a numbered pattern).
 *
 * <p>Raw, compressed and ascii voxels of every real type are read in both byte orders, with channels beside each other or along a fourth
 * dimension. What is written is compressed, little-endian, with channels along a fourth dimension.
 */
public final class MetaImageFormat implements VolumeFormat {
    private static final String DETACHED = ".mhd";

    /** Creates the format, which has no state. */
    public MetaImageFormat() {}

    @Override
    public String name() {
        return "MetaImage";
    }

    @Override
    public List<String> endings() {
        return List.of(".mha", DETACHED);
    }

    @Override
    public boolean recognises(byte[] start) {
        String text = new String(start, StandardCharsets.ISO_8859_1);
        return text.matches("(?s)\\s{0,100}[A-Za-z]{1,40} {0,40}=.*")
                && (text.contains("NDims") || text.contains("DimSize") || text.contains("ObjectType"));
    }

    @Override
    public boolean namesOtherFiles(Path file) throws IOException {
        return MetaImageHeader.read(file).isDetached();
    }

    @Override
    public VolumeHeader readHeader(Path file) throws IOException {
        return MetaImageHeader.read(file).toVolumeHeader();
    }

    @Override
    public Volume read(Path file) throws IOException {
        MetaImageHeader header = MetaImageHeader.read(file);
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
        if (name.toLowerCase(Locale.ROOT).endsWith(DETACHED)) {
            // The voxels first, so that a header always leads to some.
            Path data = file.resolveSibling(name.substring(0, name.length() - DETACHED.length()) + ".zraw");
            AtomicFiles.write(data, out -> deflate(voxels, out));
            AtomicFiles.writeString(
                    file,
                    header(
                            geometry,
                            channels,
                            type,
                            Files.size(data),
                            data.getFileName().toString()));
            return;
        }
        // ITK needs the size of the compressed voxels, which stands before them.
        Path packed = Files.createTempFile("segformer3d", ".zraw");
        try {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(packed))) {
                deflate(voxels, out);
            }
            byte[] header = header(geometry, channels, type, Files.size(packed), "LOCAL")
                    .getBytes(StandardCharsets.UTF_8);
            AtomicFiles.write(file, out -> {
                out.write(header);
                Files.copy(packed, out);
            });
        } finally {
            Files.deleteIfExists(packed);
        }
    }

    private static void deflate(VoxelWriter voxels, OutputStream out) throws IOException {
        Deflater deflater = new Deflater(FastGzip.LEVEL);
        try {
            DeflaterOutputStream packing = new DeflaterOutputStream(out, deflater, 1 << 16);
            voxels.writeTo(packing);
            packing.finish();
        } finally {
            deflater.end();
        }
    }

    private static String header(Geometry geometry, int channels, VoxelType type, long packedBytes, String data) {
        int dimensions = channels > 1 ? 4 : 3;
        Affine affine = geometry.affine();
        Grid size = geometry.size();
        double[] spacing = geometry.spacing();
        StringBuilder matrix = new StringBuilder();
        for (int axis = 0; axis < dimensions; axis++) {
            for (int row = 0; row < dimensions; row++) {
                double direction =
                        axis == 3 || row == 3 ? (axis == row ? 1 : 0) : lps(affine, row, axis) / spacing[axis];
                matrix.append(' ').append(direction);
            }
        }
        String fourth = channels > 1 ? " 1" : "";
        return "ObjectType = Image\nNDims = " + dimensions + "\nBinaryData = True\nBinaryDataByteOrderMSB = False"
                + "\nCompressedData = True\nCompressedDataSize = " + packedBytes
                + "\nTransformMatrix =" + matrix
                + "\nOffset = " + lps(affine, 0, 3) + " " + lps(affine, 1, 3) + " " + lps(affine, 2, 3)
                + (channels > 1 ? " 0" : "")
                + "\nElementSpacing = " + spacing[0] + " " + spacing[1] + " " + spacing[2] + fourth
                + "\nDimSize = " + size.depth() + " " + size.height() + " " + size.width()
                + (channels > 1 ? " " + channels : "")
                + "\nElementType = " + typeName(type) + "\nElementDataFile = " + data + "\n";
    }

    private static double lps(Affine affine, int row, int column) {
        // Adding or subtracting from 0 turns −0 into 0.
        return row < 2 ? 0 - affine.get(row, column) : affine.get(row, column) + 0.0;
    }

    private static String typeName(VoxelType type) {
        return switch (type) {
            case UINT8 -> "MET_UCHAR";
            case INT8 -> "MET_CHAR";
            case UINT16 -> "MET_USHORT";
            case INT16 -> "MET_SHORT";
            case INT32 -> "MET_INT";
            case FLOAT32 -> "MET_FLOAT";
            default -> throw new IllegalArgumentException("not written: " + type);
        };
    }
}
