package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.GradMode;

/**
 * Computes independent parts of a tensor on several Java threads, each of which computes natively on its own.
 *
 * <p>A chain of small operations on a part that stays in one core's cache scales with the cores. One OpenMP team for every operation of
 * the chain doesn't: its threads wait for each other after each of them, and pass what they made through the memory. The parts don't
 * depend on the number of threads, so neither do the results.
 */
final class Team {
    private static final AtomicInteger NUMBER = new AtomicInteger();
    private static final ExecutorService HELPERS = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "segformer3d-compute-" + NUMBER.incrementAndGet());
        thread.setDaemon(true);
        return thread;
    });

    private final ComputeThreads threads;

    Team(ComputeThreads threads) {
        this.threads = threads;
    }

    /**
     * Runs the parts 0…count−1, each exactly once and in a pointer scope of its own, and returns when all have ended.
     *
     * <p>To be called within {@link ComputeThreads#enter}, whose processors the parts share.
     *
     * @throws RuntimeException the first one that a part threw; parts that haven't begun then are left out
     */
    void each(int count, IntConsumer part) {
        int helpers = Math.min(threads.count(), count) - 1;
        if (helpers <= 0) {
            for (int i = 0; i < count; i++) {
                run(part, i);
            }
            return;
        }
        AtomicInteger next = new AtomicInteger();
        Runnable work = () -> {
            try {
                for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                    run(part, i);
                }
            } catch (RuntimeException | Error e) {
                next.set(count);
                throw e;
            }
        };
        List<Future<?>> others = new ArrayList<>();
        for (int i = 0; i < helpers; i++) {
            others.add(HELPERS.submit(() -> {
                ComputeThreads.computeAlone();
                // the mode belongs to the thread, and these threads compute for inference only
                GradMode.set_enabled(false);
                work.run();
            }));
        }
        Throwable failure = null;
        ComputeThreads.computeAlone();
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            failure = e;
        } finally {
            threads.computeTogether();
        }
        Workers.await(others, failure);
    }

    private static void run(IntConsumer part, int i) {
        LibtorchBackend.scoped(() -> {
            part.accept(i);
            return null;
        });
    }
}
