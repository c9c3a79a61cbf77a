package org.segformer3d.eval.metrics;

import java.util.List;
import java.util.stream.Stream;

/** Something an evaluation measures of one class in one case: overlap or distance between surfaces. */
public sealed interface Score permits Measure, SurfaceMeasure {
    /** Returns the name in files, for example {@code hd95_mm}. */
    String key();

    /** Returns the name for people, with its unit, for example {@code HD95 mm}. */
    String title();

    /** Returns whether a larger value means better agreement; distances and volume differences are best at 0. */
    boolean isBestHigh();

    /**
     * Returns the value of one class in one case, NaN where it isn't defined.
     *
     * @param scores the case
     * @param classIndex which of the evaluation's classes
     */
    double of(CaseScores scores, int classIndex);

    /**
     * Returns in how many cases the score of a class is infinite, and therefore in no mean: a distance where only one of prediction and
     * truth has the class.
     *
     * @param cases the cases
     * @param classIndex which of the evaluation's classes
     */
    default int infinite(List<CaseScores> cases, int classIndex) {
        return 0;
    }

    /** Returns all scores in the order of files: overlap first. */
    static List<Score> all() {
        return Stream.<Score>concat(Stream.of(Measure.values()), Stream.of(SurfaceMeasure.values()))
                .toList();
    }
}
