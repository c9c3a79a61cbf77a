package org.segformer3d.data.nifti;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;

/** NIfTI-1 and NIfTI-2, see {@link NiftiReader} and {@link NiftiWriter}. */
public final class NiftiFormat implements VolumeFormat {
    /** Creates the format, which has no state. */
    public NiftiFormat() {}

    @Override
    public String name() {
        return "NIfTI";
    }

    @Override
    public List<String> endings() {
        return List.of(".nii.gz", ".nii", ".hdr.gz", ".hdr");
    }

    @Override
    public List<String> resultEndings() {
        return List.of(".nii.gz", ".nii");
    }

    @Override
    public List<String> voxelEndings() {
        return List.of(".img.gz", ".img");
    }

    @Override
    public boolean recognises(byte[] start) {
        if (start.length < NiftiHeader.BYTES_1) {
            return false;
        }
        int size = ByteBuffer.wrap(start).getInt();
        String magic1 = new String(start, 344, 4, StandardCharsets.ISO_8859_1);
        String magic2 = new String(start, 4, 4, StandardCharsets.ISO_8859_1);
        // By the stated size alone it may be ANALYZE, which the reader refuses by that name.
        return List.of("n+1\0", "ni1\0").contains(magic1)
                || List.of("n+2\0", "ni2\0").contains(magic2)
                || size == NiftiHeader.BYTES_1
                || Integer.reverseBytes(size) == NiftiHeader.BYTES_1;
    }

    @Override
    public VolumeHeader readHeader(Path file) throws IOException {
        NiftiHeader header = NiftiReader.readHeader(file);
        for (int axis = 0; axis < 3; axis++) {
            if (header.size(axis) > Integer.MAX_VALUE) {
                throw new VolumeFormatException(file, "found " + header + ", expected at most 2^31 - 1 along an axis");
            }
        }
        return new VolumeHeader(
                header.format(),
                header.geometry(),
                true,
                header.channels(),
                header.voxelOffset(),
                NiftiFiles.all(file),
                header.toString());
    }

    @Override
    public Volume read(Path file) throws IOException {
        return NiftiReader.read(file);
    }

    @Override
    public List<VoxelType> labelTypes() {
        return NiftiWriter.LABEL_TYPES;
    }

    @Override
    public void write(Path file, Geometry geometry, int channels, VoxelType type, ChannelSource source)
            throws IOException {
        NiftiWriter.write(file, geometry, channels, type, source);
    }
}
