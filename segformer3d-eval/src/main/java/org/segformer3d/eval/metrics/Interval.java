package org.segformer3d.eval.metrics;

import java.util.Arrays;

/**
 * Where the mean over all cases of the same kind lies with 95 % confidence, by the percentile bootstrap over the cases there are (Efron,
 * 1979).
 *
 * <p>10 000 samples of as many cases, drawn with replacement from a fixed seed: the same values in the same order give the same interval.
 * With few cases it is too narrow, as every bootstrap is.
 *
 * @param low 2.5th percentile of the samples' means, NaN when fewer than two values were counted
 * @param high 97.5th percentile
 */
public record Interval(double low, double high) {
    private static final int SAMPLES = 10_000;

    /** Returns the interval of the mean of the values, NaN left out. */
    public static Interval ofMean(double... values) {
        double[] counted = Arrays.stream(values).filter(v -> !Double.isNaN(v)).toArray();
        int n = counted.length;
        if (n < 2) {
            return new Interval(Double.NaN, Double.NaN);
        }
        double[] means = new double[SAMPLES];
        long state = 0x9e3779b97f4a7c15L;
        for (int s = 0; s < SAMPLES; s++) {
            double sum = 0;
            for (int i = 0; i < n; i++) {
                // xorshift64 (Marsaglia, 2003): a thousand cases of a dozen scores take billions of draws
                state ^= state << 13;
                state ^= state >>> 7;
                state ^= state << 17;
                sum += counted[(int) ((state >>> 33) * n >>> 31)];
            }
            means[s] = sum / n;
        }
        Arrays.sort(means);
        return new Interval(percentile(means, 0.025), percentile(means, 0.975));
    }

    private static double percentile(double[] sorted, double share) {
        double rank = share * (sorted.length - 1);
        int below = (int) rank;
        return sorted[below] + (sorted[below + 1] - sorted[below]) * (rank - below);
    }
}
