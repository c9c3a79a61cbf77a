package org.segformer3d.eval.report;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/**
 * The files of a case that a report may show.
 *
 * @param id the case
 * @param images the scan: a file a channel, or one that holds all; empty when it isn't at hand
 * @param truth true labels
 * @param prediction predicted labels
 */
public record ReportCase(String id, List<Path> images, Path truth, Path prediction) {
    /** Copies the list and checks that nothing is {@code null}. */
    public ReportCase {
        Objects.requireNonNull(id, "id");
        images = List.copyOf(images);
        Objects.requireNonNull(truth, "truth");
        Objects.requireNonNull(prediction, "prediction");
    }
}
