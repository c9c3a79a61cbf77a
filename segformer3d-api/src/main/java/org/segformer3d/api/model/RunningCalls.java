package org.segformer3d.api.model;

import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Counts the calls that use a model, so that closing it while other threads compute frees nothing under their feet: what it owns is
 * released once, by {@link #close} where no call is running and by the last running one otherwise. Calls made after closing are refused.
 */
public final class RunningCalls implements AutoCloseable {
    private final Runnable release;
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicBoolean released = new AtomicBoolean();
    private volatile boolean closed;

    /** Creates a count for something open that is to be released in the end. */
    public RunningCalls(Runnable release) {
        this.release = Objects.requireNonNull(release, "release");
    }

    /**
     * Runs a call.
     *
     * @throws IllegalStateException when the model is closed
     */
    public <T> T run(Supplier<T> call) {
        // counted first: whoever closes from now on sees this call, or this call sees that
        running.incrementAndGet();
        try {
            if (closed) {
                throw new IllegalStateException("the model is closed");
            }
            return call.get();
        } finally {
            if (running.decrementAndGet() == 0 && closed) {
                releaseOnce();
            }
        }
    }

    /** Returns whether calls are refused. */
    public boolean isClosed() {
        return closed;
    }

    @Override
    public void close() {
        closed = true;
        if (running.get() == 0) {
            releaseOnce();
        }
    }

    private void releaseOnce() {
        if (released.compareAndSet(false, true)) {
            release.run();
        }
    }
}
