package org.segformer3d.train.parity;

import java.util.ArrayList;
import java.util.List;

/** Numbers out of parsed JSON. */
final class Numbers {
    private Numbers() {}

    /** The numbers of a JSON array; none where there is no array. */
    static List<Double> list(Object value) {
        List<Double> numbers = new ArrayList<>();
        if (value instanceof List<?> values) {
            values.forEach(number -> numbers.add(of(number)));
        }
        return numbers;
    }

    /** A number, or NaN for {@code null}: what some writers of JSON make of it. */
    static double of(Object value) {
        if (value == null) {
            return Double.NaN;
        }
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException("found '" + value + "', expected a number");
    }

    /** Whether all numbers are exact in float32, which those computed in float64 practically never are. */
    static boolean areFloat32(List<Double> numbers) {
        return !numbers.isEmpty() && numbers.stream().allMatch(number -> (double) number.floatValue() == number);
    }
}
