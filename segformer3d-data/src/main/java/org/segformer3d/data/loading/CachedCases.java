package org.segformer3d.data.loading;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import org.segformer3d.data.preprocessing.PreparedCase;

/**
 * Keeps prepared cases in memory up to a limit; the rest is loaded anew each time.
 *
 * <p>The first cases that fit stay for good: training visits all cases in turn, and throwing out the least recently used one would then
 * throw out exactly the one needed next. A case that several threads ask for at once is loaded once.
 */
public final class CachedCases implements CaseSource {
    private final CaseSource source;
    private final long limit;
    private final AtomicLong used = new AtomicLong();
    private final ConcurrentHashMap<Integer, CompletableFuture<PreparedCase>> kept = new ConcurrentHashMap<>();

    /**
     * Creates a cache.
     *
     * @param source where cases come from, never {@code null}
     * @param limit most bytes of tensors to keep, ≥ 0
     */
    public CachedCases(CaseSource source, long limit) {
        this.source = Objects.requireNonNull(source, "source");
        this.limit = limit;
        if (limit < 0) {
            throw new IllegalArgumentException("cache limit: found " + limit + ", expected at least 0");
        }
    }

    /** Creates a cache that takes at most a quarter of the memory that this Java process may take. */
    public CachedCases(CaseSource source) {
        this(source, Runtime.getRuntime().maxMemory() / 4);
    }

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public String id(int index) {
        return source.id(index);
    }

    /** Returns how many bytes of tensors are kept. */
    public long bytes() {
        return used.get();
    }

    @Override
    public PreparedCase load(int index) throws IOException {
        CompletableFuture<PreparedCase> mine = new CompletableFuture<>();
        CompletableFuture<PreparedCase> other = kept.putIfAbsent(index, mine);
        if (other != null) {
            return await(other);
        }
        try {
            PreparedCase loaded = source.load(index);
            if (!reserve(loaded.bytes())) {
                kept.remove(index, mine);
            }
            mine.complete(loaded);
            return loaded;
        } catch (Throwable e) {
            // What failed may work the next time, for example after a file was put back.
            kept.remove(index, mine);
            mine.completeExceptionally(e);
            throw e;
        }
    }

    private boolean reserve(long bytes) {
        if (used.addAndGet(bytes) <= limit) {
            return true;
        }
        used.addAndGet(-bytes);
        return false;
    }

    private static PreparedCase await(CompletableFuture<PreparedCase> other) throws IOException {
        try {
            return other.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while another thread loads the case");
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            if (cause instanceof IOException io) {
                throw io;
            }
            if (cause instanceof RuntimeException runtime) {
                throw runtime;
            }
            throw (Error) cause;
        }
    }
}
