package org.segformer3d.eval.result;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.TooOldFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * A kind of JSON file that says which format and version it is of, and seals its content with a checksum.
 *
 * <pre>{@code
 * {"format": "segformer3d-checkpoint", "version": 1, …, "sha256": "…"}
 * }</pre>
 *
 * The checksum is {@link Json#hash} of everything else, so that it doesn't depend on white space and the order of keys.
 *
 * @param format name of the format, in every file
 * @param noun what messages call it, for example {@code checkpoint}
 * @param oldest oldest version that is read
 * @param newest version that is written, and the newest that is read
 */
public record SealedDescription(String format, String noun, int oldest, int newest) {
    private static final String FORMAT = "format";
    private static final String VERSION = "version";
    private static final String SEAL = "sha256";

    /** Checks that nothing is {@code null}. */
    public SealedDescription {
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(noun, "noun");
    }

    /**
     * Returns the file's text: format and version, the content, and the seal.
     *
     * @param content plain values without the keys format, version and sha256
     * @throws IllegalArgumentException when a value can't be written as JSON
     */
    public String write(Map<String, ?> content) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put(FORMAT, format);
        map.put(VERSION, newest);
        map.putAll(content);
        map.put(SEAL, Json.hash(map));
        return Json.pretty(map);
    }

    /**
     * Returns the content of a file whose format, version and seal are right.
     *
     * @param file the file's name for messages
     * @param bytes what it holds
     * @throws UnsupportedFileException when it is of another format
     * @throws TooNewFileException when a later release wrote it
     * @throws TooOldFileException when its version is no longer read
     * @throws CorruptFileException when it isn't JSON, or was damaged or edited
     */
    public Map<String, Object> read(Path file, byte[] bytes) throws FileFormatException {
        Map<String, Object> map = parse(file, bytes);
        if (map == null || !format.equals(map.get(FORMAT))) {
            throw new UnsupportedFileException(
                    file, "found format " + (map == null ? null : map.get(FORMAT)) + ", expected " + format);
        }
        // The version comes before everything else: another version may mean anything by the rest.
        if (!(map.get(VERSION) instanceof Integer version)) {
            throw new CorruptFileException(file, "found version " + map.get(VERSION) + ", expected a number");
        }
        if (version > newest) {
            throw new TooNewFileException(file, noun, version, newest);
        }
        if (version < oldest) {
            throw new TooOldFileException(file, noun, version, oldest);
        }
        Object stated = map.remove(SEAL);
        String actual = Json.hash(map);
        if (!actual.equals(stated)) {
            throw new CorruptFileException(
                    file,
                    "found content with SHA-256 " + actual + ", expected " + stated
                            + "; it was damaged or edited: copy the " + noun + " again");
        }
        return map;
    }

    private Map<String, Object> parse(Path file, byte[] bytes) throws CorruptFileException {
        try {
            return Json.parse(StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString());
        } catch (CharacterCodingException e) {
            throw new CorruptFileException(file, "not UTF-8 text, expected a " + noun + "'s description", e);
        } catch (JsonProcessingException e) {
            throw new CorruptFileException(
                    file,
                    "not readable as JSON: " + e.getOriginalMessage() + "; expected a " + noun + "'s description",
                    e);
        }
    }

    /**
     * Returns an object inside a description.
     *
     * @param file the file's name for messages
     * @throws CorruptFileException when the key holds no object
     */
    public static Map<String, Object> section(Path file, Map<String, ?> map, String key) throws CorruptFileException {
        if (!(map.get(key) instanceof Map<?, ?> section)) {
            throw new CorruptFileException(file, key + ": found " + map.get(key) + ", expected an object");
        }
        Map<String, Object> copy = new LinkedHashMap<>();
        section.forEach((name, value) -> copy.put(String.valueOf(name), value));
        return copy;
    }
}
