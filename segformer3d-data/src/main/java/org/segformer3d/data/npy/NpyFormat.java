package org.segformer3d.data.npy;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.zip.ZipException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.volume.VolumeFormatException;

/** The .npy format (versions 1 to 3) on streams. */
final class NpyFormat {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int LONGEST_HEADER = 1 << 20;
    private static final int CHUNK = 1 << 16;

    private NpyFormat() {}

    /**
     * Reads one array.
     *
     * @param file for messages
     * @param in the stream
     * @param available an upper bound of the bytes the stream can give, against which the claimed size is checked
     */
    static HostTensor read(Path file, InputStream in, long available) throws IOException {
        CountedHeader counted = readHeader(file, in, available);
        return readElements(file, in, counted.header, available - counted.bytes);
    }

    /** A header and how many bytes it took. */
    record CountedHeader(NpyHeader header, long bytes) {}

    /** Reads what comes before the elements. */
    static CountedHeader readHeader(Path file, InputStream in, long available) throws IOException {
        byte[] start = readFully(file, in, 8, "the magic of a .npy file");
        for (int n = 0; n < MAGIC.length; n++) {
            if (start[n] != MAGIC[n]) {
                throw new VolumeFormatException(file, "not a .npy file: its first bytes aren't \\x93NUMPY");
            }
        }
        int version = start[6];
        if (version < 1 || version > 3) {
            throw new VolumeFormatException(file, "found .npy version " + (version & 0xff) + ", expected 1, 2 or 3");
        }
        byte[] sizeBytes = readFully(file, in, version == 1 ? 2 : 4, "the length of the header");
        ByteBuffer size = ByteBuffer.wrap(sizeBytes).order(ByteOrder.LITTLE_ENDIAN);
        long length = version == 1 ? size.getShort() & 0xffff : size.getInt() & 0xffffffffL;
        if (length > available) {
            throw new VolumeFormatException(
                    file, "truncated: found at most " + available + " bytes, expected a header of " + length);
        }
        if (length > LONGEST_HEADER) {
            throw new VolumeFormatException(
                    file, "found a header of " + length + " bytes, expected at most " + LONGEST_HEADER);
        }
        byte[] text = readFully(file, in, (int) length, "the header");
        NpyHeader header = NpyHeader.parse(
                file, new String(text, version == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1));
        return new CountedHeader(header, 8 + sizeBytes.length + length);
    }

    private static byte[] readFully(Path file, InputStream in, int count, String what) throws IOException {
        byte[] bytes = new byte[count];
        int found = readUpTo(file, in, bytes, count);
        if (found < count) {
            throw new VolumeFormatException(
                    file, "truncated: found " + found + " bytes, expected " + count + " of " + what);
        }
        return bytes;
    }

    private static int readUpTo(Path file, InputStream in, byte[] target, int count) throws IOException {
        try {
            return in.readNBytes(target, 0, count);
        } catch (EOFException | ZipException e) {
            throw new VolumeFormatException(file, "damaged compressed data: " + e.getMessage(), e);
        }
    }

    private static HostTensor readElements(Path file, InputStream in, NpyHeader header, long available)
            throws IOException {
        long elements = header.elements();
        String claim = Shapes.text(header.shape()) + " elements of " + header.bytes() + " bytes";
        if (elements > available / header.bytes()) {
            throw new VolumeFormatException(
                    file, "truncated: the header claims " + claim + ", but there are at most " + available + " bytes");
        }
        DType dtype = header.dtype();
        if (elements > Integer.MAX_VALUE / dtype.bytes()) {
            throw new VolumeFormatException(file, "found " + claim + ", expected at most 2 GiB as " + dtype);
        }
        HostTensor tensor;
        try {
            tensor = HostTensor.zeros(dtype, header.shape());
        } catch (OutOfMemoryError e) {
            throw new VolumeFormatException(
                    file,
                    "needs " + (elements * dtype.bytes() >> 20) + " MiB of memory, which Java may not take; raise -Xmx",
                    e);
        }
        ByteBuffer target = tensor.bytes();
        byte[] chunk = new byte[CHUNK];
        ByteBuffer source = ByteBuffer.wrap(chunk).order(header.order());
        // Fortran order is undone while streaming: an odometer over the axes, the first one fastest, gives each
        // element's place.
        long[] shape = header.shape();
        long[] index = new long[shape.length];
        long[] stride = new long[shape.length];
        long step = 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            stride[axis] = step;
            step *= shape[axis];
        }
        int at = 0;
        for (long done = 0; done < elements; ) {
            int count = (int) Math.min(CHUNK / header.bytes(), elements - done);
            int bytes = count * header.bytes();
            if (readUpTo(file, in, chunk, bytes) < bytes) {
                throw new VolumeFormatException(
                        file, "truncated: the header claims " + claim + ", the data ends before");
            }
            if (header.isVerbatim()) {
                target.put(chunk, 0, bytes);
            } else {
                for (int n = 0; n < count; n++) {
                    copy(file, header, source, n, target, at);
                    if (!header.fortran()) {
                        at++;
                        continue;
                    }
                    for (int axis = 0; axis < shape.length; axis++) {
                        at += (int) stride[axis];
                        if (++index[axis] < shape[axis]) {
                            break;
                        }
                        at -= (int) (stride[axis] * shape[axis]);
                        index[axis] = 0;
                    }
                }
            }
            done += count;
        }
        return tensor;
    }

    private static void copy(Path file, NpyHeader header, ByteBuffer source, int from, ByteBuffer target, int to)
            throws VolumeFormatException {
        boolean unsigned = header.kind() == 'u';
        switch (header.bytes()) {
            case 1 -> target.put(to, source.get(from));
            case 2 -> {
                short value = source.getShort(from * 2);
                if (unsigned) {
                    target.putInt(to * 4, value & 0xffff);
                } else {
                    target.putShort(to * 2, value);
                }
            }
            case 4 -> {
                int value = source.getInt(from * 4);
                if (unsigned) {
                    target.putLong(to * 8, value & 0xffffffffL);
                } else {
                    target.putInt(to * 4, value);
                }
            }
            default -> {
                long value = source.getLong(from * 8);
                if (unsigned && value < 0) {
                    throw new VolumeFormatException(
                            file, "found the number " + Long.toUnsignedString(value) + ", expected at most 2^63 - 1");
                }
                target.putLong(to * 8, value);
            }
        }
    }

    /** Writes one array in version 1, little-endian and in C order. */
    static void write(HostTensor tensor, OutputStream out) throws IOException {
        String descr = descr(tensor.dtype());
        StringBuilder header = new StringBuilder("{'descr': '" + descr + "', 'fortran_order': False, 'shape': (");
        long[] shape = tensor.shape();
        for (int axis = 0; axis < shape.length; axis++) {
            header.append(axis == 0 ? "" : " ")
                    .append(shape[axis])
                    .append(axis < shape.length - 1 || axis == 0 ? "," : "");
        }
        header.append("), }");
        // The elements start at a multiple of 64 bytes, so that they can be mapped into memory.
        int start = MAGIC.length + 4;
        while ((start + header.length() + 1) % 64 != 0) {
            header.append(' ');
        }
        header.append('\n');
        out.write(MAGIC);
        out.write(new byte[] {1, 0, (byte) header.length(), (byte) (header.length() >> 8)});
        out.write(header.toString().getBytes(StandardCharsets.ISO_8859_1));
        ByteBuffer bytes = tensor.bytes();
        byte[] chunk = new byte[CHUNK];
        while (bytes.hasRemaining()) {
            int count = Math.min(CHUNK, bytes.remaining());
            bytes.get(chunk, 0, count);
            out.write(chunk, 0, count);
        }
    }

    private static String descr(DType dtype) {
        return switch (dtype) {
            case FLOAT64 -> "<f8";
            case FLOAT32 -> "<f4";
            case FLOAT16 -> "<f2";
            case INT64 -> "<i8";
            case INT32 -> "<i4";
            case INT16 -> "<i2";
            case INT8 -> "|i1";
            case UINT8 -> "|u1";
            case BOOL -> "|b1";
            case BFLOAT16 ->
                throw new IllegalArgumentException("NumPy has no bfloat16: convert the tensor with toFloat32() first");
        };
    }
}
