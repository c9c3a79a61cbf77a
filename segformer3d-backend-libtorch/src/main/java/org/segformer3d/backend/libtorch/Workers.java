package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.global.torch;

/**
 * Java threads for independent pieces of native work, above all the samples of a batch: many operations on one thread each need no
 * barrier after every one of them, as one operation on many threads does, and some of libtorch's, products by the BLAS among them,
 * never use a second thread. The caller waits, so that together they take no more processors than it holds.
 *
 * <p>Who gets which piece depends on nothing but numbers, so equal calls give equal bits.
 */
final class Workers implements AutoCloseable {
    private final int threads;
    private final ExecutorService pool;

    Workers(int threads) {
        this.threads = threads;
        this.pool = threads == 1 ? null : Executors.newFixedThreadPool(threads, Worker::new);
    }

    private static final class Worker extends Thread {
        private int index;
        private int told;

        Worker(Runnable task) {
            super(task, "segformer3d-libtorch-worker");
            setDaemon(true);
        }

        @Override
        public void run() {
            // asked first, because libtorch overwrites the number at a thread's first use
            torch.get_num_threads();
            GradMode.set_enabled(false);
            super.run();
        }

        void prepare(int newIndex, int threads) {
            index = newIndex;
            if (told != threads) {
                torch.set_num_threads(threads);
                told = threads;
            }
        }
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

    /** Returns who computes on this thread, from 0; a thread that is no worker counts as the first. */
    static int current() {
        return Thread.currentThread() instanceof Worker worker ? worker.index : 0;
    }

    /** Returns into how many ranges {@link #divide} divides. Within a worker nothing is divided further. */
    int parts(long count) {
        return Thread.currentThread() instanceof Worker ? 1 : (int) Math.max(1, Math.min(threads, count));
    }

    /** Divides 0…count−1 into ranges of about equal size and waits until all are done. */
    void divide(long count, Range action) {
        int parts = parts(count);
        if (parts == 1) {
            run(action, 0, 0, count);
            return;
        }
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            int worker = i;
            long first = count * i / parts;
            long size = count * (i + 1) / parts - first;
            running.add(pool.submit(() -> {
                ((Worker) Thread.currentThread()).prepare(worker, threads / parts);
                run(action, worker, first, size);
            }));
        }
        await(running, null);
    }

    /** Does something for each sample of a batch, each in a pointer scope of its own. */
    void each(long samples, IntConsumer action) {
        divide(samples, (worker, first, count) -> {
            for (long b = first; b < first + count; b++) {
                int sample = (int) b;
                LibtorchBackend.scoped(() -> {
                    action.accept(sample);
                    return null;
                });
            }
        });
    }

    private static void run(Range action, int worker, long first, long count) {
        LibtorchBackend.scoped(() -> {
            action.on(worker, first, count);
            return null;
        });
    }

    /**
     * Waits until all have ended, whatever happens: they work on tensors that may be released once this returns.
     *
     * @param first what failed already, or {@code null}
     * @throws RuntimeException {@code first} or else what the first of them threw
     */
    static void await(List<Future<?>> running, Throwable first) {
        Throwable failure = first;
        boolean interrupted = false;
        for (Future<?> part : running) {
            while (true) {
                try {
                    part.get();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    failure = failure == null ? e.getCause() : failure;
                    break;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (failure instanceof Error error) {
            throw error;
        }
        if (failure != null) {
            // nothing that these run declares another
            throw (RuntimeException) failure;
        }
    }

    @Override
    public void close() {
        if (pool != null) {
            pool.shutdown();
        }
    }
}
