package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.regex.Pattern;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.weights.StateDict;

/**
 * What it means that two trainings came to the same weights: every value within a tolerance relative to its tensor's largest.
 *
 * <p>In float64 everything is compared. In float32 what says nothing is left out, and nothing else: biases just before a BatchNorm, whose
 * gradient is mathematically zero, so that Adam turns its rounding noise into steps of full size; the keys' half of key_value.bias, which
 * softmax doesn't see; and the running means that take those biases in.
 *
 * @param type what was computed in
 */
record Agreement(DType type) {
    /** The decoder's linear_c?.bn is a LayerNorm; its bias only adds constants to what the fuse convolution gives to its BatchNorm. */
    private static final Pattern BEFORE_BATCH_NORM =
            Pattern.compile(".*(\\.mlp\\.dwconv\\.dwconv|segformer_decoder\\.linear_c\\d\\.bn)\\.bias");

    private static final String KEYS_AND_VALUES = ".attention.key_value.bias";

    /** Of what starts from zero: about the way that Adam goes in some steps. */
    private static final double LEAST_MAGNITUDE = 1e-2;

    /** Returns whether all of a tensor's gradient is mathematically zero. */
    static boolean hasNoGradient(String name) {
        return BEFORE_BATCH_NORM.matcher(name).matches();
    }

    /** Returns how many of a tensor's first values have a gradient that is mathematically zero. */
    static int withoutGradient(String name, int length) {
        return hasNoGradient(name) ? length : name.endsWith(KEYS_AND_VALUES) ? length / 2 : 0;
    }

    private double tolerance() {
        return type == DType.FLOAT32 ? 1e-4 : 1e-8;
    }

    /** Fails with the name of the tensor that differs most, where one differs too much. */
    void check(StateDict found, StateDict expected) {
        assertThat(found.names()).isEqualTo(expected.names());
        String worst = "";
        double largest = 0;
        for (String name : expected.names()) {
            double difference = difference(name, found, expected);
            // not a plain comparison: NaN is the worst
            if (!(difference <= largest)) {
                worst = name;
                largest = difference;
            }
        }
        assertThat(largest).as(worst + " in " + type).isLessThanOrEqualTo(tolerance());
    }

    private double difference(String name, StateDict found, StateDict expected) {
        double[] a = expected.get(name).toDoubles();
        double[] b = found.get(name).toDoubles();
        int first = 0;
        if (type == DType.FLOAT32) {
            first = name.endsWith(".running_mean") ? a.length : withoutGradient(name, a.length);
        }
        double magnitude = Arrays.stream(a).map(Math::abs).reduce(LEAST_MAGNITUDE, Math::max);
        double difference = 0;
        for (int n = first; n < a.length; n++) {
            double one = Math.abs(a[n] - b[n]) / magnitude;
            difference = one <= difference ? difference : one;
        }
        return difference;
    }
}
