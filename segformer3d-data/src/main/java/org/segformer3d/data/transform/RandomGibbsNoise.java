package org.segformer3d.data.transform;

import java.util.SplittableRandom;
import org.segformer3d.api.config.ConfigException;

/**
 * Rings edges as {@link GibbsNoise} does, with an α drawn anew for each sample.
 *
 * @param probability from 0 to 1
 * @param minAlpha smallest α, from 0
 * @param maxAlpha largest α, to 1
 */
public record RandomGibbsNoise(double probability, double minAlpha, double maxAlpha) implements RandomTransform {
    /** Checks the arguments. */
    public RandomGibbsNoise {
        Draw.requireProbability("gibbs_noise", probability);
        Draw.requireRange("gibbs_noise alphas", minAlpha, maxAlpha, 0);
        if (maxAlpha > 1) {
            throw ConfigException.of("gibbs_noise alphas", minAlpha + " to " + maxAlpha, "numbers from 0 to 1");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        return new GibbsNoise(Draw.between(random, minAlpha, maxAlpha)).apply(sample);
    }
}
