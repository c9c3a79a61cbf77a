package org.segformer3d.cli.option;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;

/**
 * The network's configuration from a file: an experiment in YAML, a JSON file with {@code model_parameters}, or the parameters alone.
 *
 * @param network what the file describes
 * @param region size of the sliding window, where the file states one
 */
public record ModelConfigFile(Network network, Optional<Grid> region) {
    private static final String SECTION = "model_parameters";

    /**
     * Reads a file.
     *
     * @throws ConfigException with the file's name, when it isn't a configuration
     * @throws IOException when it can't be read
     */
    public static ModelConfigFile read(Path file) throws IOException {
        Map<String, Object> content = content(file);
        try {
            return new ModelConfigFile(
                    Architectures.network(architecture(content), parameters(content)), region(content));
        } catch (ConfigException e) {
            throw new ConfigException(file + ": " + e.getMessage());
        }
    }

    private static Map<String, Object> content(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new ConfigException(file + ": is a folder, expected a YAML or JSON file");
        }
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException e) {
            throw new ConfigException(
                    file + ": no such file, expected an experiment or model parameters in YAML or JSON");
        } catch (CharacterCodingException e) {
            throw new ConfigException(file + ": isn't text in UTF-8, expected a YAML or JSON file");
        }
        if (text.isBlank()) {
            throw new ConfigException(file + ": is empty, expected keys such as " + SECTION);
        }
        ObjectMapper mapper = file.toString().endsWith(".json") ? new ObjectMapper() : new YAMLMapper();
        Object root;
        try {
            mapper.configure(StreamReadFeature.STRICT_DUPLICATE_DETECTION.mappedFeature(), true);
            root = mapper.readValue(text, Object.class);
        } catch (JsonProcessingException e) {
            String where = e.getLocation() == null ? "" : ":" + e.getLocation().getLineNr();
            // Jackson adds in brackets where in a text that it won't show.
            String problem = e.getOriginalMessage().replaceAll("\\s*\\(start marker.*", "");
            throw new ConfigException(file + where + ": not valid YAML or JSON: " + problem);
        }
        if (!(root instanceof Map<?, ?> map)) {
            throw new ConfigException(
                    file + ": found " + (root == null ? "nothing" : "no map") + ", expected keys such as " + SECTION);
        }
        Map<String, Object> content = new LinkedHashMap<>();
        map.forEach((key, value) -> content.put(String.valueOf(key), value));
        return content;
    }

    private static String architecture(Map<String, Object> content) {
        return content.get("model_name") == null ? Architectures.DEFAULT : String.valueOf(content.get("model_name"));
    }

    private static Map<String, ?> parameters(Map<String, Object> content) {
        if (content.containsKey(SECTION)) {
            if (!(content.get(SECTION) instanceof Map<?, ?> section)) {
                throw ConfigException.of(SECTION, content.get(SECTION), "a map of the network's parameters");
            }
            Map<String, Object> parameters = new LinkedHashMap<>();
            section.forEach((key, value) -> parameters.put(String.valueOf(key), value));
            return parameters;
        }
        Set<String> known = SegFormer3DConfig.defaults().toMap().keySet();
        if (content.keySet().stream().noneMatch(known::contains)) {
            String hint = content.keySet().stream()
                    .filter(key -> Suggestions.nearest(key, List.of(SECTION)).isPresent())
                    .findFirst()
                    .map(key -> "; is '" + key + "' meant to be it?")
                    .orElse("");
            throw new ConfigException(
                    "has no section '" + SECTION + "'; its keys are " + String.join(", ", content.keySet()) + hint);
        }
        return content;
    }

    private static Optional<Grid> region(Map<String, Object> content) {
        if (content.get("sliding_window_inference") instanceof Map<?, ?> section
                && section.get("roi") instanceof List<?> sizes
                && sizes.size() == 3
                && sizes.stream().allMatch(size -> size instanceof Integer edge && edge > 0)) {
            return Optional.of(new Grid((Integer) sizes.get(0), (Integer) sizes.get(1), (Integer) sizes.get(2)));
        }
        return Optional.empty();
    }
}
