package org.segformer3d.data.transform;

import java.util.SplittableRandom;

/**
 * Spreads or narrows each channel about its mean by a factor of its own, (x − μ)·f + μ, kept within the channel's former range.
 *
 * @param probability from 0 to 1
 * @param min smallest factor, ≥ 0
 * @param max largest factor
 */
public record RandomContrast(double probability, double min, double max) implements RandomTransform {
    /** Checks the arguments. */
    public RandomContrast {
        Draw.requireProbability("contrast", probability);
        Draw.requireRange("contrast factors", min, max, 0);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        int voxels = sample.voxels();
        for (int c = 0; c < sample.channels(); c++) {
            spread(sample.image(), c * voxels, (c + 1) * voxels, (float) Draw.between(random, min, max));
        }
        return sample;
    }

    private static void spread(float[] image, int from, int to, float factor) {
        double sum = 0;
        float smallest = Float.POSITIVE_INFINITY;
        float largest = Float.NEGATIVE_INFINITY;
        for (int n = from; n < to; n++) {
            sum += image[n];
            smallest = Math.min(smallest, image[n]);
            largest = Math.max(largest, image[n]);
        }
        float mean = (float) (sum / (to - from));
        for (int n = from; n < to; n++) {
            image[n] = Math.max(smallest, Math.min(largest, (image[n] - mean) * factor + mean));
        }
    }
}
