package org.segformer3d.data.cache;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.TensorFile;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder of computed volumes, shared by any number of threads and processes.
 *
 * <p>Each entry is one safetensors file named by the hash of its {@link CacheKey}, with a checksum of its content. What changes a result
 * changes its key, so an entry is never out of date; those that nobody asks for any more stay until somebody deletes them, and the whole
 * folder may be deleted at any time.
 *
 * <p>Entries appear whole or not at all. Whoever asks first for an entry computes it, under a lock that the operating system gives up when
 * its holder dies; others that ask for it wait and read it. A damaged entry is computed anew. A folder that can't be written to, or a full
 * disk, costs the cache's benefit and a warning, nothing else.
 */
public final class VolumeCache {
    private static final Logger LOG = LoggerFactory.getLogger(VolumeCache.class);
    private static final String KEY = "segformer3d.cache.key";
    private static final String CHECKSUM = "segformer3d.cache.crc32c";

    /** How long to wait before asking again for a lock that another thread of this process holds. */
    private static final long RETRY_MILLIS = 5;

    private final Path folder;
    private final AtomicBoolean warned = new AtomicBoolean();

    private VolumeCache(Path folder) {
        this.folder = folder;
    }

    /** Computes what isn't there yet. */
    @FunctionalInterface
    public interface Maker {
        /**
         * Returns the tensors, with texts beside them.
         *
         * @throws IOException when something it needs can't be read
         */
        TensorFile make() throws IOException;
    }

    /**
     * Opens a cache, making its folder where it is missing.
     *
     * @param folder never {@code null}
     * @throws IOException when it is a file or can't be made
     */
    public static VolumeCache open(Path folder) throws IOException {
        Path absolute = folder.toAbsolutePath().normalize();
        if (Files.exists(absolute) && !Files.isDirectory(absolute)) {
            throw new IOException(folder + ": found a file, expected the folder of a cache or nothing");
        }
        try {
            Files.createDirectories(absolute);
        } catch (IOException e) {
            throw new IOException(folder + ": can't make the cache's folder (" + e + ")", e);
        }
        return new VolumeCache(absolute);
    }

    /** Returns the folder. */
    public Path folder() {
        return folder;
    }

    /** Returns the file of an entry, whether it is there or not. */
    public Path file(CacheKey key) {
        return folder.resolve(key.hash() + ".safetensors");
    }

    /**
     * Returns an entry, computing and keeping it when it isn't there.
     *
     * @param key what made it, never {@code null}
     * @param maker computes it, never {@code null}; called at most once
     * @throws IOException when computing fails, or this thread is interrupted while another one computes
     */
    public TensorFile get(CacheKey key, Maker maker) throws IOException {
        Objects.requireNonNull(maker, "maker");
        TensorFile found = read(key);
        if (found != null) {
            return found;
        }
        try (FileChannel channel = lockFile(key)) {
            if (channel == null) {
                return maker.make();
            }
            // Closing the channel gives the lock up.
            lock(channel);
            // Somebody else may have computed it meanwhile.
            found = read(key);
            if (found != null) {
                return found;
            }
            TensorFile made = maker.make();
            write(key, made);
            return made;
        }
    }

    /** Returns the entry, or {@code null} when it is missing or damaged. */
    private TensorFile read(CacheKey key) throws IOException {
        Path file = file(key);
        if (!Files.isRegularFile(file)) {
            return null;
        }
        try {
            TensorFile stored = Safetensors.read(file);
            Map<String, String> metadata = new LinkedHashMap<>(stored.metadata());
            String named = metadata.remove(KEY);
            String stated = metadata.remove(CHECKSUM);
            TensorFile entry = new TensorFile(stored.tensors(), metadata);
            String actual = checksum(entry);
            if (!key.hash().equals(named) || !actual.equals(stated)) {
                throw new CorruptFileException(
                        file,
                        "found checksum " + actual + " and key " + named + ", expected " + stated + " and "
                                + key.hash());
            }
            return entry;
        } catch (FileFormatException e) {
            LOG.warn("{}; computing it anew", e.getMessage());
            return null;
        }
    }

    private void write(CacheKey key, TensorFile made) {
        Map<String, String> metadata = new LinkedHashMap<>(made.metadata());
        metadata.put(KEY, key.hash());
        metadata.put(CHECKSUM, checksum(made));
        try {
            removeLeftovers(key);
            Safetensors.write(file(key), made.tensors(), metadata);
        } catch (IOException e) {
            warn(e);
        }
    }

    /** Removes what a killed process was writing; safe under the entry's lock. */
    private void removeLeftovers(CacheKey key) throws IOException {
        try (DirectoryStream<Path> leftovers =
                Files.newDirectoryStream(folder, "." + file(key).getFileName() + ".*.tmp")) {
            for (Path leftover : leftovers) {
                Files.deleteIfExists(leftover);
            }
        }
    }

    /** Returns the open lock file of an entry, which it shares with a few others; {@code null} where there can be none. */
    private FileChannel lockFile(CacheKey key) {
        try {
            Path locks = Files.createDirectories(folder.resolve(".locks"));
            // Never deleted: a process that waits for a deleted file's lock would hold one that means nothing.
            return FileChannel.open(
                    locks.resolve(key.hash().substring(0, 2)), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            warn(e);
            return null;
        }
    }

    /** Waits for the lock; on a file system without locks two may compute the same, which costs time only. */
    private void lock(FileChannel channel) throws IOException {
        while (true) {
            try {
                channel.lock();
                return;
            } catch (OverlappingFileLockException e) {
                // Another thread of this process holds it, which the system's lock can't express.
                try {
                    Thread.sleep(RETRY_MILLIS);
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    throw new InterruptedIOException("interrupted while another thread computes a cached volume");
                }
            } catch (java.nio.channels.ClosedByInterruptException | java.nio.channels.FileLockInterruptionException e) {
                throw new InterruptedIOException("interrupted while another process computes a cached volume");
            } catch (IOException e) {
                warn(e);
                return;
            }
        }
    }

    private void warn(IOException e) {
        if (warned.compareAndSet(false, true)) {
            LOG.warn("{}: can't be written to ({}); going on without keeping what is computed", folder, e.toString());
        }
    }

    private static String checksum(TensorFile content) {
        CRC32C crc = new CRC32C();
        new TreeMap<>(content.metadata()).forEach((name, text) -> {
            crc.update(bytes(name));
            crc.update(bytes(text));
        });
        for (Map.Entry<String, HostTensor> entry : new TreeMap<>(content.tensors()).entrySet()) {
            crc.update(bytes(entry.getKey()));
            crc.update(bytes(entry.getValue().toString()));
            crc.update(entry.getValue().bytes());
        }
        return Long.toHexString(crc.getValue());
    }

    private static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }
}
