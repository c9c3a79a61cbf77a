package org.segformer3d.cli.console;

import java.io.PrintWriter;
import java.nio.file.Path;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.eval.inference.PredictionListener;
import org.segformer3d.eval.inference.SegmentationResult;
import org.segformer3d.eval.result.CaseFailure;

/** Shows how prediction goes: windows of the current case, and a line for every case. */
public final class PredictionProgress implements PredictionListener {
    private final PrintWriter out;
    private final PrintWriter err;
    private final Progress.Kind kind;
    private String name = "";
    private Progress progress;

    /**
     * Creates a listener that writes to a console.
     *
     * @param out where a line for every written case goes; {@code null} for nowhere
     * @param err where progress and failures go
     */
    public PredictionProgress(PrintWriter out, PrintWriter err, Progress.Kind kind) {
        this.out = out;
        this.err = err;
        this.kind = kind;
    }

    @Override
    public void started(Case input, int index, int total) {
        name = input.id() + " (" + (index + 1) + "/" + total + ")";
    }

    @Override
    public void windowsDone(int done, int total) {
        if (progress == null) {
            progress = Progress.start(kind, err, name + " windows", total);
        }
        progress.at(done, "");
    }

    @Override
    public void finished(SegmentationResult result, Path labels) {
        end();
        if (out != null) {
            out.println(labels + "  " + result.labels().geometry().size() + ", " + result.windows()
                    + (result.windows() == 1 ? " window, " : " windows, ") + Quantity.duration(result.duration()));
            out.flush();
        }
    }

    @Override
    public void failed(CaseFailure failure) {
        end();
        err.println("segformer3d: case '" + failure.id() + "' failed: " + failure.reason());
        err.flush();
    }

    private void end() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
