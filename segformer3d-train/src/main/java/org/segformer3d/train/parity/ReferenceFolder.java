package org.segformer3d.train.parity;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.TensorFile;
import org.segformer3d.data.weights.WeightFiles;

/**
 * A folder of reference files, which are recognised by their names wherever in it they lie; files that belong together lie beside each
 * other. Remembers which of them cases are made from.
 */
final class ReferenceFolder {
    /** Reference values may be NaN or infinite, which Python writes as such. */
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private final Path root;
    /** Files and folders below the root, sorted. */
    private final List<Path> entries;

    private final Set<Path> used = new LinkedHashSet<>();

    private ReferenceFolder(Path root, List<Path> entries) {
        this.root = root;
        this.entries = entries;
    }

    /** Opens a folder. */
    static ReferenceFolder open(Path root) throws IOException {
        if (!Files.isDirectory(root)) {
            throw new NoSuchFileException(root.toString(), null, "expected a folder with reference files");
        }
        try (Stream<Path> found = Files.walk(root)) {
            return new ReferenceFolder(
                    root, found.filter(entry -> !entry.equals(root)).sorted().toList());
        }
    }

    /** Returns the files and folders whose whole name matches, sorted, without what lies in a folder that cases are made from already. */
    List<Path> named(String regex) {
        Pattern name = Pattern.compile(regex);
        return entries.stream()
                .filter(entry -> name.matcher(entry.getFileName().toString()).matches() && !isUsed(entry.getParent()))
                .toList();
    }

    /** Notes that a case is made from these files or folders; those that don't exist are passed over. */
    void use(Path... files) {
        used.addAll(List.of(files));
    }

    /** Files that no case is made from, by their path in the folder, sorted. */
    List<String> unknownFiles() {
        return entries.stream()
                .filter(entry -> Files.isRegularFile(entry) && !isUsed(entry))
                .map(this::title)
                .toList();
    }

    private boolean isUsed(Path entry) {
        return used.stream().anyMatch(entry::startsWith);
    }

    /** A file's path in the folder. */
    String title(Path file) {
        return root.relativize(file).toString().replace('\\', '/');
    }

    /** A file's path in the folder without its ending. */
    String title(Path file, String suffix) {
        String title = title(file);
        return title.substring(0, title.length() - suffix.length());
    }

    /** The file beside another whose name ends otherwise. */
    static Path sibling(Path file, String suffix, String other) {
        String name = file.getFileName().toString();
        return file.resolveSibling(name.substring(0, name.length() - suffix.length()) + other);
    }

    static Map<String, Object> json(Path file) throws IOException {
        try {
            return JSON.readValue(file.toFile(), new TypeReference<LinkedHashMap<String, Object>>() {});
        } catch (JsonProcessingException e) {
            throw new IOException(file + ": not a JSON object: " + e.getOriginalMessage(), e);
        } catch (CharConversionException e) {
            throw new IOException(file + ": not a JSON object: not text in UTF-8", e);
        }
    }

    /** The network that {@code model_name} and {@code model_parameters} of a JSON file say. */
    static Network network(Path file) throws IOException {
        Map<String, Object> content = json(file);
        if (!(content.get("model_parameters") instanceof Map<?, ?> parameters)) {
            throw new ConfigException(file + ": found no section model_parameters, expected the network's keys there");
        }
        Map<String, Object> named = new LinkedHashMap<>();
        parameters.forEach((key, value) -> named.put(String.valueOf(key), value));
        try {
            return Architectures.network(
                    String.valueOf(content.getOrDefault("model_name", Architectures.DEFAULT)), named);
        } catch (ConfigException e) {
            throw new ConfigException(file + ": " + e.getMessage());
        }
    }

    static Map<String, HostTensor> tensors(Path file) throws IOException {
        return Safetensors.read(file).tensors();
    }

    static TensorFile tensorFile(Path file) throws IOException {
        return Safetensors.read(file);
    }

    static StateDict weights(Path file, Network network) throws IOException {
        return WeightFiles.read(file, network);
    }

    /** The tensor of a name in what was read from a file. */
    static HostTensor require(Path file, Map<String, HostTensor> tensors, String name) throws IOException {
        return Optional.ofNullable(tensors.get(name))
                .orElseThrow(() -> new IOException(file + ": found no tensor '" + name + "'"));
    }

    /** The tensors whose names start with the prefix, without it. */
    static Map<String, HostTensor> below(Map<String, HostTensor> tensors, String prefix) {
        return StateDict.of(tensors).at(prefix).tensors();
    }
}
