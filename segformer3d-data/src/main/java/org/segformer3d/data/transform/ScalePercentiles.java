package org.segformer3d.data.transform;

import java.util.Arrays;
import org.segformer3d.api.config.ConfigException;

/**
 * Maps two percentiles of the intensities, over all channels together, to 0 and 1 and clips what lies beyond.
 *
 * <p>Percentiles between two ranks are interpolated linearly. An image whose percentiles coincide becomes 0.
 *
 * @param lower percentile that becomes 0, from 0
 * @param upper percentile that becomes 1, to 100, above {@code lower}
 */
public record ScalePercentiles(double lower, double upper) implements Transform {
    /** Checks the percentiles. */
    public ScalePercentiles {
        if (!(0 <= lower && lower < upper && upper <= 100)) {
            throw ConfigException.of("percentiles", lower + " and " + upper, "0 ≤ lower < upper ≤ 100");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        float[] values = sample.image();
        float[] sorted = values.clone();
        Arrays.sort(sorted);
        double low = percentile(sorted, lower);
        double range = percentile(sorted, upper) - low;
        for (int n = 0; n < values.length; n++) {
            double scaled = range > 0 ? (values[n] - low) / range : 0;
            values[n] = (float) Math.max(0, Math.min(1, scaled));
        }
        return sample;
    }

    private static double percentile(float[] sorted, double percent) {
        double rank = percent / 100 * (sorted.length - 1);
        int below = (int) Math.floor(rank);
        int above = Math.min(sorted.length - 1, below + 1);
        return sorted[below] + (rank - below) * ((double) sorted[above] - sorted[below]);
    }
}
