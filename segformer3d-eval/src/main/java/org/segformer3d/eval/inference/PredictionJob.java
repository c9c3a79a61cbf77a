package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.PredictionInputs;

/**
 * Segments many cases; a case that fails doesn't keep the others from being done. While one is predicted the next is read and the last
 * is written, as far as memory allows.
 *
 * @param inputs files and folders as {@link PredictionInputs#find} takes them, at least one
 * @param output where results are written, never {@code null}
 * @param continuing whether cases are left out whose results are there already, made by the same models in the same way, in the same
 *     compute type, from the same files
 * @param overwriting whether a result may replace one of another scan
 * @param skippingIncomplete whether cases that lack a file are left out with a warning instead of being refused
 * @param wholeNames whether every input file is a case of its own, whatever its name ends in
 * @param ignoringGeometry whether channels of a case are taken voxel by voxel wherever they say that they lie
 */
public record PredictionJob(
        List<Path> inputs,
        PredictionOutput output,
        boolean continuing,
        boolean overwriting,
        boolean skippingIncomplete,
        boolean wholeNames,
        boolean ignoringGeometry) {
    /** Validates. */
    public PredictionJob {
        inputs = List.copyOf(inputs);
        Objects.requireNonNull(output, "output");
        if (inputs.isEmpty()) {
            throw new IllegalArgumentException("found no inputs, expected files or folders");
        }
    }

    /** Creates a job of complete cases that doesn't replace results of other scans. */
    public PredictionJob(List<Path> inputs, PredictionOutput output, boolean continuing) {
        this(inputs, output, continuing, false, false, false, false);
    }

    /** Creates a job that does every case anew. */
    public PredictionJob(List<Path> inputs, PredictionOutput output) {
        this(inputs, output, false);
    }

    /** Returns this job with results of other scans replaced, or not. */
    public PredictionJob overwriting(boolean on) {
        return new PredictionJob(inputs, output, continuing, on, skippingIncomplete, wholeNames, ignoringGeometry);
    }

    /** Returns this job with cases left out that lack a file, or refused. */
    public PredictionJob skippingIncomplete(boolean on) {
        return new PredictionJob(inputs, output, continuing, overwriting, on, wholeNames, ignoringGeometry);
    }

    /** Returns this job with every input file a case of its own, or not. */
    public PredictionJob withWholeNames(boolean on) {
        return new PredictionJob(inputs, output, continuing, overwriting, skippingIncomplete, on, ignoringGeometry);
    }

    /** Returns this job with channels of a case taken voxel by voxel wherever they say that they lie, or not. */
    public PredictionJob ignoringGeometry(boolean on) {
        return new PredictionJob(inputs, output, continuing, overwriting, skippingIncomplete, wholeNames, on);
    }

    /**
     * Finds the cases and begins to read the first one, for which no backend is needed yet unless results may be there already.
     *
     * @param ensemble the models that will predict, or the only one, never {@code null}
     * @return to be closed by the caller
     * @throws org.segformer3d.data.dataset.DatasetException when the inputs don't make up a single case, or a case is incomplete
     * @throws IOException when the inputs can't be listed
     */
    public PredictionRun start(Ensemble ensemble) throws IOException {
        PredictionInputs.Found found =
                PredictionInputs.search(inputs, ensemble.first().network().inChannels(), wholeNames);
        boolean none = found.cases().isEmpty() && found.refused().isEmpty();
        if (!skippingIncomplete || none) {
            found.incomplete().requireNone(inputs.get(0));
        }
        found.incomplete().warn(inputs.get(0));
        if (found.cases().isEmpty()) {
            throw found.refused().values().iterator().next();
        }
        List<Case> cases = ignoringGeometry
                ? found.cases().stream().map(Case::ignoringGeometry).toList()
                : found.cases();
        return new PredictionRun(ensemble, cases, found.refused(), output, continuing, overwriting);
    }

    /**
     * Finds the cases and segments them.
     *
     * @param segmenter stays the caller's, never {@code null}
     * @param listener told how it goes, never {@code null}
     * @return what was written and what failed
     * @throws org.segformer3d.data.dataset.DatasetException when the inputs don't make up a single case, or a case is incomplete
     * @throws IOException when the inputs can't be listed
     * @throws CancellationException when the listener throws it or says so
     */
    public PredictionReport run(Segmenter segmenter, PredictionListener listener) throws IOException {
        Objects.requireNonNull(listener, "listener");
        try (PredictionRun run = start(segmenter.ensemble())) {
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
        try (PredictionRun run = new PredictionRun(segmenter.ensemble(), cases, Map.of(), output, false, false)) {
            return run.finish(segmenter, listener);
        }
    }
}
