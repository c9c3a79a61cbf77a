package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * Files that {@code torch.save} writes ({@code .pt}, {@code .pth}, {@code .bin}), in the zip format and in the one before PyTorch 1.6.
 *
 * <p>Their object is a pickle. It is read by a machine that only builds data: a file that asks for anything beyond that ends in a
 * {@link ForbiddenGlobalException} and nothing is run.
 */
public final class PyTorchFile {
    /** Where training loops put the weights inside a checkpoint, the most specific name first. */
    private static final List<String> WRAPPERS = List.of(
            "state_dict",
            "model_state_dict",
            "model_state",
            "network_weights",
            "model",
            "net",
            "network",
            "module",
            "weights",
            "params");

    private static final int MAX_WRAPPERS = 3;
    static final int ZIP_SIGNATURE = 0x04034b50;
    /** Where a tar file says that it is one. */
    private static final int TAR_POSITION = 257;

    private PyTorchFile() {}

    /**
     * Reads a file's whole object.
     *
     * <p>Tensors and NumPy arrays become {@link HostTensor}s in C order (unsigned 16- and 32-bit ones in the next wider signed type),
     * dicts become maps, lists and tuples lists (tuples unmodifiable), numbers {@link Long}, {@link java.math.BigInteger},
     * {@link Double} or {@link Boolean}, bytes {@code byte[]}, and other harmless objects {@link PickledObject}s. As in Python, parts
     * may be shared and may contain themselves.
     *
     * @param file the file, never {@code null}
     * @return the object; {@code null} for {@code None}
     * @throws ForbiddenGlobalException when the pickle asks for a name that isn't on the allow-list
     * @throws CorruptFileException when the file is damaged
     * @throws UnsupportedFileException when it holds what isn't read here, such as sparse or complex tensors
     * @throws IOException when the file cannot be read
     */
    public static Object read(Path file) throws IOException {
        try (FileSource source = FileSource.open(file)) {
            return new TensorResolver(source).tree(parse(source, 0), "the object", 0);
        }
    }

    /**
     * Reads a file that holds a single tensor or NumPy array.
     *
     * @throws UnsupportedFileException when it holds something else
     * @throws IOException as {@link #read} does
     */
    public static HostTensor readTensor(Path file) throws IOException {
        try (FileSource source = FileSource.open(file)) {
            Object object = parse(source, 0);
            if (!TensorResolver.isTensor(object)) {
                throw new UnsupportedFileException(
                        file, "holds " + describe(object) + ", expected a single tensor or NumPy array");
            }
            return new TensorResolver(source).tensor(object, "the tensor");
        }
    }

    /**
     * Reads the weights in a file.
     *
     * <p>They are the dict that the file holds, or that one of its usual entries holds ({@code state_dict}, {@code model} and so
     * on), without what training wrappers put before the names ({@code module.}, {@code _orig_mod.} …). Everything else in a
     * checkpoint is neither read nor kept.
     *
     * @throws UnsupportedFileException when there are no weights where they could be
     * @throws IOException as {@link #read} does
     */
    public static StateDict readStateDict(Path file) throws IOException {
        try (FileSource source = FileSource.open(file)) {
            return readStateDict(source);
        }
    }

    static StateDict readStateDict(ByteSource source) throws IOException {
        Map<String, Object> weights = weights(parse(source, 0), source.name());
        return StateDict.of(resolved(Names.withoutPrefixes(weights, source.name()), source));
    }

    /** Reads the weights in a file under the names they have there. */
    static Map<String, HostTensor> readTensors(ByteSource source) throws IOException {
        return resolved(weights(parse(source, 0), source.name()), source);
    }

    private static Map<String, HostTensor> resolved(Map<String, Object> weights, ByteSource source) throws IOException {
        TensorResolver resolver = new TensorResolver(source);
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : weights.entrySet()) {
            tensors.put(entry.getKey(), resolver.tensor(entry.getValue(), "'" + entry.getKey() + "'"));
        }
        return tensors;
    }

    /**
     * Writes weights atomically as a zip file that {@code torch.load(file, weights_only=True)} opens, equal weights as equal bytes.
     *
     * @param file the file to create or replace, never {@code null}
     * @param weights what to write, in this order
     * @throws IOException when writing fails, or the weights exceed 4 GiB; the file is then what it was before
     */
    public static void write(Path file, StateDict weights) throws IOException {
        PyTorchWriter.write(file, weights);
    }

    /**
     * Writes one array atomically as {@code torch.save(numpy_array, file)} does: {@code torch.load} gives a NumPy array back.
     *
     * <p>As NumPy arrays are Python objects, {@code torch.load} takes the file with {@code weights_only=False} only;
     * {@link #readTensor} reads it without running anything.
     *
     * @param file the file to create or replace, never {@code null}
     * @param array any shape; not bfloat16, which NumPy doesn't have
     * @throws IOException when writing fails, or the array exceeds 2 GiB; the file is then what it was before
     */
    public static void writeArray(Path file, HostTensor array) throws IOException {
        PyTorchWriter.writeArray(file, array);
    }

    /**
     * Returns the object in a file with its tensors not read yet.
     *
     * @param depth how many files this one lies inside of
     */
    static Object parse(ByteSource source, int depth) throws IOException {
        if (source.size() == 0) {
            throw new CorruptFileException(source.name(), "is empty, expected a PyTorch file");
        }
        if (source.size() >= 4 && source.bytes(0, 4).getInt() == ZIP_SIGNATURE) {
            return ZipStorages.parse(source, depth);
        }
        if (source.size() >= TAR_POSITION + 5
                && StandardCharsets.US_ASCII
                        .decode(source.bytes(TAR_POSITION, 5))
                        .toString()
                        .equals("ustar")) {
            throw new UnsupportedFileException(
                    source.name(),
                    "is a tar file as PyTorch wrote before 0.1.10; load it with torch and save it again");
        }
        return LegacyStorages.parse(source, depth);
    }

    private static Map<String, Object> weights(Object object, String file) throws IOException {
        Object current = object;
        for (int level = 0; level <= MAX_WRAPPERS && current instanceof Map<?, ?> map; level++) {
            Map<?, ?> inner = null;
            for (String wrapper : WRAPPERS) {
                if (inner == null
                        && map.get(wrapper) instanceof Map<?, ?> candidate
                        && leadsToTensors(candidate, level)) {
                    inner = candidate;
                }
            }
            if (inner == null) {
                Map<String, Object> tensors = new LinkedHashMap<>();
                map.forEach((name, value) -> {
                    if (name instanceof String text && TensorResolver.isTensor(value)) {
                        tensors.put(text, value);
                    }
                });
                if (!tensors.isEmpty()) {
                    return tensors;
                }
                break;
            }
            current = inner;
        }
        throw new UnsupportedFileException(
                file,
                "holds " + describe(object) + " and no weights where they could be: expected a dict of tensors, or one"
                        + " under " + String.join(", ", WRAPPERS));
    }

    private static boolean leadsToTensors(Map<?, ?> map, int level) {
        return map.values().stream().anyMatch(TensorResolver::isTensor)
                || level < MAX_WRAPPERS
                        && WRAPPERS.stream()
                                .anyMatch(name -> map.get(name) instanceof Map<?, ?> inner
                                        && inner != map
                                        && leadsToTensors(inner, level + 1));
    }

    private static String describe(Object object) {
        if (object == null) {
            return "None";
        }
        if (object instanceof Map<?, ?> map) {
            return "a dict with "
                    + Names.list(map.keySet().stream()
                            .map(key -> key instanceof String || key instanceof Number ? key : "…")
                            .toList());
        }
        if (object instanceof List<?> list) {
            return "a list of " + list.size();
        }
        if (object instanceof PickledObject other) {
            return "a " + other.type();
        }
        if (object instanceof byte[]) {
            return "bytes";
        }
        return TensorResolver.isTensor(object)
                ? "a single tensor"
                : "a " + object.getClass().getSimpleName();
    }
}
