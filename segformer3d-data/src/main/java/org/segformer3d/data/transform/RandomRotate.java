package org.segformer3d.data.transform;

import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Rotates about the centre as {@link Rotate} does, trilinearly, by an angle around each axis drawn from ± its largest one; labels take
 * the nearest voxel.
 *
 * @param probability from 0 to 1
 * @param maxAngles largest angle around each of the three axes, in radians
 * @param padding what comes in from beyond the border
 */
public record RandomRotate(double probability, List<Double> maxAngles, Padding padding) implements RandomTransform {
    /** Checks the arguments. */
    public RandomRotate {
        Draw.requireProbability("rotate", probability);
        Objects.requireNonNull(padding, "padding");
        maxAngles = List.copyOf(maxAngles);
        if (maxAngles.size() != 3 || maxAngles.stream().anyMatch(angle -> !(angle >= 0 && angle <= Math.PI))) {
            throw ConfigException.of("rotate.max_angles", maxAngles, "three angles in radians, from 0 to 3.14");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        double[] angles = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            angles[axis] = Draw.between(random, -maxAngles.get(axis), maxAngles.get(axis));
        }
        return new Rotate(angles[0], angles[1], angles[2], Interpolation.LINEAR, padding).apply(sample);
    }
}
