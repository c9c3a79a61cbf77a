package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.PredictionInputs;
import org.segformer3d.eval.result.CaseFailure;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Segments many cases one after the other; a case that fails doesn't keep the others from being done.
 *
 * @param inputs files and folders as {@link PredictionInputs#find} takes them, at least one
 * @param output where results are written, never {@code null}
 */
public record PredictionJob(List<Path> inputs, PredictionOutput output) {
    private static final Logger LOG = LoggerFactory.getLogger(PredictionJob.class);

    /** Validates. */
    public PredictionJob {
        inputs = List.copyOf(inputs);
        Objects.requireNonNull(output, "output");
        if (inputs.isEmpty()) {
            throw new IllegalArgumentException("found no inputs, expected files or folders");
        }
    }

    /**
     * Finds the cases and segments them.
     *
     * @param segmenter stays the caller's, never {@code null}
     * @param listener told how it goes, never {@code null}
     * @return what was written and what failed
     * @throws org.segformer3d.data.dataset.DatasetException when the inputs don't make up a single case
     * @throws IOException when the inputs can't be listed
     * @throws CancellationException when the listener throws it
     */
    public PredictionReport run(Segmenter segmenter, PredictionListener listener) throws IOException {
        Objects.requireNonNull(listener, "listener");
        PredictionInputs.Found found =
                PredictionInputs.search(inputs, segmenter.bundle().config().inChannels());
        if (found.cases().isEmpty()) {
            throw found.refused().values().iterator().next();
        }
        List<CaseFailure> failures = new ArrayList<>();
        found.refused().forEach((id, reason) -> {
            CaseFailure failure = CaseFailure.of(id, reason);
            failures.add(failure);
            listener.failed(failure);
        });
        PredictionReport report = run(segmenter, found.cases(), output, listener);
        failures.addAll(report.failures());
        return new PredictionReport(report.written(), failures);
    }

    /**
     * Segments cases that were found already, for example those of a data set.
     *
     * @see #run(Segmenter, PredictionListener)
     */
    public static PredictionReport run(
            Segmenter segmenter, List<Case> cases, PredictionOutput output, PredictionListener listener) {
        Objects.requireNonNull(listener, "listener");
        List<Path> written = new ArrayList<>();
        List<CaseFailure> failures = new ArrayList<>();
        for (int n = 0; n < cases.size(); n++) {
            Case input = cases.get(n);
            listener.started(input, n, cases.size());
            Path file;
            SegmentationResult result;
            try {
                output.requireApartFrom(input);
                result = segmenter.segment(new SegmentationRequest(input, output.needsLogits(), listener::windowsDone));
                file = output.write(result);
            } catch (CancellationException e) {
                throw e;
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
                // The next case may be smaller, so even a lack of memory ends this one only.
                LOG.debug("case {} failed", input.id(), e);
                CaseFailure failure = CaseFailure.of(input.id(), e);
                failures.add(failure);
                listener.failed(failure);
                continue;
            }
            written.add(file);
            listener.finished(result, file);
        }
        return new PredictionReport(written, failures);
    }
}
