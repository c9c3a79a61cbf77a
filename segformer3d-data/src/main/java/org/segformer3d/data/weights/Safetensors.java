package org.segformer3d.data.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * The safetensors format: an 8-byte little-endian length, a JSON header of that length, and the tensors' bytes.
 *
 * <p>Reading checks everything that the header claims against the file's size before any tensor is allocated: names once, types
 * known, shapes that fit their byte ranges, ranges that neither overlap nor leave holes nor reach past the end.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format's description</a>
 */
public final class Safetensors {
    /** The reference implementation's limit. */
    private static final long MAX_HEADER = 100_000_000;

    private static final String METADATA = "__metadata__";

    /** From the type that the reference implementation writes last to the one that it writes first. */
    private static final List<DType> LAST_TO_FIRST = List.of(
            DType.BOOL,
            DType.UINT8,
            DType.INT8,
            DType.INT16,
            DType.FLOAT16,
            DType.BFLOAT16,
            DType.INT32,
            DType.FLOAT32,
            DType.FLOAT64,
            DType.INT64);

    private static final Map<DType, String> NAMES = new EnumMap<>(Map.of(
            DType.FLOAT64, "F64",
            DType.FLOAT32, "F32",
            DType.FLOAT16, "F16",
            DType.BFLOAT16, "BF16",
            DType.INT64, "I64",
            DType.INT32, "I32",
            DType.INT16, "I16",
            DType.INT8, "I8",
            DType.UINT8, "U8",
            DType.BOOL, "BOOL"));

    private static final Map<String, DType> TYPES = new HashMap<>();

    static {
        NAMES.forEach((type, name) -> TYPES.put(name, type));
    }

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private Safetensors() {}

    /** One line of the header. */
    private record Entry(String name, DType type, long[] shape, long begin, long end) {}

    /**
     * Reads a file.
     *
     * @param file the file, never {@code null}
     * @return all its tensors, in the order of their bytes, and its metadata
     * @throws CorruptFileException when the file is damaged
     * @throws UnsupportedFileException when it has a type that isn't read, or a tensor above 2 GiB
     * @throws IOException when the file cannot be read
     */
    public static TensorFile read(Path file) throws IOException {
        return read(file, name -> true);
    }

    /**
     * Reads some of a file's tensors; the whole header is checked nevertheless.
     *
     * @param wanted says by name which tensors to read, never {@code null}
     * @throws IOException as {@link #read(Path)} does
     */
    public static TensorFile read(Path file, Predicate<String> wanted) throws IOException {
        Objects.requireNonNull(wanted, "wanted");
        try (FileSource source = FileSource.open(file)) {
            return read(source, wanted);
        }
    }

    static TensorFile read(ByteSource source, Predicate<String> wanted) throws IOException {
        String file = source.name();
        if (source.size() < 8) {
            throw new CorruptFileException(
                    file, "found " + source.size() + " bytes, expected a safetensors file of at least 10");
        }
        if (source.bytes(0, 4).getInt() == PyTorchFile.ZIP_SIGNATURE) {
            throw new UnsupportedFileException(
                    file, "is a zip file, as PyTorch's .pt and .pth are, expected a safetensors file");
        }
        long length = source.bytes(0, 8).getLong();
        if (length < 2 || length > MAX_HEADER || length > source.size() - 8) {
            throw new CorruptFileException(
                    file,
                    "claims a header of " + Long.toUnsignedString(length) + " bytes in a file of " + source.size()
                            + ", expected at most " + Math.min(MAX_HEADER, source.size() - 8));
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        List<Entry> entries = header(file, source.bytes(8, (int) length).array(), metadata);
        entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        checkRanges(file, entries, source.size() - 8 - length);

        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        for (Entry entry : entries) {
            if (wanted.test(entry.name)) {
                if (entry.end - entry.begin > Integer.MAX_VALUE) {
                    throw new UnsupportedFileException(
                            file,
                            "tensor '" + entry.name + "' has " + (entry.end - entry.begin)
                                    + " bytes, expected at most 2 GiB");
                }
                HostTensor tensor = HostTensor.zeros(entry.type, entry.shape);
                source.read(8 + length + entry.begin, tensor.bytes());
                tensors.put(entry.name, tensor);
            }
        }
        return new TensorFile(tensors, metadata);
    }

    /**
     * Reads a file's tensors as weights, under their names as they are.
     *
     * @throws IOException as {@link #read(Path)} does
     */
    public static StateDict readStateDict(Path file) throws IOException {
        return read(file).toStateDict();
    }

    /**
     * Writes tensors atomically, byte for byte as the Python package does: wider types first, then by name.
     *
     * @param file the file to create or replace, never {@code null}
     * @param tensors what to write; no name may be {@code __metadata__}
     * @param metadata free texts, written in the order of their keys; may be empty
     * @throws IOException when writing fails; the file is then what it was before
     */
    public static void write(Path file, Map<String, HostTensor> tensors, Map<String, String> metadata)
            throws IOException {
        Objects.requireNonNull(file, "file");
        if (tensors.containsKey(METADATA)) {
            throw new IllegalArgumentException("a tensor cannot be named '" + METADATA + "'");
        }
        List<Map.Entry<String, HostTensor>> order = new ArrayList<>(tensors.entrySet());
        order.sort(Comparator.<Map.Entry<String, HostTensor>>comparingInt(
                        entry -> -LAST_TO_FIRST.indexOf(entry.getValue().dtype()))
                .thenComparing(Map.Entry::getKey, Safetensors::compareUtf8));
        byte[] header = header(order, metadata);
        if (header.length > MAX_HEADER) {
            throw new IOException(
                    file + ": the header would take " + header.length + " bytes, expected at most " + MAX_HEADER);
        }
        AtomicFiles.write(file, out -> {
            out.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(header.length)
                    .array());
            out.write(header);
            for (Map.Entry<String, HostTensor> entry : order) {
                copy(entry.getValue().bytes(), out);
            }
        });
    }

    /** Writes tensors without metadata. */
    public static void write(Path file, Map<String, HostTensor> tensors) throws IOException {
        write(file, tensors, Map.of());
    }

    /** Writes the rest of a buffer. */
    static void copy(ByteBuffer bytes, OutputStream out) throws IOException {
        // Not closed: the stream stays the caller's.
        @SuppressWarnings("resource")
        WritableByteChannel channel = Channels.newChannel(out);
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private static List<Entry> header(String file, byte[] json, Map<String, String> metadata) throws IOException {
        if (json[0] != '{') {
            throw new CorruptFileException(file, "the header starts with byte " + (json[0] & 0xff) + ", expected '{'");
        }
        List<Entry> entries = new ArrayList<>();
        try (JsonParser parser = JSON.createParser(utf8(file, json))) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                expect(file, parser, JsonToken.START_OBJECT, name);
                if (name.equals(METADATA)) {
                    metadata(file, parser, metadata);
                } else {
                    entries.add(entry(file, parser, name));
                }
            }
            if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) {
                throw new CorruptFileException(file, "the header isn't one JSON object");
            }
        } catch (JsonProcessingException e) {
            throw new CorruptFileException(file, "the header isn't valid JSON: " + e.getOriginalMessage(), e);
        }
        return entries;
    }

    private static String utf8(String file, byte[] text) throws IOException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(text))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CorruptFileException(file, "the header isn't UTF-8", e);
        }
    }

    private static void metadata(String file, JsonParser parser, Map<String, String> metadata) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String key = parser.currentName();
            parser.nextToken();
            expect(file, parser, JsonToken.VALUE_STRING, METADATA + "." + key);
            metadata.put(key, parser.getText());
        }
        expect(file, parser, JsonToken.END_OBJECT, METADATA);
    }

    private static Entry entry(String file, JsonParser parser, String name) throws IOException {
        String type = null;
        long[] shape = null;
        long[] offsets = null;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String field = parser.currentName();
            parser.nextToken();
            switch (field) {
                case "dtype" -> {
                    expect(file, parser, JsonToken.VALUE_STRING, name + ".dtype");
                    type = parser.getText();
                }
                case "shape" -> shape = numbers(file, parser, name + ".shape");
                case "data_offsets" -> offsets = numbers(file, parser, name + ".data_offsets");
                default ->
                    throw new CorruptFileException(
                            file,
                            "tensor '" + name + "' has a field '" + field
                                    + "', expected dtype, shape and data_offsets");
            }
        }
        expect(file, parser, JsonToken.END_OBJECT, name);
        if (type == null || shape == null || offsets == null || offsets.length != 2) {
            throw new CorruptFileException(
                    file, "tensor '" + name + "' lacks a dtype, a shape or two data_offsets, expected all three");
        }
        DType dtype = TYPES.get(type);
        if (dtype == null) {
            throw new UnsupportedFileException(
                    file,
                    "tensor '" + name + "' has the type '" + type + "', expected one of "
                            + String.join(", ", NAMES.values()));
        }
        long bytes;
        try {
            bytes = Math.multiplyExact(Shapes.elements(shape), (long) dtype.bytes());
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new CorruptFileException(file, "tensor '" + name + "' has an impossible shape", e);
        }
        if (offsets[1] < offsets[0] || offsets[1] - offsets[0] != bytes) {
            throw new CorruptFileException(
                    file,
                    "tensor '" + name + "' (" + type + " " + Shapes.text(shape) + ") needs " + bytes
                            + " bytes, found data_offsets " + offsets[0] + " to " + offsets[1]);
        }
        return new Entry(name, dtype, shape, offsets[0], offsets[1]);
    }

    private static long[] numbers(String file, JsonParser parser, String where) throws IOException {
        expect(file, parser, JsonToken.START_ARRAY, where);
        List<Long> numbers = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            expect(file, parser, JsonToken.VALUE_NUMBER_INT, where);
            long number;
            try {
                number = parser.getLongValue();
            } catch (JsonProcessingException e) {
                throw new CorruptFileException(file, where + " has a number beyond 64 bits", e);
            }
            if (number < 0) {
                throw new CorruptFileException(file, where + " has " + number + ", expected no negative number");
            }
            numbers.add(number);
        }
        return numbers.stream().mapToLong(Long::longValue).toArray();
    }

    private static void expect(String file, JsonParser parser, JsonToken expected, String where) throws IOException {
        if (parser.currentToken() != expected) {
            throw new CorruptFileException(
                    file, "header entry '" + where + "' has " + parser.currentToken() + ", expected " + expected);
        }
    }

    private static void checkRanges(String file, List<Entry> entries, long available) throws IOException {
        long position = 0;
        for (Entry entry : entries) {
            if (entry.begin != position) {
                throw new CorruptFileException(
                        file,
                        "tensor '" + entry.name + "' begins at " + entry.begin + ", expected " + position
                                + ": the data " + (entry.begin < position ? "overlap" : "have a hole"));
            }
            position = entry.end;
        }
        if (position != available) {
            throw new CorruptFileException(
                    file,
                    "the header describes " + position + " bytes of data, found " + available
                            + (position > available ? ": the file is truncated; copy it again" : ""));
        }
    }

    private static byte[] header(List<Map.Entry<String, HostTensor>> order, Map<String, String> metadata) {
        StringBuilder json = new StringBuilder("{");
        if (!metadata.isEmpty()) {
            quote(json, METADATA).append(":{");
            new TreeMap<>(metadata).forEach((key, value) -> {
                quote(json, key).append(':');
                quote(json, value).append(',');
            });
            json.setCharAt(json.length() - 1, '}');
            json.append(',');
        }
        long position = 0;
        for (Map.Entry<String, HostTensor> entry : order) {
            HostTensor tensor = entry.getValue();
            quote(json, entry.getKey())
                    .append(":{\"dtype\":\"")
                    .append(NAMES.get(tensor.dtype()))
                    .append("\",\"shape\":[");
            for (int axis = 0; axis < tensor.rank(); axis++) {
                json.append(axis == 0 ? "" : ",").append(tensor.size(axis));
            }
            json.append("],\"data_offsets\":[").append(position).append(',');
            position += tensor.bytes().remaining();
            json.append(position).append("]},");
        }
        if (json.length() > 1) {
            json.setLength(json.length() - 1);
        }
        byte[] text = json.append('}').toString().getBytes(StandardCharsets.UTF_8);
        // Padded with blanks so that the data start at a multiple of 8.
        byte[] padded = Arrays.copyOf(text, (text.length + 7) / 8 * 8);
        Arrays.fill(padded, text.length, padded.length, (byte) ' ');
        return padded;
    }

    private static StringBuilder quote(StringBuilder json, String text) {
        json.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> json.append("\\\"");
                case '\\' -> json.append("\\\\");
                case '\n' -> json.append("\\n");
                case '\r' -> json.append("\\r");
                case '\t' -> json.append("\\t");
                case '\b' -> json.append("\\b");
                case '\f' -> json.append("\\f");
                default -> {
                    if (c < 0x20) {
                        json.append(String.format("\\u%04x", (int) c));
                    } else {
                        json.append(c);
                    }
                }
            }
        }
        return json.append('"');
    }

    /** Compares as Rust compares strings: by code points, which Java's own order by UTF-16 units isn't. */
    private static int compareUtf8(String a, String b) {
        return Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }
}
