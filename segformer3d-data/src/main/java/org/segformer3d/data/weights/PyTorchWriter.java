package org.segformer3d.data.weights;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.AtomicFiles;

/** Writes the zip format of {@code torch.save}: stored entries, storages aligned for mapping, a pickle of protocol 2. */
final class PyTorchWriter {
    /** The top folder of the archive; readers take any. */
    private static final String ROOT = "archive/";

    private static final int ALIGNMENT = 64;
    private static final long MAX_SIZE = 0xffffffffL;
    private static final int UTF8_NAMES = 0x0800;
    /** 1 January 1980, the first date a zip file can express: equal weights give equal bytes. */
    private static final short DATE = 0x0021;

    private static final Map<DType, String> STORAGES = new EnumMap<>(Map.of(
            DType.FLOAT64, "DoubleStorage",
            DType.FLOAT32, "FloatStorage",
            DType.FLOAT16, "HalfStorage",
            DType.BFLOAT16, "BFloat16Storage",
            DType.INT64, "LongStorage",
            DType.INT32, "IntStorage",
            DType.INT16, "ShortStorage",
            DType.INT8, "CharStorage",
            DType.UINT8, "ByteStorage",
            DType.BOOL, "BoolStorage"));

    /** NumPy's names: a byte order and a type with its size. */
    private static final Map<DType, String> NUMPY = new EnumMap<>(Map.of(
            DType.FLOAT64, "<f8",
            DType.FLOAT32, "<f4",
            DType.FLOAT16, "<f2",
            DType.INT64, "<i8",
            DType.INT32, "<i4",
            DType.INT16, "<i2",
            DType.INT8, "|i1",
            DType.UINT8, "|u1",
            DType.BOOL, "|b1"));

    private final OutputStream out;
    private final ByteArrayOutputStream directory = new ByteArrayOutputStream();
    private int entries;
    private long position;

    private PyTorchWriter(OutputStream out) {
        this.out = out;
    }

    static void write(Path file, StateDict weights) throws IOException {
        Objects.requireNonNull(file, "file");
        List<HostTensor> tensors = new ArrayList<>(weights.tensors().values());
        byte[] pickle = pickle(weights);
        // Headers of an entry take well below 512 bytes in both places together.
        long size = pickle.length + 512L * (tensors.size() + 8);
        for (HostTensor tensor : tensors) {
            size += tensor.bytes().remaining();
        }
        if (size > MAX_SIZE || tensors.size() > 0xffff - 8) {
            throw new IOException(file + ": " + tensors.size() + " tensors of " + size
                    + " bytes are too much for a .pt file here, expected below 4 GiB; write .safetensors");
        }
        AtomicFiles.write(file, out -> {
            PyTorchWriter writer = new PyTorchWriter(out);
            writer.entry("data.pkl", ByteBuffer.wrap(pickle));
            writer.entry(".format_version", ascii("1"));
            writer.entry(".storage_alignment", ascii(String.valueOf(ALIGNMENT)));
            writer.entry("byteorder", ascii("little"));
            for (int i = 0; i < tensors.size(); i++) {
                writer.entry("data/" + i, tensors.get(i).bytes());
            }
            writer.entry("version", ascii("3\n"));
            writer.finish();
        });
    }

    static void writeArray(Path file, HostTensor array) throws IOException {
        Objects.requireNonNull(file, "file");
        String type = NUMPY.get(array.dtype());
        if (type == null) {
            throw new IllegalArgumentException(
                    "found an array of " + array.dtype() + ", which NumPy doesn't have; convert it first");
        }
        ByteBuffer data = array.bytes();
        if (data.remaining() > Integer.MAX_VALUE - 1024) {
            throw new IOException(file + ": an array of " + data.remaining() + " bytes, expected below 2 GiB");
        }
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        arrayHead(head, type, array);
        ByteBuffer pickle = little(head.size() + data.remaining() + 3);
        // ends the state, sets it, and ends the pickle
        pickle.put(head.toByteArray()).put(data.duplicate()).put(new byte[] {'t', 'b', '.'});
        pickle.flip();
        AtomicFiles.write(file, out -> {
            PyTorchWriter writer = new PyTorchWriter(out);
            writer.entry("data.pkl", pickle);
            writer.entry("byteorder", ascii("little"));
            writer.entry("version", ascii("3\n"));
            writer.finish();
        });
    }

    /** Writes the pickle of a NumPy array up to its bytes. */
    private static void arrayHead(ByteArrayOutputStream head, String type, HostTensor array) {
        bytes(head, 0x80, 3);
        // an empty array of bytes, which the state below then turns into the one that is meant
        global(head, "numpy.core.multiarray", "_reconstruct");
        bytes(head, '(');
        global(head, "numpy", "ndarray");
        bytes(head, 'K', 0, 0x85, 'C', 1, 'b', 't', 'R');
        // (version, shape, dtype, whether in Fortran's order, bytes)
        bytes(head, '(', 'K', 1);
        numbers(head, array.shape());
        global(head, "numpy", "dtype");
        bytes(head, '(');
        text(head, type.substring(1));
        bytes(head, 0x89, 0x88, 't', 'R');
        // (version, byte order, no sub-array, no names, no fields, item size, alignment, flags)
        bytes(head, '(', 'K', 3);
        text(head, type.substring(0, 1));
        bytes(head, 'N', 'N', 'N');
        number(head, -1);
        number(head, -1);
        bytes(head, 'K', 0, 't', 'b', 0x89, 'B');
        head.writeBytes(little(4).putInt(array.bytes().remaining()).array());
    }

    private static ByteBuffer ascii(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    }

    private void entry(String name, ByteBuffer data) throws IOException {
        byte[] path = (ROOT + name).getBytes(StandardCharsets.UTF_8);
        CRC32 crc = new CRC32();
        crc.update(data.duplicate());
        int size = data.remaining();

        int padding = (int) (-(position + 30 + path.length + 4) & ALIGNMENT - 1);
        ByteBuffer local = little(30 + path.length + 4 + padding);
        local.putInt(0x04034b50).putShort((short) 0);
        common(local, (int) crc.getValue(), size, path.length, 4 + padding);
        local.put(path);
        // An extra field of no meaning, "FB" as PyTorch names it, moves the data to a multiple of the alignment.
        local.put((byte) 'F').put((byte) 'B').putShort((short) padding);
        while (local.hasRemaining()) {
            local.put((byte) 'Z');
        }

        ByteBuffer central = little(46 + path.length);
        central.putInt(0x02014b50).putShort((short) 0).putShort((short) 0);
        common(central, (int) crc.getValue(), size, path.length, 0);
        central.position(42);
        central.putInt((int) position).put(path);
        directory.write(central.array());
        entries++;

        out.write(local.array());
        Safetensors.copy(data.duplicate(), out);
        position += local.capacity() + (long) size;
    }

    /** Writes the fields that the two headers of an entry share, from its flags to the length of its extra field. */
    private static void common(ByteBuffer header, int crc, int size, int nameLength, int extraLength) {
        header.putShort((short) UTF8_NAMES)
                .putShort((short) 0)
                .putShort((short) 0)
                .putShort(DATE)
                .putInt(crc)
                .putInt(size)
                .putInt(size)
                .putShort((short) nameLength)
                .putShort((short) extraLength);
    }

    private void finish() throws IOException {
        ByteBuffer end = little(22);
        end.putInt(0x06054b50).putShort((short) 0).putShort((short) 0);
        end.putShort((short) entries).putShort((short) entries);
        end.putInt(directory.size()).putInt((int) position).putShort((short) 0);
        directory.writeTo(out);
        out.write(end.array());
    }

    private static ByteBuffer little(int capacity) {
        return ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] pickle(StateDict weights) {
        ByteArrayOutputStream pickle = new ByteArrayOutputStream();
        bytes(pickle, 0x80, 2);
        global(pickle, "collections", "OrderedDict");
        bytes(pickle, ')', 'R', '(');
        int key = 0;
        for (Map.Entry<String, HostTensor> entry : weights.tensors().entrySet()) {
            HostTensor tensor = entry.getValue();
            text(pickle, entry.getKey());
            global(pickle, "torch._utils", "_rebuild_tensor_v2");
            // ((storage id) → storage, offset, size, stride, requires_grad, hooks)
            bytes(pickle, '(', '(');
            text(pickle, "storage");
            global(pickle, "torch", STORAGES.get(tensor.dtype()));
            text(pickle, String.valueOf(key++));
            text(pickle, "cpu");
            number(pickle, tensor.elements());
            bytes(pickle, 't', 'Q');
            number(pickle, 0);
            numbers(pickle, tensor.shape());
            numbers(pickle, StridedData.cStrides(tensor.shape()));
            bytes(pickle, 0x89);
            global(pickle, "collections", "OrderedDict");
            bytes(pickle, ')', 'R', 't', 'R');
        }
        bytes(pickle, 'u', '.');
        return pickle.toByteArray();
    }

    private static void bytes(ByteArrayOutputStream pickle, int... bytes) {
        for (int b : bytes) {
            pickle.write(b);
        }
    }

    private static void global(ByteArrayOutputStream pickle, String module, String name) {
        pickle.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.US_ASCII));
    }

    private static void text(ByteArrayOutputStream pickle, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        pickle.write('X');
        pickle.writeBytes(little(4).putInt(utf8.length).array());
        pickle.writeBytes(utf8);
    }

    private static void number(ByteArrayOutputStream pickle, long number) {
        if (number <= Integer.MAX_VALUE) {
            pickle.write('J');
            pickle.writeBytes(little(4).putInt((int) number).array());
        } else {
            bytes(pickle, 0x8a, 8);
            pickle.writeBytes(little(8).putLong(number).array());
        }
    }

    private static void numbers(ByteArrayOutputStream pickle, long[] numbers) {
        pickle.write('(');
        for (long number : numbers) {
            number(pickle, number);
        }
        pickle.write('t');
    }
}
