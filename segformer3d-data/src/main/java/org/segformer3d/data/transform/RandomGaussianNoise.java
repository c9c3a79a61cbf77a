package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Adds independent normal noise whose standard deviation is drawn anew for each sample.
 *
 * @param probability from 0 to 1
 * @param maxStd largest standard deviation, in units of the normalised image
 */
public record RandomGaussianNoise(double probability, double maxStd) implements RandomTransform {
    /** Checks the arguments. */
    public RandomGaussianNoise {
        Draw.requireProbability("gaussian_noise", probability);
        Draw.requireRange("gaussian_noise.max_std", maxStd, maxStd, 0);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        double std = Draw.between(random, 0, maxStd);
        float[] image = sample.image();
        for (int n = 0; n < image.length; n++) {
            image[n] += (float) (std * random.nextGaussian());
        }
        return sample;
    }
}
