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
            values.forEach(number -> numbers.add(((Number) number).doubleValue()));
        }
        return numbers;
    }
}
