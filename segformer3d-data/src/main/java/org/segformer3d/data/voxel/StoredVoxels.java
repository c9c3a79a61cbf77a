package org.segformer3d.data.voxel;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VoxelType;

/**
 * Where and how an image's voxels are stored, for formats whose headers say so in words.
 *
 * @param header the file that says it, for messages
 * @param files what holds the voxels, in order, each an equal part; the header's file itself where they follow the header
 * @param offset the byte of each file at which voxels start, or −1 where they are its last bytes
 * @param lineSkip how many lines from there are skipped
 * @param byteSkip how many bytes then, after decompressing
 * @param encoding how they are written
 * @param type what one is
 * @param order in which its bytes stand
 * @param size of the image
 * @param channels how many
 * @param channelAxis how many spatial axes run faster than channels
 */
public record StoredVoxels(
        Path header,
        List<Path> files,
        long offset,
        int lineSkip,
        long byteSkip,
        Encoding encoding,
        VoxelType type,
        ByteOrder order,
        Grid size,
        int channels,
        int channelAxis) {
    /** The longest number that is read from text. */
    private static final int LONGEST_NUMBER = 400;

    /** How voxels are written. */
    public enum Encoding {
        /** As bytes. */
        RAW,
        /** As gzipped bytes. */
        GZIP,
        /** As bytes compressed as zlib does. */
        ZLIB,
        /** As decimal numbers separated by white space. */
        TEXT;

        private VoxelInput.Packing packing() {
            return switch (this) {
                case GZIP -> VoxelInput.Packing.GZIP;
                case ZLIB -> VoxelInput.Packing.ZLIB;
                default -> VoxelInput.Packing.NONE;
            };
        }
    }

    /** Copies. */
    public StoredVoxels {
        files = List.copyOf(files);
    }

    private long elements() {
        return (long) size.depth() * size.height() * size.width() * channels;
    }

    /**
     * Reads all of them.
     *
     * @return channels × D × H × W values in C order
     * @throws VolumeFormatException when there are too few, they are damaged or more than fit
     * @throws IOException when reading fails
     */
    public float[] read() throws IOException {
        if (elements() > Integer.MAX_VALUE - 8) {
            throw new VolumeFormatException(
                    header, "found " + elements() + " values, expected at most 2^31 - 9 in one volume");
        }
        if (elements() % files.size() != 0) {
            throw new VolumeFormatException(
                    header,
                    "found " + files.size() + " files of voxels, among which " + elements()
                            + " values can't be shared out equally");
        }
        for (Path file : files) {
            requireRoom(file);
        }
        VoxelLayout layout = new VoxelLayout(channels, size, channelAxis);
        try {
            return encoding == Encoding.TEXT ? readText(layout) : readBytes(layout);
        } catch (EOFException e) {
            throw new VolumeFormatException(
                    header, "truncated: what is to be skipped before the voxels is longer than the file", e);
        }
    }

    private long each() {
        return elements() / files.size() * (encoding == Encoding.TEXT ? 1 : type.bytes());
    }

    /** Refuses what a file can't hold, before memory is taken. */
    private void requireRoom(Path file) throws IOException {
        long there = Files.size(file) - Math.max(0, offset);
        // Numbers have one digit at least, and something between them.
        boolean fits = switch (encoding) {
            case TEXT -> there >= 2 * each() - 1;
            case RAW -> there >= each() + byteSkip;
            default -> there > 0 && there >= (each() + byteSkip) / VoxelInput.DEFLATE_RATIO;
        };
        if (!fits) {
            throw new VolumeFormatException(
                    file,
                    "truncated: found " + Math.max(0, there) + " bytes, expected " + each()
                            + (encoding == Encoding.TEXT ? " numbers" : " bytes")
                            + (encoding.packing() == VoxelInput.Packing.NONE ? "" : ", which so few can't hold") + " ("
                            + size + " voxels of " + type + (channels == 1 ? "" : ", " + channels + " channels") + ")");
        }
    }

    private float[] readBytes(VoxelLayout layout) throws IOException {
        VoxelCodec codec = VoxelCodec.of(type, order);
        try (VoxelInput in = files.size() == 1
                ? open(files.get(0))
                : VoxelInput.of(header, elements() * type.bytes(), new Parts())) {
            VoxelSource source = new VoxelSource(layout, codec, in, () -> VoxelSource.array(header, elements()));
            long read = source.load();
            if (read < elements() * type.bytes()) {
                throw truncated(files.get(0), read, elements() * type.bytes());
            }
            in.drain();
            return source.values();
        }
    }

    private VolumeFormatException truncated(Path file, long found, long expected) {
        return new VolumeFormatException(
                file, "truncated: found " + found + " bytes of voxels, expected " + expected + " of " + type);
    }

    /** Opens one file at its first voxel. */
    private VoxelInput open(Path file) throws IOException {
        if (offset < 0) {
            return VoxelInput.open(file, Files.size(file) - each(), VoxelInput.Packing.NONE);
        }
        VoxelInput in = VoxelInput.open(file, afterLines(file), encoding.packing());
        try {
            if (in.skipTo(byteSkip) < byteSkip) {
                throw new VolumeFormatException(
                        file, "truncated: expected voxels after " + byteSkip + " bytes that are to be skipped");
            }
            return in;
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }

    private long afterLines(Path file) throws IOException {
        if (lineSkip == 0) {
            return offset;
        }
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            in.skipNBytes(offset);
            long at = offset;
            for (int line = 0; line < lineSkip; ) {
                int b = in.read();
                if (b < 0) {
                    throw new VolumeFormatException(
                            file, "truncated: found " + line + " lines, expected " + lineSkip + " before the voxels");
                }
                at++;
                line += b == '\n' ? 1 : 0;
            }
            return at;
        }
    }

    /** The voxels of several files one after the other, of each file no more than its share. */
    private final class Parts extends InputStream {
        private int next;
        private VoxelInput in;
        private long left;

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int from, int length) throws IOException {
            if (left == 0) {
                close();
                if (next == files.size()) {
                    return -1;
                }
                in = open(files.get(next++));
                left = each();
            }
            byte[] bytes = new byte[(int) Math.min(length, Math.min(left, 1 << 16))];
            int n = in.read(bytes, bytes.length);
            if (n == 0) {
                throw truncated(files.get(next - 1), each() - left, each());
            }
            System.arraycopy(bytes, 0, target, from, n);
            left -= n;
            return n;
        }

        @Override
        public void close() throws IOException {
            if (in != null) {
                in.drain();
                in.close();
                in = null;
            }
        }
    }

    private float[] readText(VoxelLayout layout) throws IOException {
        float[] values = VoxelSource.array(header, elements());
        try (Numbers numbers = new Numbers()) {
            long found = layout.fromFileByRuns(values, numbers::next);
            if (found < elements()) {
                throw new VolumeFormatException(
                        files.get(files.size() - 1), "truncated: found " + found + " numbers, expected " + elements());
            }
        }
        return values;
    }

    /** The numbers in the files' text. */
    private final class Numbers implements AutoCloseable {
        private int file;
        private InputStream in;
        private final StringBuilder token = new StringBuilder();

        int next(float[] block, int count) throws IOException {
            for (int n = 0; n < count; n++) {
                if (!readToken()) {
                    return n;
                }
                double value;
                try {
                    value = parse();
                } catch (NumberFormatException e) {
                    throw unexpected();
                }
                if (!type.holds(value)) {
                    throw unexpected();
                }
                block[n] = (float) value;
            }
            return count;
        }

        /** Reads numbers as C's functions write them, which Java knows with the exception of its own letters. */
        private double parse() {
            String text = token.toString().toLowerCase(java.util.Locale.ROOT);
            String plain = text.startsWith("-") || text.startsWith("+") ? text.substring(1) : text;
            if (plain.equals("nan")) {
                return Double.NaN;
            }
            if (plain.equals("inf") || plain.equals("infinity")) {
                return text.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
            }
            if (!plain.chars().allMatch(c -> c >= '0' && c <= '9' || c == '.' || c == 'e' || c == '+' || c == '-')) {
                throw new NumberFormatException(text);
            }
            return Double.parseDouble(text);
        }

        private VolumeFormatException unexpected() {
            return new VolumeFormatException(
                    files.get(file - 1),
                    "found '" + token.substring(0, Math.min(40, token.length()))
                            + "' among the voxels, expected a number of type " + type);
        }

        private boolean readToken() throws IOException {
            token.setLength(0);
            while (true) {
                if (in == null) {
                    if (file == files.size()) {
                        return false;
                    }
                    Path path = files.get(file++);
                    in = new BufferedInputStream(Files.newInputStream(path));
                    in.skipNBytes(afterLines(path) + byteSkip);
                }
                int b = in.read();
                boolean space = b < 0 || b <= ' ';
                if (b < 0) {
                    close();
                }
                if (!space) {
                    token.append((char) b);
                    if (token.length() > LONGEST_NUMBER) {
                        throw unexpected();
                    }
                } else if (!token.isEmpty()) {
                    return true;
                }
            }
        }

        @Override
        public void close() throws IOException {
            if (in != null) {
                in.close();
                in = null;
            }
        }
    }
}
