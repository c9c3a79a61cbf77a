package org.segformer3d.eval.inference;

import java.nio.file.Path;
import java.util.List;
import org.segformer3d.eval.result.CaseFailure;

/**
 * How a prediction job ended.
 *
 * @param written files with labels, one per case that was done
 * @param skipped files with labels that were there already
 * @param failures the cases that couldn't be done, with the reason
 */
public record PredictionReport(List<Path> written, List<Path> skipped, List<CaseFailure> failures) {
    /** Copies the lists. */
    public PredictionReport {
        written = List.copyOf(written);
        skipped = List.copyOf(skipped);
        failures = List.copyOf(failures);
    }

    /** Returns whether every case was done. */
    public boolean isComplete() {
        return failures.isEmpty();
    }

    /** Returns a line a failure, or one line that says that all went well. */
    public String summary() {
        StringBuilder text = new StringBuilder();
        text.append(written.size())
                .append(written.size() == 1 ? " case" : " cases")
                .append(" segmented");
        if (!skipped.isEmpty()) {
            text.append(", ").append(skipped.size()).append(" done before");
        }
        if (!failures.isEmpty()) {
            text.append(", ").append(failures.size()).append(" failed:");
            failures.forEach(failure ->
                    text.append("\n  ").append(failure.id()).append(": ").append(failure.reason()));
        }
        return text.toString();
    }
}
