package org.segformer3d.backend.kernels;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads that a backend computes with: whoever calls is one of them, and {@code threads − 1} of the pool's own help.
 *
 * <p>At most as many calls run at once as there are threads; more wait in the order they came. Helpers spin while a call runs (its regions
 * follow each other by microseconds) and sleep while none does or callers take all threads.
 */
final class Pool implements AutoCloseable {
    private static final long SPINS = 4000;

    private final int threads;
    private final Memory memory;
    private final Semaphore permits;
    private final AtomicIntegerArray taken;
    private final AtomicInteger running = new AtomicInteger();
    private final List<Thread> helpers = new ArrayList<>();
    private volatile boolean closed;

    /** A native call, given where its part of the pool lies. */
    interface Work {
        /**
         * Runs.
         *
         * @param pool address of the pool
         * @param slot which of its calls this is, below the number of threads
         */
        void run(long pool, int slot);
    }

    Pool(int threads) {
        this.threads = threads;
        this.memory = new Memory(Kernels.poolBytes(threads));
        Kernels.poolOpen(memory.address(), threads);
        this.permits = new Semaphore(threads, true);
        this.taken = new AtomicIntegerArray(threads);
        for (int n = 1; n < threads; n++) {
            int number = n;
            Thread helper = new Thread(() -> help(number), "segformer3d-native-" + n);
            helper.setDaemon(true);
            helper.start();
            helpers.add(helper);
        }
    }

    int threads() {
        return threads;
    }

    /**
     * Makes a call, with the helpers that other calls leave.
     *
     * @throws IllegalStateException when the pool is closed
     */
    void call(Work work) {
        permits.acquireUninterruptibly();
        try {
            if (closed) {
                throw new IllegalStateException("the backend is closed");
            }
            int slot = take();
            try {
                if (running.getAndIncrement() == 0) {
                    wake(1);
                }
                work.run(memory.address(), slot);
            } finally {
                int left = running.decrementAndGet();
                taken.set(slot, 0);
                if (left > 0 && !permits.hasQueuedThreads()) {
                    wake(left);
                }
            }
        } finally {
            permits.release();
        }
    }

    /** Wakes the helpers that so many calls leave room for. */
    private void wake(int calls) {
        helpers.subList(0, Math.max(0, threads - calls)).forEach(LockSupport::unpark);
    }

    private int take() {
        for (int slot = 0; ; slot = (slot + 1) % threads) {
            if (taken.compareAndSet(slot, 0, 1)) {
                return slot;
            }
        }
    }

    private void help(int number) {
        long pool = memory.address();
        while (Kernels.poolHelp(pool, number, SPINS) == 0) {
            int calls = running.get();
            if (calls == 0 || calls + number > threads) {
                LockSupport.park(this);
            } else {
                Thread.yield();
            }
        }
    }

    /** Waits for running calls, then ends the helpers. Has no effect on a closed pool. */
    @Override
    public void close() {
        permits.acquireUninterruptibly(threads);
        try {
            if (closed) {
                return;
            }
            closed = true;
            Kernels.poolQuit(memory.address());
            for (Thread helper : helpers) {
                LockSupport.unpark(helper);
                joinUninterruptibly(helper);
            }
            memory.close();
        } finally {
            permits.release(threads);
        }
    }

    private static void joinUninterruptibly(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
