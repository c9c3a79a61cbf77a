package org.segformer3d.data.voxel;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/**
 * The members of a gzip file (RFC 1952), inflated straight into the caller's buffers.
 *
 * <p>Unlike {@link java.util.zip.GZIPInputStream} it leaves the checksum to {@link #check}, so that another thread can compute it while
 * this one inflates on. What follows the last member without being one is ignored, as gzip does.
 */
final class GzipInput implements AutoCloseable {
    private static final int INPUT = 1 << 16;
    private static final int HEADER_CRC = 2;
    private static final int EXTRA = 4;
    private static final int NAME = 8;
    private static final int COMMENT = 16;

    /** Where a member ends in the inflated bytes, and what its last eight bytes say. */
    private record Trailer(long end, long crc, long length) {}

    private final InputStream in;
    private final byte[] buffer;
    private int at;
    private int limit;
    private final Inflater inflater = new Inflater(true);
    private final CRC32 headerCrc = new CRC32();
    private long inflated;
    private boolean ended;

    private final Queue<Trailer> trailers = new ConcurrentLinkedQueue<>();
    private final CRC32 crc = new CRC32();
    private long checked;
    private long memberStart;

    /**
     * Reads the first member's header.
     *
     * @param in the file from its start, closed with this
     * @param size the file's size in bytes, to choose the buffer
     */
    GzipInput(InputStream in, long size) throws IOException {
        this.in = in;
        this.buffer = new byte[(int) Math.max(512, Math.min(INPUT, size))];
        try {
            readHeader();
        } catch (IOException e) {
            inflater.end();
            throw e;
        }
    }

    /**
     * Inflates some bytes, not yet checked, and returns how many, or −1 after the last member.
     *
     * @throws EOFException when the file ends within a member
     * @throws ZipException when the data is damaged
     */
    int inflate(byte[] target, int offset, int length) throws IOException {
        while (!ended) {
            int n;
            try {
                n = inflater.inflate(target, offset, length);
            } catch (DataFormatException e) {
                String message = e.getMessage();
                throw new ZipException(message != null ? message : "Invalid ZLIB data format");
            }
            if (n > 0) {
                inflated += n;
                return n;
            }
            if (inflater.finished()) {
                nextMember();
            } else {
                fill();
                inflater.setInput(buffer, at, limit - at);
            }
        }
        return -1;
    }

    /**
     * Adds inflated bytes to the checksum, in the order in which they came; may be another thread's work, with the hand-over of the
     * bytes ordering the two.
     *
     * @throws ZipException when a member that ended before these bytes or within them doesn't agree with its checksum or length
     */
    void check(byte[] bytes, int offset, int length) throws ZipException {
        int from = offset;
        int left = length;
        while (true) {
            Trailer next = trailers.peek();
            int n = next == null ? left : (int) Math.min(left, next.end - checked);
            crc.update(bytes, from, n);
            checked += n;
            from += n;
            left -= n;
            if (next == null || checked < next.end) {
                return;
            }
            if (crc.getValue() != next.crc || (checked - memberStart & 0xffffffffL) != next.length) {
                throw new ZipException("Corrupt GZIP trailer");
            }
            trailers.remove();
            crc.reset();
            memberStart = checked;
        }
    }

    private void nextMember() throws IOException {
        at = limit - inflater.getRemaining();
        trailers.add(new Trailer(inflated, readUnsignedInt(), readUnsignedInt()));
        try {
            readHeader();
        } catch (EOFException | ZipException e) {
            // Padding, or nothing.
            ended = true;
        }
    }

    private void readHeader() throws IOException {
        headerCrc.reset();
        if (readUnsignedShort() != 0x8b1f) {
            throw new ZipException("Not in GZIP format");
        }
        if (readByte() != 8) {
            throw new ZipException("Unsupported compression method");
        }
        int flags = readByte();
        skip(6);
        if ((flags & EXTRA) != 0) {
            skip(readUnsignedShort());
        }
        if ((flags & NAME) != 0) {
            skipText();
        }
        if ((flags & COMMENT) != 0) {
            skipText();
        }
        if ((flags & HEADER_CRC) != 0) {
            int expected = (int) headerCrc.getValue() & 0xffff;
            if (readUnsignedShort() != expected) {
                throw new ZipException("Corrupt GZIP header");
            }
        }
        inflater.reset();
        inflater.setInput(buffer, at, limit - at);
    }

    private void skip(int count) throws IOException {
        for (int n = 0; n < count; n++) {
            readByte();
        }
    }

    private void skipText() throws IOException {
        while (readByte() != 0) {
            // The name or comment isn't used.
        }
    }

    private long readUnsignedInt() throws IOException {
        return readUnsignedShort() | (long) readUnsignedShort() << 16;
    }

    private int readUnsignedShort() throws IOException {
        return readByte() | readByte() << 8;
    }

    private int readByte() throws IOException {
        if (at == limit) {
            fill();
        }
        int value = buffer[at++] & 0xff;
        headerCrc.update(value);
        return value;
    }

    private void fill() throws IOException {
        at = 0;
        limit = Math.max(0, in.read(buffer));
        if (limit == 0) {
            throw new EOFException("Unexpected end of ZLIB input stream");
        }
    }

    @Override
    public void close() throws IOException {
        inflater.end();
        in.close();
    }
}
