package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Smooths the image as {@link GaussianSmooth} does, with a σ drawn anew for each sample.
 *
 * @param probability from 0 to 1
 * @param minSigma smallest σ in voxels, ≥ 0.05
 * @param maxSigma largest σ
 */
public record RandomGaussianSmooth(double probability, double minSigma, double maxSigma) implements RandomTransform {
    /** Checks the arguments. */
    public RandomGaussianSmooth {
        Draw.requireProbability("gaussian_smooth", probability);
        Draw.requireRange("gaussian_smooth sigmas", minSigma, maxSigma, 0.05);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        return new GaussianSmooth(Draw.between(random, minSigma, maxSigma)).apply(sample);
    }
}
