package org.segformer3d.eval.metrics;

import java.util.List;
import java.util.Objects;

/**
 * What was counted in one case.
 *
 * @param id the case
 * @param counts one per class
 * @param surfaces one per class
 * @param voxelMillilitres volume of a voxel in ml, for turning counts into volumes
 */
public record CaseScores(String id, List<OverlapCounts> counts, List<SurfaceScores> surfaces, double voxelMillilitres) {
    /** Copies the lists. */
    public CaseScores {
        Objects.requireNonNull(id, "id");
        counts = List.copyOf(counts);
        surfaces = List.copyOf(surfaces);
        if (surfaces.size() != counts.size()) {
            throw new IllegalArgumentException(
                    "found surfaces of " + surfaces.size() + " classes, expected " + counts.size());
        }
    }

    /** Returns a measure of one class, NaN where it isn't defined. */
    public double get(Measure measure, int classIndex) {
        return measure.of(counts.get(classIndex));
    }

    /** Returns the mean of a measure over the classes where it is defined, NaN where there is none. */
    public double mean(Measure measure) {
        return Spread.of(counts.stream().mapToDouble(measure::of).toArray()).mean();
    }

    /** Returns a surface measure of one class, NaN where it isn't defined. */
    public double get(SurfaceMeasure measure, int classIndex) {
        return surfaces.get(classIndex).get(measure);
    }

    /** Returns the mean of a surface measure over the classes where it is defined, NaN where there is none. */
    public double mean(SurfaceMeasure measure) {
        return Spread.of(surfaces.stream().mapToDouble(one -> one.get(measure)).toArray())
                .mean();
    }

    /** Returns the predicted volume of a class in ml. */
    public double predictedMillilitres(int classIndex) {
        return counts.get(classIndex).predicted() * voxelMillilitres;
    }

    /** Returns the true volume of a class in ml. */
    public double truthMillilitres(int classIndex) {
        return counts.get(classIndex).truth() * voxelMillilitres;
    }

    /** Returns the predicted minus the true volume of a class in ml. */
    public double volumeDifferenceMillilitres(int classIndex) {
        OverlapCounts of = counts.get(classIndex);
        return (of.falsePositives() - of.falseNegatives()) * voxelMillilitres;
    }
}
