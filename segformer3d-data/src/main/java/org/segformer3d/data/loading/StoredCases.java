package org.segformer3d.data.loading;

import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.segformer3d.data.cache.CacheKey;
import org.segformer3d.data.cache.VolumeCache;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.StoredCase;

/**
 * Keeps prepared cases on disk, so that another epoch, run or process reads what was prepared once.
 *
 * <p>A case's key is found once and kept: files that change while this is in use aren't noticed.
 */
public final class StoredCases implements CaseSource {
    private final CaseSource source;
    private final Keys keys;
    private final VolumeCache cache;
    private final ConcurrentHashMap<Integer, CacheKey> known = new ConcurrentHashMap<>();

    /** Says what makes a case. */
    @FunctionalInterface
    public interface Keys {
        /**
         * Returns the key of a case.
         *
         * @throws IOException when a file is missing or can't be read
         */
        CacheKey key(int index) throws IOException;
    }

    /** Keeps cases that are read from files. */
    public StoredCases(FileCases source, VolumeCache cache) {
        this(source, source::key, cache);
    }

    /**
     * Keeps any cases.
     *
     * @param source prepares them, never {@code null}
     * @param keys says what makes them, never {@code null}
     * @param cache where they are kept, never {@code null}
     */
    public StoredCases(CaseSource source, Keys keys, VolumeCache cache) {
        this.source = Objects.requireNonNull(source, "source");
        this.keys = Objects.requireNonNull(keys, "keys");
        this.cache = Objects.requireNonNull(cache, "cache");
    }

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public String id(int index) {
        return source.id(index);
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        CacheKey key = known.get(index);
        if (key == null) {
            key = keys.key(index);
            known.put(index, key);
        }
        return StoredCase.read(cache.get(key, () -> StoredCase.of(source.load(index))));
    }
}
