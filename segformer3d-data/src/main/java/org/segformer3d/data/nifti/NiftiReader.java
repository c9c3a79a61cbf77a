package org.segformer3d.data.nifti;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.segformer3d.data.io.Remarks;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.voxel.VoxelCodec;
import org.segformer3d.data.voxel.VoxelInput;
import org.segformer3d.data.voxel.VoxelLayout;
import org.segformer3d.data.voxel.VoxelSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads NIfTI-1 and NIfTI-2 images: {@code .nii}, {@code .hdr}/{@code .img} pairs, each also gzipped, in both byte orders.
 *
 * <p>Values and affines are those nibabel gives, values rounded to float32; a form that can't be used gives way to the other, with a
 * warning. Every scalar type is read; colour, complex, one-bit and
 * 128-bit types are refused by name. Images have up to three spatial dimensions (missing ones count as 1) and channels along the one
 * further dimension that is longer than 1; two such dimensions are refused. Extensions are skipped. Whether a file is gzipped is seen
 * from its content, and the checksum of a gzipped file is verified.
 *
 * <p>Voxels stream through buffers of a few MB into the resulting array; for all but small images a second thread converts them while
 * the calling one inflates. A header that claims more than the file can hold is refused before memory is taken.
 */
public final class NiftiReader {
    private static final Logger LOG = LoggerFactory.getLogger(NiftiReader.class);

    private NiftiReader() {}

    /**
     * Reads an image.
     *
     * @param file a {@code .nii} file or either file of a pair, also gzipped, never {@code null}
     * @return the scaled values as float32, (C, D, H, W) in the order described at {@link
     *     org.segformer3d.data.volume.Geometry}
     * @throws VolumeFormatException when the file is missing or isn't a readable image; the message says why
     * @throws IOException when reading fails
     */
    public static Volume read(Path file) throws IOException {
        NiftiFiles files = NiftiFiles.locate(file);
        NiftiHeader header;
        try (VoxelInput in = VoxelInput.open(files.header())) {
            header = readHeader(files.header(), in);
            if (files.header().equals(files.voxels())) {
                checkSize(file, files, header, in);
                return readVoxels(files, in, header);
            }
        }
        try (VoxelInput in = VoxelInput.open(files.voxels())) {
            checkSize(file, files, header, in);
            return readVoxels(files, in, header);
        }
    }

    /**
     * Reads a label image and checks that it is one.
     *
     * @param file as for {@link #read}
     * @return whole numbers as float32, one channel
     * @throws VolumeFormatException also when there are several channels, or a value is further than 0.001 from a whole number or its
     *     magnitude exceeds 2²⁴
     * @throws IOException when reading fails
     */
    public static Volume readLabels(Path file) throws IOException {
        try {
            return read(file).asLabels();
        } catch (IllegalStateException e) {
            throw new VolumeFormatException(file, e.getMessage(), e);
        }
    }

    /**
     * Reads the header only; for a pair the {@code .img} need not exist.
     *
     * @param file as for {@link #read}
     * @throws VolumeFormatException when the file is missing or its header isn't readable
     * @throws IOException when reading fails
     */
    public static NiftiHeader readHeader(Path file) throws IOException {
        Path headerFile = NiftiFiles.header(file);
        try (VoxelInput in = VoxelInput.open(headerFile)) {
            return readHeader(headerFile, in);
        }
    }

    private static NiftiHeader readHeader(Path file, VoxelInput in) throws IOException {
        byte[] start = new byte[NiftiHeader.BYTES_1];
        int found = in.read(start, start.length);
        if (found < start.length) {
            throw new VolumeFormatException(
                    file,
                    found == 0
                            ? "an empty file, expected a NIfTI image"
                            : "found only " + found + " bytes, expected a NIfTI header of 348 or 540 bytes");
        }
        int length = NiftiHeader.length(start);
        byte[] all = Arrays.copyOf(start, length);
        if (length > start.length) {
            byte[] rest = new byte[length - start.length];
            found = in.read(rest, rest.length);
            if (found < rest.length) {
                throw new VolumeFormatException(
                        file,
                        "found only " + (start.length + found) + " bytes, expected a NIfTI-2 header of 540 bytes");
            }
            System.arraycopy(rest, 0, all, start.length, rest.length);
        }
        NiftiHeader header = NiftiHeader.parse(file, all);
        header.remark().ifPresent(remark -> Remarks.once(LOG, file + ": " + remark));
        return header;
    }

    /** Refuses what the file cannot hold or Java cannot, before anything is allocated. */
    private static void checkSize(Path file, NiftiFiles files, NiftiHeader header, VoxelInput voxels)
            throws IOException {
        boolean single = files.header().equals(files.voxels());
        if (single && !header.isSingleFile()) {
            throw new VolumeFormatException(
                    file,
                    "its magic says that the voxels are in a separate .img file, but the name isn't that of a .hdr");
        }
        long smallest = single ? (header.version() == 1 ? 352 : 544) : 0;
        if (header.voxelOffset() < smallest) {
            throw new VolumeFormatException(
                    file, "found vox_offset " + header.voxelOffset() + ", expected at least " + smallest);
        }
        long bytes = header.elements() * header.type().bytes();
        long onDisk = voxels.size();
        boolean gzipped = voxels.isPacked();
        // Both terms are at most 2^59, so that the sum cannot overflow.
        if (bytes + header.voxelOffset() > voxels.most()) {
            throw new VolumeFormatException(
                    files.voxels(),
                    "the header claims " + bytes + " bytes of voxels at byte " + header.voxelOffset() + " (" + header
                            + "), but the file has only " + onDisk + " bytes"
                            + (gzipped ? ", which cannot hold so many even compressed" : ""));
        }
        if (header.elements() > Integer.MAX_VALUE - 8) {
            throw new VolumeFormatException(
                    file, "found " + header.elements() + " values, expected at most 2^31 - 9 in one volume");
        }
    }

    private static Volume readVoxels(NiftiFiles files, VoxelInput in, NiftiHeader header) throws IOException {
        Path file = files.voxels();
        long skipped = in.skipTo(header.voxelOffset());
        if (skipped < header.voxelOffset()) {
            throw new VolumeFormatException(
                    file, "truncated: found " + skipped + " bytes, expected voxels from byte " + header.voxelOffset());
        }
        VoxelLayout layout =
                new VoxelLayout((int) header.channels(), header.geometry().size());
        VoxelSource source =
                new VoxelSource(layout, codec(header), in, () -> VoxelSource.array(file, header.elements()));
        long read = source.load();
        long expected = header.elements() * header.type().bytes();
        if (read < expected) {
            throw new VolumeFormatException(
                    file, "truncated: found " + read + " bytes of voxels, expected " + expected + " (" + header + ")");
        }
        in.drain();
        return Volume.of(source.values(), (int) header.channels(), header.geometry());
    }

    private static VoxelCodec codec(NiftiHeader header) {
        return VoxelCodec.scaled(
                header.type().voxelType().orElseThrow(), header.byteOrder(), header.slope(), header.intercept());
    }
}
