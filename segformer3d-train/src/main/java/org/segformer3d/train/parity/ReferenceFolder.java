package org.segformer3d.train.parity;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;

/** A folder laid out like the project's reference: {@code models/NAME.json|pt|eval|train} and {@code pipeline/*}. */
record ReferenceFolder(Path root) {
    /** Reference values may be NaN or infinite, which Python writes as such. */
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    /** The files that cases are made from, by their path in the folder. */
    private static final Pattern KNOWN = Pattern.compile("[^/]+\\.ya?ml"
            + "|models/[^/]+\\.(json|pt|eval\\.safetensors|train\\.safetensors)"
            + "|pipeline/(checkpoint\\.safetensors|checkpoint_[^/]+|malicious[^/]*|[^/]*losses\\.safetensors"
            + "|[^/]*lr_schedules\\.json|metrics\\.(json|safetensors)|sliding_window\\.(json|safetensors)"
            + "|train_[^/]+\\.(json|safetensors)|[^/]*transforms\\.safetensors"
            + "|brats_preprocess\\.safetensors|brats_raw/.+|brats_preprocessed/.+)");

    /** Opens a folder. */
    static ReferenceFolder open(Path root) throws IOException {
        if (!Files.isDirectory(root)) {
            throw new NoSuchFileException(root.toString(), null, "expected a folder with models/ and pipeline/");
        }
        return new ReferenceFolder(root);
    }

    /** Files of a subfolder whose names end so, sorted; none when the subfolder is missing. */
    List<Path> files(String folder, String suffix) throws IOException {
        Path directory = root.resolve(folder);
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(directory)) {
            return list.filter(file -> file.getFileName().toString().endsWith(suffix))
                    .sorted()
                    .toList();
        }
    }

    /** Files that no case is made from, by their path in the folder, sorted. */
    List<String> unknownFiles() throws IOException {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> root.relativize(file).toString().replace('\\', '/'))
                    .filter(name -> !KNOWN.matcher(name).matches())
                    .sorted()
                    .toList();
        }
    }

    /** A file beside another with the same stem and another ending. */
    static Path sibling(Path file, String stem, String suffix) {
        return file.resolveSibling(stem + suffix);
    }

    /** A file's name without its ending. */
    static String stem(Path file, String suffix) {
        String name = file.getFileName().toString();
        return name.substring(0, name.length() - suffix.length());
    }

    static Map<String, Object> json(Path file) throws IOException {
        return JSON.readValue(file.toFile(), new TypeReference<LinkedHashMap<String, Object>>() {});
    }

    /** The section {@code model_parameters} of a JSON file. */
    static SegFormer3DConfig config(Path file) throws IOException {
        return config(file, json(file));
    }

    static SegFormer3DConfig config(Path file, Map<String, Object> json) {
        if (!(json.get("model_parameters") instanceof Map<?, ?> parameters)) {
            throw new ConfigException(file + ": found no section model_parameters");
        }
        Map<String, Object> named = new LinkedHashMap<>();
        parameters.forEach((key, value) -> named.put(String.valueOf(key), value));
        return SegFormer3DConfig.fromMap(named);
    }

    static Map<String, HostTensor> tensors(Path file) throws IOException {
        return Safetensors.read(file).tensors();
    }

    /** Whether a file has a tensor of that name; reads no tensor. */
    static boolean holds(Path file, String tensor) throws IOException {
        List<String> found = new ArrayList<>();
        Safetensors.read(file, name -> {
            found.add(name);
            return false;
        });
        return found.contains(tensor);
    }

    static StateDict weights(Path file) throws IOException {
        return WeightFiles.read(file);
    }

    /** The tensors whose names start with the prefix, without it. */
    static Map<String, HostTensor> below(Map<String, HostTensor> tensors, String prefix) {
        return StateDict.of(tensors).at(prefix).tensors();
    }
}
