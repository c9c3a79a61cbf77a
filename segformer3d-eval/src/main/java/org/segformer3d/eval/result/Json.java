package org.segformer3d.eval.result;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.LinkedHashMap;
import java.util.Map;
import org.segformer3d.data.io.Sha256;

/** Maps of plain values as JSON: for people to read, and in a canonical form whose hash depends on the content alone. */
public final class Json {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectWriter CANONICAL =
            new ObjectMapper().writer().with(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS);
    private static final ObjectWriter PRETTY = MAPPER.writer(new DefaultPrettyPrinter()
            // Line ends must not depend on the system, or the same result would have another checksum elsewhere.
            .withObjectIndenter(new DefaultIndenter("  ", "\n")));
    private static final TypeReference<LinkedHashMap<String, Object>> MAP = new TypeReference<>() {};

    private Json() {}

    /**
     * Returns a map as indented JSON with a final line end.
     *
     * @param map texts, numbers, booleans, {@code null}, lists and maps of these; NaN and infinities aren't JSON and are refused
     * @throws IllegalArgumentException when a value is something else
     */
    public static String pretty(Map<String, ?> map) {
        refuseNonFinite("", map);
        return write(PRETTY, map) + "\n";
    }

    /**
     * Returns the SHA-256 of a map's canonical JSON: keys sorted at every depth, no white space.
     *
     * @return 64 hexadecimal digits
     * @throws IllegalArgumentException when a value isn't a plain one
     */
    public static String hash(Map<String, ?> map) {
        // Parsed back first, so that values which are written alike, such as 1 as int and as long, count as equal.
        return Sha256.of(write(CANONICAL, parseOwn(write(CANONICAL, map))));
    }

    /**
     * Parses an object.
     *
     * @throws JsonProcessingException when the text isn't one JSON object
     */
    public static Map<String, Object> parse(String text) throws JsonProcessingException {
        return MAPPER.readValue(text, MAP);
    }

    private static Map<String, Object> parseOwn(String text) {
        try {
            return parse(text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("Jackson can't read what it wrote", e);
        }
    }

    private static String write(ObjectWriter writer, Map<String, ?> map) {
        try {
            return writer.writeValueAsString(map);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("a value can't be written as JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static void refuseNonFinite(String where, Object value) {
        if (value instanceof Map<?, ?> map) {
            map.forEach((key, inner) -> refuseNonFinite(where + "/" + key, inner));
        } else if (value instanceof Iterable<?> list) {
            list.forEach(inner -> refuseNonFinite(where, inner));
        } else if (value instanceof Number number && !Double.isFinite(number.doubleValue())) {
            throw new IllegalArgumentException(where + ": " + number + " can't be written as JSON");
        }
    }
}
