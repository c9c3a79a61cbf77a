package org.segformer3d.data.nifti;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.ZipException;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * Reads NIfTI-1 and NIfTI-2 images: {@code .nii}, {@code .hdr}/{@code .img} pairs, each also gzipped, in both byte orders.
 *
 * <p>Values and affines are those nibabel gives, values rounded to float32. Every scalar type is read; colour, complex, one-bit and
 * 128-bit types are refused by name. Images have up to three spatial dimensions (missing ones count as 1) and channels along the one
 * further dimension that is longer than 1; two such dimensions are refused. Extensions are skipped. Whether a file is gzipped is seen
 * from its content, and the checksum of a gzipped file is verified.
 *
 * <p>Voxels stream through buffers of a few MB into the resulting array; for all but small images a second thread converts them while
 * the calling one inflates. A header that claims more than the file can hold is refused before memory is taken.
 */
public final class NiftiReader {
    /** Deflate shrinks data at most 1032-fold. */
    private static final long GZIP_RATIO = 1032;

    private static final int DRAIN = 1 << 16;

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
        try (RawInput in = RawInput.open(files.header())) {
            header = readHeader(files.header(), in);
            if (files.header().equals(files.voxels())) {
                checkSize(file, files, header, in);
                return readVoxels(files, in, header);
            }
        }
        try (RawInput in = RawInput.open(files.voxels())) {
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
        try (RawInput in = RawInput.open(headerFile)) {
            return readHeader(headerFile, in);
        }
    }

    private static NiftiHeader readHeader(Path file, RawInput in) throws IOException {
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
        return NiftiHeader.parse(file, all);
    }

    /** Refuses what the file cannot hold or Java cannot, before anything is allocated. */
    private static void checkSize(Path file, NiftiFiles files, NiftiHeader header, RawInput voxels) throws IOException {
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
        long onDisk = voxels.size;
        boolean gzipped = voxels.gzip != null;
        long most = gzipped ? (onDisk > Long.MAX_VALUE / GZIP_RATIO ? Long.MAX_VALUE : onDisk * GZIP_RATIO) : onDisk;
        // Both terms are at most 2^59, so that the sum cannot overflow.
        if (bytes + header.voxelOffset() > most) {
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

    private static float[] allocate(Path file, NiftiHeader header) throws IOException {
        long bytes = header.elements() * Float.BYTES;
        long limit = Runtime.getRuntime().maxMemory();
        if (bytes < limit) {
            try {
                return new float[(int) header.elements()];
            } catch (OutOfMemoryError e) {
                // An array that doesn't fit leaves the heap as it was, so this is safe to report like any other limit.
            }
        }
        throw new VolumeFormatException(
                file,
                "needs " + (bytes >> 20) + " MiB of memory as float32, but Java may use " + (limit >> 20)
                        + " MiB in all; raise -Xmx");
    }

    private static Volume readVoxels(NiftiFiles files, RawInput in, NiftiHeader header) throws IOException {
        Path file = files.voxels();
        long skipped = in.skipTo(header.voxelOffset());
        if (skipped < header.voxelOffset()) {
            throw new VolumeFormatException(
                    file, "truncated: found " + skipped + " bytes, expected voxels from byte " + header.voxelOffset());
        }
        VoxelLayout layout =
                new VoxelLayout((int) header.channels(), header.geometry().size());
        VoxelSource source = new VoxelSource(layout, VoxelCodec.of(header), in, () -> allocate(file, header));
        long read = source.load();
        long expected = header.elements() * header.type().bytes();
        if (read < expected) {
            throw new VolumeFormatException(
                    file, "truncated: found " + read + " bytes of voxels, expected " + expected + " (" + header + ")");
        }
        in.drain(DRAIN);
        return Volume.of(source.values(), (int) header.channels(), header.geometry());
    }

    /** The bytes of a file, decompressed where need be, with damage reported as a {@link VolumeFormatException}. */
    static final class RawInput implements AutoCloseable {
        private final Path file;
        private final long size;
        private final InputStream in;
        /** {@code null} for a file that isn't gzipped. */
        private final GzipInput gzip;

        private long position;

        private RawInput(Path file, long size, InputStream in, GzipInput gzip) {
            this.file = file;
            this.size = size;
            this.in = in;
            this.gzip = gzip;
        }

        static RawInput open(Path file) throws IOException {
            FileChannel channel = FileChannel.open(file);
            try {
                InputStream in = Channels.newInputStream(channel);
                boolean gzipped = in.read() == 0x1f && in.read() == 0x8b;
                channel.position(0);
                return new RawInput(file, channel.size(), in, gzipped ? new GzipInput(in, channel.size()) : null);
            } catch (EOFException | ZipException e) {
                channel.close();
                throw damaged(file, e);
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        }

        private static VolumeFormatException damaged(Path file, IOException e) {
            return new VolumeFormatException(file, "damaged gzip data: " + e.getMessage(), e);
        }

        /** Reads as many bytes as there are, up to {@code count}, and returns how many. */
        int read(byte[] target, int count) throws IOException {
            int total = readUnchecked(target, count);
            check(target, total);
            return total;
        }

        /** As {@link #read}, but the bytes are still to be passed to {@link #check}. */
        int readUnchecked(byte[] target, int count) throws IOException {
            int total = 0;
            while (total < count) {
                int n = readSome(target, total, Math.min(count - total, 1 << 20));
                if (n < 0) {
                    break;
                }
                total += n;
                position += n;
            }
            return total;
        }

        /** Adds bytes to a gzipped file's checksum; may be another thread's work, block by block in order. */
        void check(byte[] bytes, int count) throws IOException {
            if (gzip == null) {
                return;
            }
            try {
                gzip.check(bytes, 0, count);
            } catch (ZipException e) {
                throw damaged(file, e);
            }
        }

        private int readSome(byte[] target, int offset, int length) throws IOException {
            if (gzip == null) {
                return in.read(target, offset, length);
            }
            try {
                return gzip.inflate(target, offset, length);
            } catch (EOFException e) {
                return -1;
            } catch (ZipException e) {
                throw damaged(file, e);
            }
        }

        /** Skips forward and returns the position reached, which is less only at the end of the file. */
        long skipTo(long target) throws IOException {
            byte[] scratch = new byte[(int) Math.min(1 << 16, Math.max(1, target - position))];
            while (position < target) {
                if (read(scratch, (int) Math.min(scratch.length, target - position)) == 0) {
                    break;
                }
            }
            return position;
        }

        /** Reads on to the end of gzipped data, if that is near, because the checksum is compared only there. */
        void drain(int most) throws IOException {
            if (gzip == null) {
                return;
            }
            byte[] scratch = new byte[8192];
            try {
                for (int total = 0; total < most; ) {
                    int n = gzip.inflate(scratch, 0, scratch.length);
                    gzip.check(scratch, 0, Math.max(0, n));
                    if (n < 0) {
                        return;
                    }
                    total += n;
                }
            } catch (ZipException | EOFException e) {
                throw damaged(file, e);
            }
        }

        @Override
        public void close() throws IOException {
            if (gzip != null) {
                gzip.close();
            } else {
                in.close();
            }
        }
    }
}
