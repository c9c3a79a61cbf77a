package org.segformer3d.data.planning;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.segformer3d.data.preprocessing.Normalization.ClipRange;

/**
 * Statistics of one channel's labelled voxels over a training set.
 *
 * @param min smallest value
 * @param p005 0.5th percentile
 * @param median 50th percentile
 * @param mean arithmetic mean
 * @param std population standard deviation
 * @param p995 99.5th percentile
 * @param max largest value
 */
public record Intensities(double min, double p005, double median, double mean, double std, double p995, double max) {

    /**
     * Returns the statistics of some values.
     *
     * @param values at least one; sorted in place
     * @throws IllegalArgumentException when there are none
     */
    public static Intensities of(float[] values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("found no values, expected at least one labelled voxel");
        }
        Arrays.sort(values);
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        double mean = sum / values.length;
        double squares = 0;
        for (float value : values) {
            squares += (value - mean) * (value - mean);
        }
        return new Intensities(
                values[0],
                percentile(values, 0.5),
                percentile(values, 50),
                mean,
                Math.sqrt(squares / values.length),
                percentile(values, 99.5),
                values[values.length - 1]);
    }

    /** Returns a percentile, interpolated linearly between the two values around it, as NumPy does. */
    static double percentile(float[] sorted, double percent) {
        double at = percent / 100 * (sorted.length - 1);
        int below = (int) Math.floor(at);
        int above = Math.min(sorted.length - 1, below + 1);
        return sorted[below] + (at - below) * ((double) sorted[above] - sorted[below]);
    }

    /** Returns the figures by which CT is clipped and scaled; a constant channel gets a width of 1. */
    public ClipRange clipRange() {
        double upper = p995 > p005 ? p995 : p005 + 1;
        return new ClipRange(p005, upper, mean, std > 0 ? std : 1);
    }

    /** Returns the statistics as a map. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("min", min);
        map.put("percentile_00_5", p005);
        map.put("median", median);
        map.put("mean", mean);
        map.put("std", std);
        map.put("percentile_99_5", p995);
        map.put("max", max);
        return map;
    }
}
