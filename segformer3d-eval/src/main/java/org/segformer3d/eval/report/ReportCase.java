package org.segformer3d.eval.report;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;

/**
 * The files of a case that a report may show.
 *
 * @param id the case
 * @param image the scan, of which the first channel is shown; empty when it isn't at hand
 * @param truth true labels
 * @param prediction predicted labels
 */
public record ReportCase(String id, Optional<Path> image, Path truth, Path prediction) {
    /** Checks that nothing is {@code null}. */
    public ReportCase {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(image, "image");
        Objects.requireNonNull(truth, "truth");
        Objects.requireNonNull(prediction, "prediction");
    }
}
