package org.segformer3d.data.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * Weights in several files, as Hugging Face's libraries save large models: an index, {@code NAME.index.json}, says in its {@code
 * weight_map} which of the files beside it holds which tensor.
 */
final class ShardIndex {
    static final String ENDING = ".index.json";

    private static final long MOST_BYTES = 64 << 20;
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private final Path file;
    /** Names of files by name of tensor, in the index's order. */
    private final Map<String, String> shards;

    private ShardIndex(Path file, Map<String, String> shards) {
        this.file = file;
        this.shards = shards;
    }

    /** Returns whether a source begins as JSON does, which neither kind of weights file does. */
    static boolean isIndex(ByteSource source) throws IOException {
        byte[] start = source.bytes(0, (int) Math.min(source.size(), 64)).array();
        for (byte b : start) {
            if (b != ' ' && b != '\t' && b != '\r' && b != '\n') {
                return b == '{';
            }
        }
        return false;
    }

    /**
     * Reads an index.
     *
     * @throws CorruptFileException when it isn't JSON or its {@code weight_map} isn't one of names of files beside it
     * @throws UnsupportedFileException when it is JSON of another kind
     * @throws IOException when reading fails
     */
    static ShardIndex read(Path file) throws IOException {
        if (Files.size(file) > MOST_BYTES) {
            throw new UnsupportedFileException(
                    file,
                    "found " + Files.size(file) + " bytes of JSON, expected an index of weights of at most "
                            + MOST_BYTES);
        }
        Map<String, String> shards = new LinkedHashMap<>();
        try (JsonParser parser = JSON.createParser(Files.readAllBytes(file))) {
            boolean found = false;
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean map = parser.currentName().equals("weight_map");
                parser.nextToken();
                if (!map) {
                    parser.skipChildren();
                    continue;
                }
                found = true;
                if (parser.currentToken() != JsonToken.START_OBJECT) {
                    throw new CorruptFileException(
                            file, "found a weight_map that is no object, expected names and files");
                }
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String tensor = parser.currentName();
                    if (parser.nextToken() != JsonToken.VALUE_STRING) {
                        throw new CorruptFileException(
                                file, "found no name of a file for tensor '" + tensor + "' in its weight_map");
                    }
                    shards.put(tensor, plain(file, parser.getText()));
                }
            }
            if (!found || shards.isEmpty()) {
                throw new UnsupportedFileException(
                        file, "found JSON without a filled weight_map, expected the index of weights in shards");
            }
        } catch (com.fasterxml.jackson.core.JacksonException | java.io.CharConversionException e) {
            throw new CorruptFileException(
                    file,
                    "not valid JSON"
                            + (e instanceof com.fasterxml.jackson.core.JacksonException json
                                    ? ": " + json.getOriginalMessage()
                                    : "")
                            + ", expected the index of weights in shards",
                    e);
        }
        return new ShardIndex(file, shards);
    }

    /** A file's name that leads elsewhere would let an index read what nobody gave. */
    private static String plain(Path file, String name) throws CorruptFileException {
        if (name.isEmpty() || name.equals("..") || name.equals(".") || name.matches("(?s).*[/\\\\:\0].*")) {
            throw new CorruptFileException(
                    file, "found the shard '" + name + "', expected the name of a file beside it");
        }
        return name;
    }

    /**
     * Reads all tensors that the index names.
     *
     * @throws CorruptFileException when a shard lacks a tensor that the index says it holds, or has one the index doesn't know
     * @throws UnsupportedFileException when shards are missing; all of them are named
     * @throws IOException when reading fails
     */
    StateDict readStateDict() throws IOException {
        Set<String> names = new LinkedHashSet<>(shards.values());
        List<String> missing = new ArrayList<>();
        for (String name : names) {
            if (!Files.isRegularFile(file.resolveSibling(name))) {
                missing.add(name);
            }
        }
        if (!missing.isEmpty()) {
            throw new UnsupportedFileException(
                    file,
                    "it needs " + names.size() + (names.size() == 1 ? " shard" : " shards") + " beside it; missing: "
                            + Names.list(missing));
        }
        Map<String, HostTensor> found = new LinkedHashMap<>();
        for (String name : names) {
            Path shard = file.resolveSibling(name);
            for (Map.Entry<String, HostTensor> one :
                    WeightFiles.readTensors(shard).entrySet()) {
                if (!name.equals(shards.get(one.getKey()))) {
                    throw new CorruptFileException(
                            shard,
                            "holds '" + one.getKey() + "', which " + file.getFileName()
                                    + (shards.containsKey(one.getKey())
                                            ? " says is in " + shards.get(one.getKey())
                                            : " doesn't name"));
                }
                found.put(one.getKey(), one.getValue());
            }
        }
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, String> one : shards.entrySet()) {
            HostTensor tensor = found.get(one.getKey());
            if (tensor == null) {
                throw new CorruptFileException(
                        file.resolveSibling(one.getValue()),
                        "lacks '" + one.getKey() + "', which " + file.getFileName() + " says it holds");
            }
            tensors.put(one.getKey(), tensor);
        }
        return StateDict.of(Names.withoutPrefixes(tensors, file.toString()));
    }
}
