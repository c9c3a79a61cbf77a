package org.segformer3d.backend.libtorch;

import java.util.concurrent.Semaphore;
import org.bytedeco.pytorch.global.torch;

/**
 * The processors shared by everything that computes in this process: a call takes as many as its backend computes with, so that
 * concurrent calls never run more native threads than there are processors. Calls within a call take none.
 *
 * <p>Without this, each Java thread would bring a team of OpenMP threads of its own, which spin while they wait for each other.
 */
final class ComputeThreads {
    private static final int PROCESSORS = Runtime.getRuntime().availableProcessors();
    private static final Semaphore PERMITS = new Semaphore(PROCESSORS, true);

    /**
     * Of a Java thread: how many calls it is in, what libtorch was last told on it (OpenMP keeps the number per thread), and how many
     * permits it holds.
     */
    private static final ThreadLocal<int[]> STATE = ThreadLocal.withInitial(() -> new int[3]);

    private static final int DEPTH = 0;
    private static final int TOLD = 1;
    private static final int HELD = 2;

    private final int threads;
    private final int permits;

    ComputeThreads(int threads) {
        this.threads = threads;
        this.permits = Math.min(threads, PROCESSORS);
    }

    /** Waits for processors and sets this thread's number of compute threads; {@link #exit} must follow. */
    void enter() {
        int[] state = STATE.get();
        if (state[DEPTH] == 0) {
            PERMITS.acquireUninterruptibly(permits);
            state[HELD] = permits;
        }
        state[DEPTH]++;
        tell(state, threads);
    }

    /** Returns how many compute threads a call has. */
    int count() {
        return threads;
    }

    /** Sets the calling thread's number of compute threads to one. */
    static void computeAlone() {
        tell(STATE.get(), 1);
    }

    /** Takes {@link #computeAlone} back. */
    void computeTogether() {
        tell(STATE.get(), threads);
    }

    private static void tell(int[] state, int threads) {
        if (state[TOLD] != threads) {
            if (state[TOLD] == 0) {
                // Asked first, because libtorch overwrites the number at a thread's first use, by the one that any
                // other thread was told last. Sums then depend on what was computed before: a resumed run would end
                // with other bits.
                torch.get_num_threads();
            }
            torch.set_num_threads(threads);
            state[TOLD] = threads;
        }
    }

    /** Gives the processors back when the outermost call ends. */
    void exit() {
        int[] state = STATE.get();
        state[DEPTH]--;
        if (state[DEPTH] == 0) {
            PERMITS.release(state[HELD]);
            state[HELD] = 0;
        }
    }

    /**
     * Gives the processors back while this thread only waits: what it waits for may be computed in this process, too, and need them.
     *
     * @param waiting computes nothing itself
     */
    static void whileWaiting(Runnable waiting) {
        int held = STATE.get()[HELD];
        PERMITS.release(held);
        try {
            waiting.run();
        } finally {
            PERMITS.acquireUninterruptibly(held);
        }
    }
}
