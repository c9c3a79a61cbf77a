package org.segformer3d.cli.console;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.eval.inference.MemoryPlan;
import org.segformer3d.eval.inference.PredictionListener;
import org.segformer3d.eval.inference.SegmentationResult;
import org.segformer3d.eval.result.CaseFailure;

/** Shows how prediction goes: windows of the current case, and a line for every case. */
public final class PredictionProgress implements PredictionListener {
    private final PrintWriter out;
    private final PrintWriter err;
    private final Progress.Kind kind;
    private final boolean verbose;
    private final BooleanSupplier stop;
    /** What became known while a bar was shown, which a line would break. */
    private final List<Runnable> later = new ArrayList<>();

    private String name = "";
    private Progress progress;

    /**
     * Creates a listener that writes to a console.
     *
     * @param out where a line for every written case goes; {@code null} for nowhere
     * @param err where progress and failures go
     */
    public PredictionProgress(PrintWriter out, PrintWriter err, Progress.Kind kind) {
        this(out, err, kind, false, () -> false);
    }

    /**
     * Creates a listener that writes to a console.
     *
     * @param out where a line for every written case goes; {@code null} for nowhere
     * @param err where progress and failures go
     * @param verbose whether each case's plan is shown
     * @param stop asked whether to end
     */
    public PredictionProgress(
            PrintWriter out, PrintWriter err, Progress.Kind kind, boolean verbose, BooleanSupplier stop) {
        this.out = out;
        this.err = err;
        this.kind = kind;
        this.verbose = verbose;
        this.stop = stop;
    }

    @Override
    public void started(Case input, int index, int total) {
        close();
        name = input.id() + " (" + (index + 1) + "/" + total + ")";
    }

    @Override
    public void planned(Case input, MemoryPlan plan) {
        if (verbose) {
            print(err, input.id() + ": " + plan);
        }
    }

    @Override
    public void windowsDone(int done, int total) {
        if (stop.getAsBoolean()) {
            throw new CancellationException("stopped");
        }
        if (progress == null) {
            progress = Progress.start(kind, err, name + " windows", total);
        }
        progress.at(done, "");
        if (done == total) {
            close();
        }
    }

    @Override
    public boolean isCancelled() {
        return stop.getAsBoolean();
    }

    @Override
    public void finished(SegmentationResult result, Path labels) {
        print(
                out,
                labels + "  " + result.labels().geometry().size() + ", " + result.windows()
                        + (result.windows() == 1 ? " window, " : " windows, ")
                        + Quantity.duration(result.duration()));
    }

    @Override
    public void skipped(Case input, Path labels) {
        print(out, labels + "  done before");
    }

    @Override
    public void failed(CaseFailure failure) {
        print(err, "segformer3d: case '" + failure.id() + "' failed: " + failure.reason());
    }

    private void print(PrintWriter writer, String line) {
        if (writer == null) {
            return;
        }
        later.add(() -> {
            writer.println(line);
            writer.flush();
        });
        if (progress == null || kind != Progress.Kind.BAR) {
            flush();
        }
    }

    private void flush() {
        later.forEach(Runnable::run);
        later.clear();
    }

    /** Ends the bar and shows what waited for that. */
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
        flush();
    }
}
