package org.segformer3d.data.loading;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.IntFunction;

/**
 * The batches of one pass over the cases, each made in the background while the ones before it are used.
 *
 * <p>An epoch is iterated once, by one thread. The first failure ends it. Close it when leaving early, which stops what is being made;
 * one that was iterated to its end needs no closing.
 */
public final class Epoch implements Iterable<Batch>, AutoCloseable {
    private final PatchLoader loader;
    private final int batches;
    private final IntFunction<Batch> maker;
    private final ExecutorService workers;
    private final int ahead;
    private final ArrayDeque<Future<Batch>> pending = new ArrayDeque<>();
    private int submitted;
    private int taken;
    private boolean iterated;
    private volatile boolean closed;

    /**
     * @param maker makes the batch of a number, on any thread
     * @param workers where it runs, {@code null} for the asking thread
     * @param ahead how many batches may be under way or waiting at once
     */
    Epoch(PatchLoader loader, int batches, IntFunction<Batch> maker, ExecutorService workers, int ahead) {
        this.loader = loader;
        this.batches = batches;
        this.maker = maker;
        this.workers = workers;
        this.ahead = ahead;
    }

    /** Returns the number of batches. */
    public int batches() {
        return batches;
    }

    /**
     * Starts the workers and returns the batches in order.
     *
     * @throws IllegalStateException when the epoch was iterated before or is closed
     */
    @Override
    public Iterator<Batch> iterator() {
        requireOpen();
        if (iterated) {
            throw new IllegalStateException("an epoch can be iterated only once; ask the loader for another one");
        }
        iterated = true;
        fill();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return taken < batches;
            }

            @Override
            public Batch next() {
                if (taken == batches) {
                    throw new NoSuchElementException("the epoch has " + batches + " batches");
                }
                requireOpen();
                return take();
            }
        };
    }

    /** Keeps as many batches under way as allowed. */
    private void fill() {
        while (workers != null && submitted < batches && pending.size() < ahead && !isClosed()) {
            int index = submitted++;
            try {
                pending.add(workers.submit(() -> isClosed() ? null : maker.apply(index)));
            } catch (RejectedExecutionException e) {
                // The loader was closed on another thread just now; the next call says so.
                close();
            }
        }
    }

    private Batch take() {
        long start = System.nanoTime();
        try {
            Batch batch =
                    workers == null ? maker.apply(taken) : pending.remove().get();
            if (batch == null) {
                requireOpen();
            }
            taken++;
            fill();
            return batch;
        } catch (InterruptedException e) {
            close();
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a batch", e);
        } catch (ExecutionException e) {
            close();
            if (e.getCause() instanceof RuntimeException runtime) {
                throw runtime;
            }
            throw (Error) e.getCause();
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        } finally {
            loader.addWait(System.nanoTime() - start);
        }
    }

    private void requireOpen() {
        if (isClosed()) {
            throw new IllegalStateException("this epoch or its loader is closed");
        }
    }

    /** Returns whether making more samples is pointless. */
    boolean isClosed() {
        return closed || loader.isClosed();
    }

    /** Stops making batches; a sample being made is finished and dropped. Has no effect on a closed epoch. */
    @Override
    public void close() {
        closed = true;
        // Not interrupted: a case being loaded may be one that the cache is to keep for the next epoch.
        pending.forEach(future -> future.cancel(false));
        pending.clear();
    }
}
