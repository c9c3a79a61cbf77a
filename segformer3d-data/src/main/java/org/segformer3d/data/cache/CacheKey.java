package org.segformer3d.data.cache;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.segformer3d.data.io.Sha256;

/**
 * Names a computed result by everything that made it: the computation and its version, its settings, and its files' content.
 *
 * <p>Equal keys must mean equal results, so whatever changes a result belongs in its key; where a file lies and when it was written
 * don't. Immutable.
 *
 * <pre>{@code
 * CacheKey key = CacheKey.of("preprocessed", 1).with("spec", spec.toMap()).withFile("image", file);
 * }</pre>
 */
public final class CacheKey {
    private static final ObjectWriter CANONICAL =
            new ObjectMapper().writer().with(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS);

    private final List<String> parts;

    private CacheKey(List<String> parts) {
        this.parts = parts;
    }

    /**
     * Returns the key of a computation without settings and files.
     *
     * @param computation what it is called, never {@code null}
     * @param version to be raised whenever the same settings and files give another result
     */
    public static CacheKey of(String computation, int version) {
        Objects.requireNonNull(computation, "computation");
        return new CacheKey(List.of()).with(computation, version);
    }

    /**
     * Returns this key with a setting added.
     *
     * @param name what the setting is called, never {@code null}
     * @param value text, a number, a boolean, {@code null}, or lists and maps of these; the order of a map's keys doesn't count
     * @throws IllegalArgumentException when the value is something else
     */
    public CacheKey with(String name, Object value) {
        Objects.requireNonNull(name, "name");
        List<String> longer = new ArrayList<>(parts);
        try {
            longer.add(CANONICAL.writeValueAsString(List.of(name)) + CANONICAL.writeValueAsString(value));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(name + ": can't be a part of a cache key: " + e.getOriginalMessage(), e);
        }
        return new CacheKey(List.copyOf(longer));
    }

    /**
     * Returns this key with a file's content added.
     *
     * @param name what the file is for, never {@code null}
     * @throws IOException when the file can't be read
     */
    public CacheKey withFile(String name, Path file) throws IOException {
        return with(name, Sha256.of(file));
    }

    /** Returns the SHA-256 of the key: 64 hexadecimal digits. */
    public String hash() {
        return Sha256.of(String.join("\n", parts));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CacheKey that && parts.equals(that.parts);
    }

    @Override
    public int hashCode() {
        return parts.hashCode();
    }

    @Override
    public String toString() {
        return hash();
    }
}
