package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/** Reads weights from any form they come in, and writes them in the form that a file's name asks for. */
public final class WeightFiles {
    /** What Accelerate and our own bundles call the model's file inside a checkpoint folder. */
    private static final List<String> IN_FOLDERS = List.of(
            "model.safetensors",
            "pytorch_model.bin",
            "pytorch_model.safetensors",
            "weights.safetensors",
            "model.pt",
            "model.pth",
            "pytorch_model.pt",
            "pytorch_model.pth");

    /** What Hugging Face's libraries call the index of weights in several files. */
    private static final List<String> INDEXES = List.of("model.safetensors.index.json", "pytorch_model.bin.index.json");

    private static final List<String> PYTORCH = List.of(".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle");
    private static final String SAFETENSORS = ".safetensors";
    private static final int PICKLE_PROTOCOL = 0x80;

    private WeightFiles() {}

    /**
     * Reads weights for a network, under its names: see {@link Network#adapt}. Whether they fit is checked where they are used.
     *
     * @throws IOException as {@link #read(Path)}
     */
    public static StateDict read(Path path, Network network) throws IOException {
        return network.adapt(read(path));
    }

    /**
     * Reads weights in the types they are stored in.
     *
     * <p>What kind of file it is, its content decides: safetensors, or PyTorch's zip format or old format, bare or inside a
     * checkpoint ({@link PyTorchFile#readStateDict}), or the index of several such files ({@code model.safetensors.index.json}), which
     * are read beside it. Prefixes that training wrappers put before all names are dropped.
     *
     * @param path a file, or a checkpoint folder with a model's file or index in it; never {@code null}
     * @throws NoSuchFileException when there is nothing at the path, or no model's file in the folder
     * @throws ForbiddenGlobalException when the file would run something
     * @throws CorruptFileException when the file is damaged
     * @throws UnsupportedFileException when it holds no weights, or of a kind that isn't read here
     * @throws IOException when it cannot be read
     */
    public static StateDict read(Path path) throws IOException {
        Path file = locate(path);
        try (FileSource source = FileSource.open(file)) {
            if (!startsWithHeaderLength(start(source)) && ShardIndex.isIndex(source)) {
                return ShardIndex.read(file).readStateDict();
            }
            return read(source);
        }
    }

    /** Reads one file's tensors under the names they have there. */
    static Map<String, HostTensor> readTensors(Path file) throws IOException {
        try (FileSource source = FileSource.open(file)) {
            return isSafetensors(source)
                    ? Safetensors.read(source, name -> true).tensors()
                    : PyTorchFile.readTensors(source);
        }
    }

    private static byte[] start(ByteSource source) throws IOException {
        return source.bytes(0, (int) Math.min(source.size(), 24)).array();
    }

    static StateDict read(ByteSource source) throws IOException {
        if (isSafetensors(source)) {
            Map<String, HostTensor> tensors =
                    Safetensors.read(source, name -> true).tensors();
            if (tensors.isEmpty()) {
                throw new UnsupportedFileException(source.name(), "holds no tensors, expected weights");
            }
            return StateDict.of(Names.withoutPrefixes(tensors, source.name()));
        }
        return PyTorchFile.readStateDict(source);
    }

    /**
     * Writes weights atomically, as the extension says: {@code .safetensors}, or {@code .pt}, {@code .pth}, {@code .bin} for
     * PyTorch.
     *
     * @param weights what to write, never {@code null}
     * @param file the file to create or replace, never {@code null}
     * @throws IllegalArgumentException when the extension is another one
     * @throws IOException when writing fails; the file is then what it was before
     */
    public static void write(StateDict weights, Path file) throws IOException {
        Objects.requireNonNull(weights, "weights");
        String name = file.toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(SAFETENSORS)) {
            // The entry that PyTorch's own tools look for.
            Safetensors.write(file, weights.tensors(), Map.of("format", "pt"));
        } else if (name.endsWith(".pt") || name.endsWith(".pth") || name.endsWith(".bin")) {
            PyTorchFile.write(file, weights);
        } else {
            throw new IllegalArgumentException(
                    file + ": unknown kind of weights file, expected a name ending in .safetensors, .pt, .pth or .bin");
        }
    }

    private static Path locate(Path path) throws IOException {
        Objects.requireNonNull(path, "path");
        if (!Files.exists(path)) {
            throw new NoSuchFileException(
                    path.toString(), null, "there is no such file or folder, expected weights or a checkpoint folder");
        }
        if (!Files.isDirectory(path)) {
            return path;
        }
        for (String name : IN_FOLDERS) {
            if (Files.isRegularFile(path.resolve(name))) {
                return path.resolve(name);
            }
        }
        List<String> found;
        try (Stream<Path> inside = Files.list(path)) {
            found = inside.map(file -> file.getFileName().toString()).sorted().toList();
        }
        List<String> indexes =
                found.stream().filter(name -> name.endsWith(ShardIndex.ENDING)).toList();
        for (String usual : INDEXES) {
            if (indexes.contains(usual)) {
                return path.resolve(usual);
            }
        }
        if (indexes.size() == 1) {
            return path.resolve(indexes.get(0));
        }
        if (indexes.size() > 1) {
            throw new UnsupportedFileException(
                    path, "holds several indexes of weights in shards, name one: " + Names.list(indexes));
        }
        throw new NoSuchFileException(
                path.toString(),
                null,
                "no model's file in this folder: looked for " + String.join(", ", IN_FOLDERS) + "; found "
                        + Names.list(found));
    }

    private static boolean isSafetensors(ByteSource source) throws IOException {
        String file = source.name();
        if (source.size() == 0) {
            throw new CorruptFileException(file, "is empty, expected weights");
        }
        byte[] start = start(source);
        String text = new String(start, StandardCharsets.ISO_8859_1);
        if (text.startsWith("version https://git-lfs")) {
            throw new UnsupportedFileException(
                    file, "is a Git LFS pointer, expected the weights themselves; fetch them with git lfs pull");
        }
        if (startsWithHeaderLength(start)) {
            return true;
        }
        if (text.startsWith("PK\u0003\u0004") || (start[0] & 0xff) == PICKLE_PROTOCOL) {
            return false;
        }
        // Neither kind can be told from the content: the name says which reader's message helps.
        String name = file.toLowerCase(Locale.ROOT);
        if (name.endsWith(SAFETENSORS)) {
            return true;
        }
        if (PYTORCH.stream().anyMatch(name::endsWith)) {
            return false;
        }
        throw new UnsupportedFileException(
                file,
                "is neither a safetensors nor a PyTorch file; it starts with the bytes "
                        + HexFormat.ofDelimiter(" ").formatHex(start, 0, Math.min(8, start.length)));
    }

    /** Returns whether a file can start with the length of a safetensors header: its upper four bytes are 0 then. */
    private static boolean startsWithHeaderLength(byte[] start) {
        return start.length > 8 && start[4] == 0 && start[5] == 0 && start[6] == 0 && start[7] == 0 && start[8] == '{';
    }
}
