package org.segformer3d.data.voxel;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;
import org.segformer3d.data.volume.VolumeFormatException;

/** The bytes of a file, decompressed where need be, with damage reported as a {@link VolumeFormatException}. */
public final class VoxelInput implements AutoCloseable {
    /** Deflate, which gzip and zlib use, shrinks data at most 1032-fold. */
    static final long DEFLATE_RATIO = 1032;

    private static final int DRAIN = 1 << 16;

    /** How bytes are compressed. */
    public enum Packing {
        /** Not at all. */
        NONE,
        /** RFC 1952. */
        GZIP,
        /** RFC 1950. */
        ZLIB
    }

    private final Path file;
    private final long size;
    private final Packing packing;
    private final InputStream in;
    /** {@code null} for bytes that aren't gzipped. */
    private final GzipInput gzip;

    private long position;

    private VoxelInput(Path file, long size, Packing packing, InputStream in, GzipInput gzip) {
        this.file = file;
        this.size = size;
        this.packing = packing;
        this.in = in;
        this.gzip = gzip;
    }

    /** Opens a whole file, gunzipping it where its first two bytes are gzip's. */
    public static VoxelInput open(Path file) throws IOException {
        Packing packing;
        try (InputStream in = java.nio.file.Files.newInputStream(file)) {
            packing = in.read() == 0x1f && in.read() == 0x8b ? Packing.GZIP : Packing.NONE;
        }
        return open(file, 0, packing);
    }

    /**
     * Opens a part of a file.
     *
     * @param from where it starts, in the file as it is
     */
    public static VoxelInput open(Path file, long from, Packing packing) throws IOException {
        FileChannel channel = FileChannel.open(file);
        try {
            channel.position(from);
            long size = Math.max(0, channel.size() - from);
            InputStream in = Channels.newInputStream(channel);
            return switch (packing) {
                case NONE -> new VoxelInput(file, size, packing, in, null);
                case GZIP -> new VoxelInput(file, size, packing, in, new GzipInput(in, size));
                case ZLIB -> new VoxelInput(file, size, packing, new InflaterInputStream(in), null);
            };
        } catch (EOFException | ZipException e) {
            channel.close();
            throw damaged(file, packing, e);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    /**
     * Wraps bytes that several files give together.
     *
     * @param file for messages
     * @param size how many there are
     */
    static VoxelInput of(Path file, long size, InputStream in) {
        return new VoxelInput(file, size, Packing.NONE, in, null);
    }

    private static VolumeFormatException damaged(Path file, Packing packing, IOException e) {
        return new VolumeFormatException(
                file, "damaged " + (packing == Packing.ZLIB ? "zlib" : "gzip") + " data: " + e.getMessage(), e);
    }

    /** Returns how many bytes the file has from where this started. */
    public long size() {
        return size;
    }

    /** Returns whether the bytes are compressed. */
    public boolean isPacked() {
        return packing != Packing.NONE;
    }

    /** Returns the most bytes that can come of it, whatever is in the file. */
    public long most() {
        return !isPacked() ? size : size > Long.MAX_VALUE / DEFLATE_RATIO ? Long.MAX_VALUE : size * DEFLATE_RATIO;
    }

    /** Reads as many bytes as there are, up to {@code count}, and returns how many. */
    public int read(byte[] target, int count) throws IOException {
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
            throw damaged(file, packing, e);
        }
    }

    private int readSome(byte[] target, int offset, int length) throws IOException {
        try {
            return gzip == null ? in.read(target, offset, length) : gzip.inflate(target, offset, length);
        } catch (EOFException e) {
            return -1;
        } catch (ZipException e) {
            throw damaged(file, packing, e);
        }
    }

    /** Skips forward and returns the position reached, which is less only at the end of the file. */
    public long skipTo(long target) throws IOException {
        byte[] scratch = new byte[(int) Math.min(1 << 16, Math.max(1, target - position))];
        while (position < target) {
            if (read(scratch, (int) Math.min(scratch.length, target - position)) == 0) {
                break;
            }
        }
        return position;
    }

    /** Reads on to the end of compressed data, if that is near, because the checksum is compared only there. */
    public void drain() throws IOException {
        if (!isPacked()) {
            return;
        }
        byte[] scratch = new byte[8192];
        try {
            for (int total = 0; total < DRAIN; ) {
                int n = gzip == null ? in.read(scratch) : gzip.inflate(scratch, 0, scratch.length);
                if (gzip != null) {
                    gzip.check(scratch, 0, Math.max(0, n));
                }
                if (n < 0) {
                    return;
                }
                total += n;
            }
        } catch (ZipException | EOFException e) {
            throw damaged(file, packing, e);
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
