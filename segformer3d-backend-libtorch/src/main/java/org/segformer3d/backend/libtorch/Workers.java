package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.global.torch;

/**
 * Java threads for independent pieces of native work, each of which computes on one thread: for what libtorch itself wouldn't compute on
 * several, products by the BLAS above all. The caller waits, so that together they take no more processors than it holds.
 *
 * <p>Pieces are ranges that depend on nothing but the number of threads, so equal calls give equal bits.
 */
final class Workers implements AutoCloseable {
    private final int threads;
    private final ExecutorService pool;

    Workers(int threads) {
        this.threads = threads;
        this.pool = threads == 1
                ? null
                : Executors.newFixedThreadPool(threads, task -> {
                    Thread thread = new Thread(
                            () -> {
                                // asked first, because libtorch overwrites the number at a thread's first use
                                torch.get_num_threads();
                                torch.set_num_threads(1);
                                GradMode.set_enabled(false);
                                task.run();
                            },
                            "segformer3d-libtorch-worker");
                    thread.setDaemon(true);
                    return thread;
                });
    }

    /** Part of some work. */
    interface Range {
        /**
         * Does it, in a pointer scope of its own.
         *
         * @param worker who does it, from 0
         * @param first where the range starts
         * @param count how much it holds, at least 1
         */
        void on(int worker, long first, long count);
    }

    int threads() {
        return threads;
    }

    /** Divides 0…count−1 into ranges of about equal size, one for each thread, and waits until all are done. */
    void divide(long count, Range action) {
        int parts = (int) Math.min(threads, count);
        if (parts <= 1) {
            if (count > 0) {
                run(action, 0, 0, count);
            }
            return;
        }
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            int worker = i;
            long first = count * i / parts;
            long size = count * (i + 1) / parts - first;
            running.add(pool.submit(() -> run(action, worker, first, size)));
        }
        await(running);
    }

    private static void run(Range action, int worker, long first, long count) {
        LibtorchBackend.scoped(() -> {
            action.on(worker, first, count);
            return null;
        });
    }

    private static void await(List<Future<?>> running) {
        RuntimeException failure = null;
        boolean interrupted = false;
        for (Future<?> part : running) {
            // all of them, even after a failure: they work on tensors that are released once this returns
            while (true) {
                try {
                    part.get();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    failure = e.getCause() instanceof RuntimeException runtime
                            ? runtime
                            : new IllegalStateException(e.getCause());
                    break;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void close() {
        if (pool != null) {
            pool.shutdown();
        }
    }
}
