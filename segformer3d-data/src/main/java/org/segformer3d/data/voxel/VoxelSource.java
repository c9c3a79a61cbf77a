package org.segformer3d.data.voxel;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * Loads a file's voxels: the calling thread reads (inflates) blocks of planes, and a second one computes the checksum, decodes and
 * transposes them meanwhile.
 *
 * <p>Inflating cannot be divided, so that this is what bounds the time; everything else, the zeroing of the resulting array included,
 * happens beside it. Small images aren't worth a thread.
 */
public final class VoxelSource {
    private static final int MOST_PLANES = 32;
    private static final int BLOCK_BYTES = 1 << 21;
    private static final int SLOTS = 3;
    private static final int SMALL = 1 << 18;
    /** The last blocks shrink to this many planes, because nothing hides the work on the very last one. */
    private static final int FEWEST_PLANES = 2;

    /** Makes the resulting array, or says why there can be none. */
    @FunctionalInterface
    public interface Allocation {
        /** Returns an array of zeros. */
        float[] allocate() throws IOException;
    }

    private final VoxelLayout layout;
    private final VoxelCodec codec;
    private final VoxelInput in;
    private final Allocation allocation;
    private float[] values;
    private float[] strip;

    /** Creates a source that hasn't read anything yet. */
    public VoxelSource(VoxelLayout layout, VoxelCodec codec, VoxelInput in, Allocation allocation) {
        this.layout = layout;
        this.codec = codec;
        this.in = in;
        this.allocation = allocation;
    }

    /**
     * Returns an array of zeros for an image.
     *
     * @param file for the message
     * @param elements how many values, up to 2³¹ − 9
     * @throws VolumeFormatException when there isn't enough memory
     */
    public static float[] array(Path file, long elements) throws VolumeFormatException {
        long bytes = elements * Float.BYTES;
        long limit = Runtime.getRuntime().maxMemory();
        if (bytes < limit) {
            try {
                return new float[(int) elements];
            } catch (OutOfMemoryError e) {
                // An array that doesn't fit leaves the heap as it was, so this is safe to report like any other limit.
            }
        }
        throw new VolumeFormatException(
                file,
                "needs " + (bytes >> 20) + " MiB of memory as float32, but Java may use " + (limit >> 20)
                        + " MiB in all; raise -Xmx");
    }

    /** Returns the loaded values. */
    public float[] values() {
        return values;
    }

    /** Loads all and returns how many bytes were read, which is less than needed only at the file's end. */
    public long load() throws IOException {
        if (!layout.hasPlanes()) {
            values = allocation.allocate();
            return layout.fromFileByRuns(values, codec, in);
        }
        long planeBytes = (long) layout.plane() * codec.bytes();
        int planes = (int) Math.max(1, Math.min(Math.min(MOST_PLANES, layout.planes()), BLOCK_BYTES / planeBytes));
        strip = new float[layout.stripLength(planes)];
        if (planeBytes * layout.planes() * layout.channels() <= SMALL) {
            values = allocation.allocate();
            return loadAlone(planes, new byte[(int) (planes * planeBytes)]);
        }
        ExecutorService second = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "voxel-decode");
            thread.setDaemon(true);
            return thread;
        });
        try {
            return loadWith(second, planes, (int) planeBytes);
        } finally {
            second.shutdownNow();
        }
    }

    private long loadAlone(int planes, byte[] raw) throws IOException {
        long total = 0;
        for (int c = 0; c < layout.channels(); c++) {
            for (int k = 0; k < layout.planes(); k += planes) {
                int count = Math.min(planes, layout.planes() - k);
                int bytes = count * layout.plane() * codec.bytes();
                int read = in.read(raw, bytes);
                total += read;
                if (read < bytes) {
                    return total;
                }
                layout.place(raw, codec, c, k, count, strip, values);
            }
        }
        return total;
    }

    private long loadWith(ExecutorService second, int planes, int planeBytes) throws IOException {
        // Zeroing fresh memory takes time too, so that is the other thread's work except where this one would wait for
        // it.
        List<Future<byte[]>> raw = new ArrayList<>();
        raw.add(CompletableFuture.completedFuture(new byte[planes * planeBytes]));
        raw.add(second.submit(() -> new byte[planes * planeBytes]));
        Future<float[]> allocated = second.submit(() -> values = allocation.allocate());
        for (int n = raw.size(); n < SLOTS; n++) {
            raw.add(second.submit(() -> new byte[planes * planeBytes]));
        }
        Future<?>[] busy = new Future<?>[SLOTS];
        int slot = 0;
        long total = 0;
        for (int c = 0; c < layout.channels(); c++) {
            int count;
            for (int k = 0; k < layout.planes(); k += count) {
                int left = layout.planes() - k;
                boolean last = c == layout.channels() - 1;
                count = Math.min(Math.min(planes, left), last ? Math.max(FEWEST_PLANES, (left + 1) / 2) : left);
                await(busy[slot]);
                byte[] block = await(raw.get(slot));
                int bytes = count * planeBytes;
                int read = in.readUnchecked(block, bytes);
                total += read;
                if (read < bytes) {
                    await(allocated);
                    return total;
                }
                busy[slot] = second.submit(task(block, bytes, c, k, count));
                slot = (slot + 1) % SLOTS;
            }
        }
        await(allocated);
        for (Future<?> block : busy) {
            await(block);
        }
        return total;
    }

    private Callable<Void> task(byte[] block, int bytes, int c, int k, int count) {
        return () -> {
            if (values != null) {
                in.check(block, bytes);
                layout.place(block, codec, c, k, count, strip, values);
            }
            return null;
        };
    }

    private static <T> T await(Future<T> task) throws IOException {
        if (task == null) {
            return null;
        }
        try {
            return task.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while reading an image");
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            if (cause instanceof IOException failure) {
                throw failure;
            }
            if (cause instanceof RuntimeException failure) {
                throw failure;
            }
            if (cause instanceof Error failure) {
                throw failure;
            }
            throw new IllegalStateException(cause);
        }
    }
}
