package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Multiplies each channel by a factor of its own.
 *
 * @param probability from 0 to 1
 * @param min smallest factor, ≥ 0
 * @param max largest factor
 */
public record RandomIntensityScale(double probability, double min, double max) implements RandomTransform {
    /** Checks the arguments. */
    public RandomIntensityScale {
        Draw.requireProbability("intensity_scale", probability);
        Draw.requireRange("intensity_scale factors", min, max, 0);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        float[] image = sample.image();
        int voxels = sample.voxels();
        for (int c = 0; c < sample.channels(); c++) {
            float factor = (float) Draw.between(random, min, max);
            for (int n = c * voxels; n < (c + 1) * voxels; n++) {
                image[n] *= factor;
            }
        }
        return sample;
    }
}
