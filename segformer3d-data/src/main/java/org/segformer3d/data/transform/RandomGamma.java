package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Bends the intensity scale of each channel by a γ of its own, as {@link AdjustContrast} does.
 *
 * @param probability from 0 to 1
 * @param min smallest γ, ≥ 0.01
 * @param max largest γ
 */
public record RandomGamma(double probability, double min, double max) implements RandomTransform {
    /** Checks the arguments. */
    public RandomGamma {
        Draw.requireProbability("gamma", probability);
        Draw.requireRange("gamma", min, max, 0.01);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        int voxels = sample.voxels();
        for (int c = 0; c < sample.channels(); c++) {
            new AdjustContrast(Draw.between(random, min, max)).apply(sample.image(), c * voxels, voxels);
        }
        return sample;
    }
}
