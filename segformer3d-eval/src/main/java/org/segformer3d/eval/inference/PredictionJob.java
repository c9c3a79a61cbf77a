package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.PredictionInputs;
import org.segformer3d.eval.bundle.ModelBundle;

/**
 * Segments many cases; a case that fails doesn't keep the others from being done. While one is predicted the next is read and the last
 * is written, as far as memory allows.
 *
 * @param inputs files and folders as {@link PredictionInputs#find} takes them, at least one
 * @param output where results are written, never {@code null}
 * @param continuing whether cases are left out whose results are there already, made by the same model in the same way from the same
 *     files
 */
public record PredictionJob(List<Path> inputs, PredictionOutput output, boolean continuing) {
    /** Validates. */
    public PredictionJob {
        inputs = List.copyOf(inputs);
        Objects.requireNonNull(output, "output");
        if (inputs.isEmpty()) {
            throw new IllegalArgumentException("found no inputs, expected files or folders");
        }
    }

    /** Creates a job that does every case anew. */
    public PredictionJob(List<Path> inputs, PredictionOutput output) {
        this(inputs, output, false);
    }

    /**
     * Finds the cases and begins to read the first one, for which no backend is needed yet.
     *
     * @param bundle the model that will predict, never {@code null}
     * @return to be closed by the caller
     * @throws org.segformer3d.data.dataset.DatasetException when the inputs don't make up a single case
     * @throws IOException when the inputs can't be listed
     */
    public PredictionRun start(ModelBundle bundle) throws IOException {
        PredictionInputs.Found found =
                PredictionInputs.search(inputs, bundle.config().inChannels());
        if (found.cases().isEmpty()) {
            throw found.refused().values().iterator().next();
        }
        return new PredictionRun(bundle, found.cases(), found.refused(), output, continuing);
    }

    /**
     * Finds the cases and segments them.
     *
     * @param segmenter stays the caller's, never {@code null}
     * @param listener told how it goes, never {@code null}
     * @return what was written and what failed
     * @throws org.segformer3d.data.dataset.DatasetException when the inputs don't make up a single case
     * @throws IOException when the inputs can't be listed
     * @throws CancellationException when the listener throws it or says so
     */
    public PredictionReport run(Segmenter segmenter, PredictionListener listener) throws IOException {
        Objects.requireNonNull(listener, "listener");
        try (PredictionRun run = start(segmenter.bundle())) {
            return run.finish(segmenter, listener);
        }
    }

    /**
     * Segments cases that were found already, for example those of a data set.
     *
     * @see #run(Segmenter, PredictionListener)
     */
    public static PredictionReport run(
            Segmenter segmenter, List<Case> cases, PredictionOutput output, PredictionListener listener) {
        Objects.requireNonNull(listener, "listener");
        try (PredictionRun run = new PredictionRun(segmenter.bundle(), cases, java.util.Map.of(), output, false)) {
            return run.finish(segmenter, listener);
        }
    }
}
