package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * The entries of a zip file and where their bytes lie, from its central directory.
 *
 * <p>PyTorch stores without compression; knowing positions then saves inflating, copying, and trusting any size that the file
 * merely claims.
 *
 * @see <a href="https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT">the format's description</a>
 */
final class ZipDirectory {
    private static final int END_SIGNATURE = 0x06054b50;
    private static final int END_SIZE = 22;
    private static final int MAX_COMMENT = 0xffff;
    private static final int LOCATOR_SIGNATURE = 0x07064b50;
    private static final int LOCATOR_SIZE = 20;
    private static final int END64_SIGNATURE = 0x06064b50;
    private static final int END64_SIZE = 56;
    private static final int ENTRY_SIGNATURE = 0x02014b50;
    private static final int ENTRY_SIZE = 46;
    private static final int LOCAL_SIGNATURE = 0x04034b50;
    private static final int LOCAL_SIZE = 30;
    private static final int ZIP64_EXTRA = 1;
    private static final long SEE_ZIP64 = 0xffffffffL;

    private final ByteSource source;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    /**
     * One file in the archive.
     *
     * @param name its path
     * @param method 0 when stored without compression
     * @param flags bit 0 is set when encrypted
     * @param crc CRC-32 of its bytes; PyTorch can be told to write 0 instead
     * @param size number of bytes
     * @param header position of its local header
     */
    record Entry(String name, int method, int flags, int crc, long size, long header) {}

    private ZipDirectory(ByteSource source) {
        this.source = source;
    }

    /** Reads the central directory. */
    static ZipDirectory read(ByteSource source) throws IOException {
        ZipDirectory directory = new ZipDirectory(source);
        directory.readEntries();
        return directory;
    }

    /** Returns the entries by name, in the directory's order. */
    Map<String, Entry> entries() {
        return entries;
    }

    /** Returns where the bytes of a stored entry begin, having checked that all of them are inside the file. */
    long position(Entry entry) throws IOException {
        if ((entry.flags & 1) != 0 || entry.method != 0) {
            throw new UnsupportedFileException(
                    source.name(),
                    "entry '" + entry.name + "' is " + ((entry.flags & 1) != 0 ? "encrypted" : "compressed")
                            + ", expected it stored as PyTorch does; unpack the file and pack it with zip -0");
        }
        if (entry.header < 0 || entry.header > source.size() - LOCAL_SIZE) {
            throw corrupt("entry '" + entry.name + "' begins outside the file");
        }
        ByteBuffer local = source.bytes(entry.header, LOCAL_SIZE);
        if (local.getInt(0) != LOCAL_SIGNATURE) {
            throw corrupt("entry '" + entry.name + "' has no header at byte " + entry.header);
        }
        long position = entry.header + LOCAL_SIZE + unsigned(local.getShort(26)) + unsigned(local.getShort(28));
        if (entry.size < 0 || position > source.size() - entry.size) {
            throw corrupt("entry '" + entry.name + "' of " + entry.size + " bytes reaches past the end of the file");
        }
        return position;
    }

    private void readEntries() throws IOException {
        long end = findEnd();
        ByteBuffer record = source.bytes(end, END_SIZE);
        long count = unsigned(record.getShort(10));
        long size = Integer.toUnsignedLong(record.getInt(12));
        long begin = Integer.toUnsignedLong(record.getInt(16));
        if (end >= LOCATOR_SIZE) {
            ByteBuffer locator = source.bytes(end - LOCATOR_SIZE, LOCATOR_SIZE);
            if (locator.getInt(0) == LOCATOR_SIGNATURE) {
                long end64 = locator.getLong(8);
                if (end64 < 0 || end64 > source.size() - END64_SIZE) {
                    throw corrupt("its zip64 record lies outside the file");
                }
                ByteBuffer record64 = source.bytes(end64, END64_SIZE);
                if (record64.getInt(0) != END64_SIGNATURE) {
                    throw corrupt("it has no zip64 record at byte " + end64);
                }
                count = record64.getLong(32);
                size = record64.getLong(40);
                begin = record64.getLong(48);
            }
        }
        if (begin < 0 || size < 0 || size > Integer.MAX_VALUE || begin > source.size() - size) {
            throw corrupt("its directory of " + size + " bytes at " + begin + " lies outside the file");
        }
        if (count < 0 || count > size / ENTRY_SIZE) {
            throw corrupt("it claims " + count + " entries in a directory of " + size + " bytes");
        }
        ByteBuffer directory = source.bytes(begin, (int) size);
        for (long i = 0; i < count; i++) {
            Entry entry = entry(directory);
            if (entries.put(entry.name, entry) != null) {
                throw corrupt("it holds two entries named '" + entry.name + "'");
            }
        }
    }

    private long findEnd() throws IOException {
        int length = (int) Math.min(source.size(), END_SIZE + MAX_COMMENT);
        ByteBuffer tail = source.bytes(source.size() - length, length);
        for (int at = length - END_SIZE; at >= 0; at--) {
            if (tail.getInt(at) == END_SIGNATURE && at + END_SIZE + unsigned(tail.getShort(at + 20)) <= length) {
                return source.size() - length + at;
            }
        }
        throw corrupt("starts like a zip file and has no directory at its end: it is truncated; copy it again");
    }

    private Entry entry(ByteBuffer directory) throws IOException {
        if (directory.remaining() < ENTRY_SIZE || directory.getInt(directory.position()) != ENTRY_SIGNATURE) {
            throw corrupt("its directory is damaged");
        }
        int at = directory.position();
        int flags = unsigned(directory.getShort(at + 8));
        int method = unsigned(directory.getShort(at + 10));
        int crc = directory.getInt(at + 16);
        long compressed = Integer.toUnsignedLong(directory.getInt(at + 20));
        long size = Integer.toUnsignedLong(directory.getInt(at + 24));
        int nameLength = unsigned(directory.getShort(at + 28));
        int extraLength = unsigned(directory.getShort(at + 30));
        int commentLength = unsigned(directory.getShort(at + 32));
        long header = Integer.toUnsignedLong(directory.getInt(at + 42));
        if (directory.remaining() < ENTRY_SIZE + nameLength + extraLength + commentLength) {
            throw corrupt("its directory is damaged");
        }
        byte[] name = new byte[nameLength];
        directory.get(at + ENTRY_SIZE, name);
        String text = new String(name, StandardCharsets.UTF_8);

        int extra = at + ENTRY_SIZE + nameLength;
        int extraEnd = extra + extraLength;
        while (extraEnd - extra >= 4) {
            int id = unsigned(directory.getShort(extra));
            int length = unsigned(directory.getShort(extra + 2));
            int field = extra + 4;
            extra = field + length;
            if (extra > extraEnd) {
                throw corrupt("entry '" + text + "' has a damaged extra field");
            }
            if (id == ZIP64_EXTRA) {
                // Only those of the three that didn't fit are there, in this order.
                if (size == SEE_ZIP64 && extra - field >= 8) {
                    size = directory.getLong(field);
                    field += 8;
                }
                if (compressed == SEE_ZIP64 && extra - field >= 8) {
                    compressed = directory.getLong(field);
                    field += 8;
                }
                if (header == SEE_ZIP64 && extra - field >= 8) {
                    header = directory.getLong(field);
                }
            }
        }
        if (method == 0 && size != compressed) {
            throw corrupt("entry '" + text + "' is stored and has two sizes, " + compressed + " and " + size);
        }
        directory.position(extraEnd + commentLength);
        return new Entry(text, method, flags, crc, size, header);
    }

    private static int unsigned(short value) {
        return Short.toUnsignedInt(value);
    }

    private CorruptFileException corrupt(String problem) {
        return new CorruptFileException(source.name(), problem);
    }
}
