package org.segformer3d.train.parity;

import java.util.Map;
import java.util.function.Predicate;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/** The measures of difference that parity reports. All are relative, and NaN where a value is NaN on one side only. */
final class Differences {
    private Differences() {}

    /** Largest |a − b| relative to the largest |b|; absolute where all of b is zero. */
    static double largest(HostTensor actual, HostTensor expected) {
        requireSameShape(actual, expected);
        double difference = 0;
        double magnitude = 0;
        int n = Math.toIntExact(expected.elements());
        for (int i = 0; i < n; i++) {
            double a = actual.get(i);
            double b = expected.get(i);
            if (Double.isNaN(a) != Double.isNaN(b)) {
                return Double.NaN;
            }
            if (!Double.isNaN(b) && a != b) {
                difference = Math.max(difference, Math.abs(a - b));
            }
            if (Double.isFinite(b)) {
                magnitude = Math.max(magnitude, Math.abs(b));
            }
        }
        return magnitude == 0 ? difference : difference / magnitude;
    }

    /** |a − b| / |b|. */
    static double relative(double actual, double expected) {
        return actual == expected ? 0 : Math.abs(actual - expected) / Math.max(Math.abs(expected), Double.MIN_NORMAL);
    }

    /** Largest of {@link #largest} over the named tensors that are kept. */
    static double largest(Map<String, HostTensor> actual, Map<String, HostTensor> expected, Predicate<String> keep) {
        double worst = 0;
        for (Map.Entry<String, HostTensor> entry : expected.entrySet()) {
            if (keep.test(entry.getKey())) {
                worst = worse(worst, largest(find(actual, entry.getKey()), entry.getValue()));
            }
        }
        return worst;
    }

    /**
     * How gradients differ.
     *
     * @param relative largest ‖g − ref‖₂ / ‖ref‖₂ over tensors whose ‖ref‖₂ doesn't vanish beside the norm over all of them
     * @param vanishing largest ‖g‖₂ of the others, relative to that norm
     */
    record GradientDifference(double relative, double vanishing) {}

    /**
     * Compares gradients by the rule for mathematically vanishing ones.
     *
     * @param vanishing up to what share of the norm over all a tensor's norm counts as vanishing
     */
    static GradientDifference gradients(
            Map<String, HostTensor> actual, Map<String, HostTensor> expected, double vanishing) {
        double total = 0;
        for (HostTensor tensor : expected.values()) {
            double norm = norm(tensor);
            total += norm * norm;
        }
        total = Math.sqrt(total);
        double relative = 0;
        double leftOver = 0;
        for (Map.Entry<String, HostTensor> entry : expected.entrySet()) {
            HostTensor gradient = find(actual, entry.getKey());
            double norm = norm(entry.getValue());
            if (norm > vanishing * total) {
                relative = worse(relative, distance(gradient, entry.getValue()) / norm);
            } else {
                leftOver = worse(leftOver, norm(gradient) / total);
            }
        }
        return new GradientDifference(relative, leftOver);
    }

    /** ‖a − b‖₂. */
    static double distance(HostTensor actual, HostTensor expected) {
        requireSameShape(actual, expected);
        double sum = 0;
        int n = Math.toIntExact(expected.elements());
        for (int i = 0; i < n; i++) {
            double difference = actual.get(i) - expected.get(i);
            sum += difference * difference;
        }
        return Math.sqrt(sum);
    }

    /** ‖a‖₂. */
    static double norm(HostTensor tensor) {
        double sum = 0;
        int n = Math.toIntExact(tensor.elements());
        for (int i = 0; i < n; i++) {
            sum += tensor.get(i) * tensor.get(i);
        }
        return Math.sqrt(sum);
    }

    /** The larger one, NaN winning: a comparison with NaN in it must not pass. */
    static double worse(double a, double b) {
        return Double.isNaN(a) || Double.isNaN(b) ? Double.NaN : Math.max(a, b);
    }

    private static HostTensor find(Map<String, HostTensor> tensors, String name) {
        HostTensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("nothing computed for '" + name + "'");
        }
        return tensor;
    }

    private static void requireSameShape(HostTensor actual, HostTensor expected) {
        if (!java.util.Arrays.equals(actual.shape(), expected.shape())) {
            throw new IllegalArgumentException("computed shape " + Shapes.text(actual.shape()) + ", reference shape "
                    + Shapes.text(expected.shape()));
        }
    }
}
