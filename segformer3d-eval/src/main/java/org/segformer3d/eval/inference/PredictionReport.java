package org.segformer3d.eval.inference;

import java.nio.file.Path;
import java.util.List;
import org.segformer3d.eval.result.CaseFailure;

/**
 * How a prediction job ended.
 *
 * @param written files with labels, one per case that was done
 * @param failures the cases that weren't, with the reason
 */
public record PredictionReport(List<Path> written, List<CaseFailure> failures) {
    /** Copies the lists. */
    public PredictionReport {
        written = List.copyOf(written);
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
        if (!failures.isEmpty()) {
            text.append(", ").append(failures.size()).append(" failed:");
            failures.forEach(failure ->
                    text.append("\n  ").append(failure.id()).append(": ").append(failure.reason()));
        }
        return text.toString();
    }
}
