package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.segformer3d.data.io.CorruptFileException;

/** Reads a part of a file from front to back, never past its end and never allocating more than it holds. */
final class PickleInput {
    private static final int BUFFER = 1 << 14;

    private final ByteSource source;
    private final long end;
    private final ByteBuffer buffer;
    /** Position in the source of the byte behind the buffer's last one. */
    private long filled;

    PickleInput(ByteSource source, long begin, long end) {
        this.source = source;
        this.end = end;
        this.filled = begin;
        this.buffer = ByteBuffer.allocate((int) Math.min(BUFFER, Math.max(1, end - begin)))
                .order(ByteOrder.LITTLE_ENDIAN);
        buffer.limit(0);
    }

    String name() {
        return source.name();
    }

    /** Returns the position of the next byte in the source. */
    long position() {
        return filled - buffer.remaining();
    }

    /** Returns the number of bytes not read yet. */
    long remaining() {
        return end - position();
    }

    /** Returns an exception about the place that was reached. */
    CorruptFileException corrupt(String problem) {
        return new CorruptFileException(source.name(), "malformed pickle near byte " + position() + ": " + problem);
    }

    int unsignedByte() throws IOException {
        require(1);
        return buffer.get() & 0xff;
    }

    int unsignedShort() throws IOException {
        require(2);
        return buffer.getShort() & 0xffff;
    }

    int signedInt() throws IOException {
        require(4);
        return buffer.getInt();
    }

    long signedLong() throws IOException {
        require(8);
        return buffer.getLong();
    }

    double bigEndianDouble() throws IOException {
        require(8);
        return Double.longBitsToDouble(Long.reverseBytes(buffer.getLong()));
    }

    /** Returns the next bytes; fails before allocating when there are fewer. */
    byte[] bytes(long length) throws IOException {
        if (length < 0 || length > remaining() || length > Integer.MAX_VALUE - 8) {
            throw corrupt("found a length of " + Long.toUnsignedString(length) + " with " + remaining()
                    + " bytes left, expected no more than that");
        }
        byte[] bytes = new byte[(int) length];
        int buffered = Math.min(bytes.length, buffer.remaining());
        buffer.get(bytes, 0, buffered);
        if (buffered < bytes.length) {
            source.read(filled, ByteBuffer.wrap(bytes, buffered, bytes.length - buffered));
            filled += bytes.length - buffered;
        }
        return bytes;
    }

    String utf8(long length) throws IOException {
        byte[] bytes = bytes(length);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw corrupt("a text isn't UTF-8");
        }
    }

    String latin1(long length) throws IOException {
        return new String(bytes(length), StandardCharsets.ISO_8859_1);
    }

    /** Returns the text up to the next line feed, which is consumed, each byte as one character. */
    String line() throws IOException {
        byte[] line = new byte[64];
        int length = 0;
        for (int b = unsignedByte(); b != '\n'; b = unsignedByte()) {
            if (length == line.length) {
                line = Arrays.copyOf(line, length * 2);
            }
            line[length++] = (byte) b;
        }
        return new String(line, 0, length, StandardCharsets.ISO_8859_1);
    }

    /** Continues at a later position of the source. */
    void skipTo(long position) {
        filled = position;
        buffer.limit(0);
    }

    private void require(int bytes) throws IOException {
        if (buffer.remaining() >= bytes) {
            return;
        }
        if (remaining() < bytes) {
            throw corrupt("the file ends here; copy it again");
        }
        buffer.compact();
        buffer.limit((int) Math.min(buffer.capacity(), buffer.position() + (end - filled)));
        long position = filled;
        filled += buffer.remaining();
        source.read(position, buffer);
        buffer.flip();
    }
}
