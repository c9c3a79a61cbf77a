package org.segformer3d.eval.metrics;

import java.util.Arrays;
import java.util.Collection;

/**
 * Mean and spread of a measure over cases, NaN left out.
 *
 * @param mean arithmetic mean, NaN when nothing was counted
 * @param std standard deviation over the counted values, divided by their number, NaN when nothing was counted
 * @param median middle value, or mean of the two middle ones, NaN when nothing was counted
 * @param counted how many values were numbers
 * @param skipped how many were NaN
 */
public record Spread(double mean, double std, double median, int counted, int skipped) {
    /** Returns the spread of the values. */
    public static Spread of(Collection<Double> values) {
        return of(values.stream().mapToDouble(Double::doubleValue).toArray());
    }

    /** Returns the spread of the values. */
    public static Spread of(double... values) {
        double[] counted =
                Arrays.stream(values).filter(v -> !Double.isNaN(v)).sorted().toArray();
        int n = counted.length;
        if (n == 0) {
            return new Spread(Double.NaN, Double.NaN, Double.NaN, 0, values.length);
        }
        double mean = Arrays.stream(counted).sum() / n;
        double squares = 0;
        for (double value : counted) {
            squares += (value - mean) * (value - mean);
        }
        double median = (counted[(n - 1) / 2] + counted[n / 2]) / 2;
        return new Spread(mean, Math.sqrt(squares / n), median, n, values.length - n);
    }
}
