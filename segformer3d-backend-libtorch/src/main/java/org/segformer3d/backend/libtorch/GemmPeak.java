package org.segformer3d.backend.libtorch;

import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.backend.BackendException;

/** How fast this machine multiplies large float32 matrices through libtorch: what the speed of a network is measured against. */
public final class GemmPeak {
    private static final int EDGE = 1536;
    private static final int ROUNDS = 12;

    private GemmPeak() {}

    /**
     * Returns the speed of matrix products of 1536×1536, one on each thread at the same time and the best of several each, in 10⁹
     * floating-point operations a second; a multiplication and an addition are two.
     *
     * @param threads on the CPU, at least 1
     * @throws BackendException when libtorch can't be loaded here
     */
    public static double gigaflops(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: found " + threads + ", expected at least 1");
        }
        Natives.whyUnavailable().ifPresent(reason -> {
            throw new BackendException("backend 'libtorch': " + reason);
        });
        // OpenBLAS is kept to one thread, so the threads are Java's.
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            double slowest = 0;
            List<Callable<Double>> round = Collections.nCopies(threads, GemmPeak::fastestProduct);
            for (Future<Double> seconds : pool.invokeAll(round)) {
                slowest = Math.max(slowest, seconds.get());
            }
            return 2e-9 * EDGE * EDGE * EDGE * threads / slowest;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new BackendException("interrupted while measuring");
        } catch (ExecutionException e) {
            throw new BackendException("a matrix product failed: " + e.getCause());
        } finally {
            pool.shutdown();
        }
    }

    /** Returns the seconds of the fastest of several products on the calling thread. */
    private static double fastestProduct() {
        ComputeThreads compute = new ComputeThreads(1);
        compute.enter();
        PointerScope scope = new PointerScope();
        try {
            Tensor a = torch.rand(EDGE, EDGE);
            Tensor b = torch.rand(EDGE, EDGE);
            Tensor c = torch.empty(EDGE, EDGE);
            long best = Long.MAX_VALUE;
            for (int n = 0; n < ROUNDS; n++) {
                long start = System.nanoTime();
                torch.mm_out(c, a, b);
                best = Math.min(best, System.nanoTime() - start);
            }
            return best / 1e9;
        } finally {
            scope.close();
            compute.exit();
        }
    }
}
