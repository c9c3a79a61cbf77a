package org.segformer3d.data.transform;

import org.segformer3d.api.config.ConfigException;

/**
 * Bends the intensity scale: ((x − min) / (max − min))^γ · (max − min) + min, over all channels together.
 *
 * @param gamma γ, positive; below 1 brightens what lies in between
 */
public record AdjustContrast(double gamma) implements Transform {
    /** Checks γ. */
    public AdjustContrast {
        if (!(gamma > 0) || Double.isInfinite(gamma)) {
            throw ConfigException.of("gamma", gamma, "a positive number");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        apply(sample.image(), 0, sample.image().length);
        return sample;
    }

    void apply(float[] values, int from, int count) {
        float smallest = Float.POSITIVE_INFINITY;
        float largest = Float.NEGATIVE_INFINITY;
        for (int n = from; n < from + count; n++) {
            smallest = Math.min(smallest, values[n]);
            largest = Math.max(largest, values[n]);
        }
        double range = (double) largest - smallest;
        if (!(range > 0)) {
            return;
        }
        for (int n = from; n < from + count; n++) {
            values[n] = (float) (Math.pow((values[n] - smallest) / range, gamma) * range + smallest);
        }
    }
}
