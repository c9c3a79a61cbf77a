package org.segformer3d.backend.tck;

import static org.assertj.core.api.Assertions.assertThat;

import org.segformer3d.api.tensor.HostTensor;

/** How far two tensors are apart, relative to the largest magnitude or to the Euclidean norm. */
final class Comparison {
    private Comparison() {}

    /** Asserts equal shapes and |actual − expected| ≤ tolerance · max |expected| everywhere. */
    static void assertClose(String what, HostTensor actual, HostTensor expected, double tolerance) {
        assertThat(actual.shape()).as("shape of " + what).isEqualTo(expected.shape());
        assertThat(relativeToLargest(actual.toDoubles(), expected.toDoubles()))
                .as("largest difference relative to the largest magnitude of " + what)
                .isLessThanOrEqualTo(tolerance);
    }

    /** Returns max |actual − expected| / max |expected|; NaN in either one is infinitely far. */
    static double relativeToLargest(double[] actual, double[] expected) {
        double difference = 0;
        double largest = Double.MIN_NORMAL;
        for (int i = 0; i < expected.length; i++) {
            double d = Math.abs(actual[i] - expected[i]);
            difference = d <= difference ? difference : Double.isNaN(d) ? Double.POSITIVE_INFINITY : d;
            largest = Math.max(largest, Math.abs(expected[i]));
        }
        return difference / largest;
    }

    /** Returns ‖a‖₂. */
    static double norm(double[] a) {
        double sum = 0;
        for (double value : a) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }

    /** Returns ‖a − b‖₂. */
    static double distance(double[] a, double[] b) {
        double[] difference = new double[a.length];
        for (int i = 0; i < a.length; i++) {
            difference[i] = a[i] - b[i];
        }
        return norm(difference);
    }

    /** Returns Σ a·b. */
    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
