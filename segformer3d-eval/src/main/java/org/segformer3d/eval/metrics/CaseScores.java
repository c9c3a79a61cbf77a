package org.segformer3d.eval.metrics;

import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * What was counted in one case.
 *
 * @param id the case
 * @param counts one per class
 * @param surfaces one per class
 * @param voxelMillilitres volume of a voxel in ml, for turning counts into volumes
 * @param resampled whether the prediction had another grid than the truth and was brought to it first
 */
public record CaseScores(
        String id,
        List<OverlapCounts> counts,
        List<SurfaceScores> surfaces,
        double voxelMillilitres,
        boolean resampled) {
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

    /** Returns a score of one class, NaN where it isn't defined. */
    public double get(Score score, int classIndex) {
        return score.of(this, classIndex);
    }

    /** Returns the mean of a score over the classes where it is defined, NaN where there is none. */
    public double mean(Score score) {
        return Spread.of(IntStream.range(0, counts.size())
                        .mapToDouble(c -> score.of(this, c))
                        .toArray())
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
