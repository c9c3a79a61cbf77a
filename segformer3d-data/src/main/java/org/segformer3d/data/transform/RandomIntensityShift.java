package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Adds an offset of its own to each channel.
 *
 * @param probability from 0 to 1
 * @param max largest offset either way, in units of the normalised image
 */
public record RandomIntensityShift(double probability, double max) implements RandomTransform {
    /** Checks the arguments. */
    public RandomIntensityShift {
        Draw.requireProbability("intensity_shift", probability);
        Draw.requireRange("intensity_shift.max", max, max, 0);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        float[] image = sample.image();
        int voxels = sample.voxels();
        for (int c = 0; c < sample.channels(); c++) {
            float offset = (float) Draw.between(random, -max, max);
            for (int n = c * voxels; n < (c + 1) * voxels; n++) {
                image[n] += offset;
            }
        }
        return sample;
    }
}
