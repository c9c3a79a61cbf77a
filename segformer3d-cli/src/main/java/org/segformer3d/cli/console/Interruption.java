package org.segformer3d.cli.console;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Turns Ctrl-C and a polite kill into a request to stop: while this is open, the process lives on until it is closed, so that the last
 * state can be saved.
 */
public final class Interruption implements AutoCloseable {
    /** A process that doesn't end for longer is ended. */
    public static final long PATIENCE_SECONDS = 120;

    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread hook = new Thread(this::hold, "interruption");
    private volatile boolean requested;

    /** Starts listening. */
    public Interruption() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Returns whether the process was asked to end. */
    public boolean isRequested() {
        return requested;
    }

    private void hold() {
        requested = true;
        try {
            if (!closed.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                Runtime.getRuntime().halt(1);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        closed.countDown();
        if (!requested) {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // it ends at this very moment
            }
        }
    }
}
