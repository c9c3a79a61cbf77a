package org.segformer3d.data.transform;

import java.util.Objects;
import java.util.SplittableRandom;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Rotates about the centre by an angle around each axis and scales, in one trilinear resampling; labels take the nearest voxel.
 *
 * @param probability from 0 to 1
 * @param maxAngle largest angle around each axis, in radians, either way
 * @param minScale smallest enlargement, above 0
 * @param maxScale largest enlargement
 * @param padding what comes in from beyond the border
 */
public record RandomAffine(double probability, double maxAngle, double minScale, double maxScale, Padding padding)
        implements RandomTransform {
    /** Checks the arguments. */
    public RandomAffine {
        Draw.requireProbability("affine", probability);
        Objects.requireNonNull(padding, "padding");
        Draw.requireRange("affine.scale", minScale, maxScale, 0.1);
        if (!(maxAngle >= 0 && maxAngle <= Math.PI)) {
            throw ConfigException.of("affine.max_angle", maxAngle, "radians from 0 to 3.14");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        double[] matrix = AffineWarp.rotation(
                Draw.between(random, -maxAngle, maxAngle),
                Draw.between(random, -maxAngle, maxAngle),
                Draw.between(random, -maxAngle, maxAngle));
        // Enlarging reads from a smaller neighbourhood.
        double shrink = 1 / Draw.between(random, minScale, maxScale);
        for (int n = 0; n < matrix.length; n++) {
            matrix[n] *= shrink;
        }
        return new AffineWarp(matrix, Interpolation.LINEAR, padding).apply(sample);
    }
}
