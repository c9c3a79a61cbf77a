package org.segformer3d.data.transform;

import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Rotates about the centre by an angle around each axis and scales, in one trilinear resampling; labels take the nearest voxel.
 *
 * <p>In data with thick slices, rotating around the slice axis only and leaving its scale alone keeps every slice a slice.
 *
 * @param probability from 0 to 1
 * @param maxAngle largest angle around each axis, in radians, either way
 * @param minScale smallest enlargement, above 0
 * @param maxScale largest enlargement
 * @param padding what comes in from beyond the border
 * @param around which axes it is rotated around
 * @param scaled which axes are scaled
 */
public record RandomAffine(
        double probability,
        double maxAngle,
        double minScale,
        double maxScale,
        Padding padding,
        List<Integer> around,
        List<Integer> scaled)
        implements RandomTransform {
    private static final List<Integer> ALL = List.of(0, 1, 2);

    /** Rotates around and scales all axes. */
    public RandomAffine(double probability, double maxAngle, double minScale, double maxScale, Padding padding) {
        this(probability, maxAngle, minScale, maxScale, padding, ALL, ALL);
    }

    /** Checks the arguments. */
    public RandomAffine {
        Draw.requireProbability("affine", probability);
        Objects.requireNonNull(padding, "padding");
        Draw.requireRange("affine.scale", minScale, maxScale, 0.1);
        if (!(maxAngle >= 0 && maxAngle <= Math.PI)) {
            throw ConfigException.of("affine.max_angle", maxAngle, "radians from 0 to 3.14");
        }
        around = requireAxes("around", around);
        scaled = requireAxes("scaled", scaled);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        double[] angles = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            double angle = Draw.between(random, -maxAngle, maxAngle);
            angles[axis] = around.contains(axis) ? angle : 0;
        }
        double[] matrix = AffineWarp.rotation(angles[0], angles[1], angles[2]);
        // Enlarging reads from a smaller neighbourhood.
        double shrink = 1 / Draw.between(random, minScale, maxScale);
        for (int n = 0; n < matrix.length; n++) {
            matrix[n] *= scaled.contains(n / 3) ? shrink : 1;
        }
        return new AffineWarp(matrix, Interpolation.LINEAR, padding).apply(sample);
    }

    private static List<Integer> requireAxes(String name, List<Integer> axes) {
        if (!ALL.containsAll(axes)) {
            throw ConfigException.of("affine." + name, axes, "some of 0, 1, 2");
        }
        return List.copyOf(axes);
    }
}
