package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.eval.result.CaseFailure;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A prediction job under way. One thread reads, the caller's predicts, one writes: at most one case is read ahead, and at most one waits
 * to be written, and neither where the memory budget is too small for it.
 */
public final class PredictionRun implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PredictionRun.class);
    private static final long POLL_MILLIS = 50;

    private final Ensemble ensemble;
    private final CaseLoader loader;
    private final List<Case> cases;
    private final Map<String, IOException> refused;
    private final PredictionOutput output;
    private final boolean continuing;
    private final boolean overwriting;
    private final ExecutorService reader = executor("reader");
    private final ExecutorService writer = executor("writer");
    private final TreeMap<Integer, Path> written = new TreeMap<>();
    private final TreeMap<Integer, Path> skipped = new TreeMap<>();
    private final TreeMap<Integer, CaseFailure> failures = new TreeMap<>();
    private PredictionListener listener = PredictionListener.NONE;
    private DType computeType;
    private Future<Input> next;
    private Writing writing;

    /** A case that was read, or one that is done already. */
    private record Input(LoadedCase loaded, Path done) {}

    /** A case that is being written. */
    private record Writing(int index, long bytes, Future<Written> future) {}

    private record Written(SegmentationResult result, Path file) {}

    PredictionRun(
            Ensemble ensemble,
            List<Case> cases,
            Map<String, IOException> refused,
            PredictionOutput output,
            boolean continuing,
            boolean overwriting) {
        this.ensemble = ensemble;
        this.loader = new CaseLoader(ensemble.first());
        this.cases = List.copyOf(cases);
        this.refused = refused;
        this.output = Objects.requireNonNull(output, "output");
        this.continuing = continuing;
        this.overwriting = overwriting;
        // Whether a result is to be kept depends on what the backend computes in.
        if (!cases.isEmpty() && !continuing) {
            read(0);
        }
    }

    private static ExecutorService executor(String name) {
        return Executors.newSingleThreadExecutor(work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * Segments all cases.
     *
     * @param segmenter of the models this was started with; stays the caller's
     * @param told how it goes, never {@code null}
     * @return what was written and what failed
     * @throws CancellationException when the listener throws it or says so; what was written stays, and nothing else is left
     * @throws IllegalStateException when it was called before
     */
    public PredictionReport finish(Segmenter segmenter, PredictionListener told) {
        this.listener = Objects.requireNonNull(told, "listener");
        this.computeType = segmenter.backend().options().computeType();
        if (!cases.isEmpty() && continuing) {
            read(0);
        }
        List<CaseFailure> all = new ArrayList<>();
        refused.forEach((id, reason) -> {
            CaseFailure failure = CaseFailure.of(id, reason);
            all.add(failure);
            listener.failed(failure);
        });
        try {
            for (int n = 0; n < cases.size(); n++) {
                listener.started(cases.get(n), n, cases.size());
                one(segmenter, n);
            }
            endWriting();
        } finally {
            close();
        }
        all.addAll(failures.values());
        return new PredictionReport(List.copyOf(written.values()), List.copyOf(skipped.values()), all);
    }

    private void one(Segmenter segmenter, int n) {
        Case input = cases.get(n);
        try {
            Future<Input> reading = next;
            next = null;
            Input read = await(reading);
            if (read.done() != null) {
                skipped.put(n, read.done());
                listener.skipped(input, read.done());
            } else {
                predict(segmenter, n, read.loaded());
            }
        } catch (CancellationException e) {
            throw e;
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            // The next case may be smaller, so even a lack of memory ends this one only.
            fail(n, e);
        }
        readNext(n);
    }

    private void predict(Segmenter segmenter, int n, LoadedCase loaded) throws IOException {
        SegmentationRequest request = new SegmentationRequest(cases.get(n), output.needsLogits(), (done, total) -> {
            tellWritten();
            listener.windowsDone(done, total);
        });
        if (output.needsLogits()) {
            Files.createDirectories(output.folder());
            request = request.withScratch(output.folder());
        }
        long budget = segmenter.budget().bytes();
        MemoryPlan plan = segmenter.plan(loaded, request, budget);
        if (writing != null && plan.bytes() + writing.bytes() > budget) {
            endWriting();
        }
        long besides = plan.bytes() + (writing == null ? 0 : writing.bytes());
        if (n + 1 < cases.size() && besides + loader.estimatedBytes(cases.get(n + 1), loaded) <= budget) {
            readNext(n);
        }
        listener.planned(cases.get(n), plan);
        PredictedCase predicted = segmenter.predict(loaded, request, plan);
        endWriting();
        long kept = plan.parts().labels() + plan.parts().logits();
        writing = new Writing(n, kept, writer.submit(() -> {
            SegmentationResult result = predicted.restore();
            try {
                return new Written(result, output.of(cases.get(n)).write(result));
            } finally {
                result.release();
            }
        }));
        if (kept + plan.parts().process() + plan.parts().image() > budget) {
            endWriting();
        }
    }

    /** Begins to read the case after the n-th, unless that was begun. */
    private void readNext(int n) {
        if (next == null && n + 1 < cases.size()) {
            read(n + 1);
        }
    }

    private void read(int n) {
        Case input = cases.get(n);
        next = reader.submit(() -> {
            PredictionOutput own = output.of(input);
            own.requireApartFrom(input);
            if (continuing && own.isDone(input, ensemble, computeType)) {
                return new Input(null, own.labelFile(input.id()));
            }
            if (!overwriting) {
                own.requireSameSource(input);
            }
            return new Input(loader.load(input), null);
        });
    }

    private void tellWritten() {
        if (writing != null && writing.future().isDone()) {
            endWriting();
        }
    }

    private void endWriting() {
        if (writing == null) {
            return;
        }
        Writing ending = writing;
        try {
            Written result = await(ending.future());
            writing = null;
            written.put(ending.index(), result.file());
            listener.finished(result.result(), result.file());
        } catch (CancellationException e) {
            throw e;
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
            writing = null;
            fail(ending.index(), e);
        }
    }

    private void fail(int n, Throwable reason) {
        String id = cases.get(n).id();
        LOG.debug("case {} failed", id, reason);
        CaseFailure failure = CaseFailure.of(id, reason);
        failures.put(n, failure);
        listener.failed(failure);
    }

    /** Waits for a case to be read or written, as long as nobody cancels. */
    private <T> T await(Future<T> future) throws IOException {
        while (true) {
            try {
                return future.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (listener.isCancelled()) {
                    throw new CancellationException("stopped");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CancellationException("interrupted");
            } catch (ExecutionException e) {
                Throwable cause = e.getCause();
                if (cause instanceof IOException io) {
                    throw io;
                }
                if (cause instanceof RuntimeException runtime) {
                    throw runtime;
                }
                throw (Error) cause;
            }
        }
    }

    /** Ends the job: a case that is read is given up, one that is written is finished first. */
    @Override
    public void close() {
        reader.shutdownNow();
        writer.shutdown();
        boolean interrupted = false;
        while (!writer.isTerminated()) {
            try {
                writer.awaitTermination(1, TimeUnit.MINUTES);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
