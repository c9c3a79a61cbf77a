package org.segformer3d.backend.reference;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Loops over independent ranges on a fixed number of threads, the caller's included.
 *
 * <p>Ranges are cut by size, not by thread, and write to places of their own, so results don't depend on the number of threads.
 * Several callers may loop at once; each works on its own loop, so none can wait for another.
 */
final class ParallelLoops implements AutoCloseable {
    private static final AtomicInteger POOLS = new AtomicInteger();

    /** Loops on the calling thread alone, for what is inside another loop. */
    static final ParallelLoops NONE = new ParallelLoops(1);

    private final int helpers;
    private final ExecutorService pool;

    /** The body of a loop over {@code from ≤ i < to}. */
    @FunctionalInterface
    interface Body {
        void run(int from, int to);
    }

    ParallelLoops(int threads) {
        this.helpers = threads - 1;
        int number = POOLS.incrementAndGet();
        AtomicInteger thread = new AtomicInteger();
        this.pool = helpers == 0
                ? null
                : Executors.newFixedThreadPool(helpers, task -> {
                    Thread helper =
                            new Thread(task, "segformer3d-reference-" + number + "-" + thread.incrementAndGet());
                    helper.setDaemon(true);
                    return helper;
                });
    }

    /**
     * Runs the body over 0…count−1 in ranges of the given size, and returns when all are done.
     *
     * @param count number of items
     * @param size items per range, the last may be shorter
     */
    void run(int count, int size, Body body) {
        int ranges = (count + size - 1) / size;
        if (helpers == 0 || ranges <= 1) {
            for (int range = 0; range < ranges; range++) {
                body.run(range * size, Math.min(count, (range + 1) * size));
            }
            return;
        }
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        CountDownLatch left = new CountDownLatch(ranges);
        Runnable work = () -> {
            for (int range = next.getAndIncrement(); range < ranges; range = next.getAndIncrement()) {
                try {
                    body.run(range * size, Math.min(count, (range + 1) * size));
                } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                } finally {
                    left.countDown();
                }
            }
        };
        try {
            for (int i = 0; i < Math.min(helpers, ranges - 1); i++) {
                pool.execute(work);
            }
        } catch (RejectedExecutionException e) {
            // The backend is being closed: what was begun is finished by this thread alone.
        }
        work.run();
        awaitQuietly(left);
        if (failure.get() instanceof RuntimeException e) {
            throw e;
        }
        if (failure.get() instanceof Error e) {
            throw e;
        }
    }

    /** Waits even when interrupted: helpers still write to the caller's arrays. */
    private static void awaitQuietly(CountDownLatch left) {
        boolean interrupted = false;
        while (true) {
            try {
                left.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        if (pool != null) {
            pool.shutdown();
        }
    }
}
