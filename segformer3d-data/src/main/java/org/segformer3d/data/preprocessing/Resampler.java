package org.segformer3d.data.preprocessing;

import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.segformer3d.api.block.Grid;

/**
 * Resamples volumes from one grid to another that covers the same box, one axis after the other.
 *
 * <p>Along an axis of n voxels that becomes m, output o lies at input position (o + ½)·n/m − ½, so that the outer edges of the box stay
 * where they are. Beyond the border the nearest voxel counts. Where an axis shrinks, the kernel is widened by n/m, which averages instead
 * of skipping voxels.
 *
 * <p>A resampler is immutable and safe for use by several threads.
 */
public final class Resampler {
    /** Two labels of equal weight in a voxel differ by rounding errors; the foreground then wins over the background. */
    private static final float TIE = 1e-5f;

    private final Grid from;
    private final Grid to;
    private final Taps[] taps = new Taps[3];

    /**
     * Creates a resampler.
     *
     * @param from grid of the input, never {@code null}
     * @param to grid of the result, never {@code null}
     * @param perAxis how to interpolate along each of the three axes
     */
    public Resampler(Grid from, Grid to, List<Interpolation> perAxis) {
        if (perAxis.size() != 3) {
            throw new IllegalArgumentException("expected an interpolation for each of 3 axes, found " + perAxis);
        }
        this.from = from;
        this.to = to;
        for (int axis = 0; axis < 3; axis++) {
            taps[axis] = Taps.between(from.size(axis), to.size(axis), perAxis.get(axis));
        }
    }

    /** Creates a resampler with the same interpolation along every axis. */
    public Resampler(Grid from, Grid to, Interpolation interpolation) {
        this(from, to, List.of(interpolation, interpolation, interpolation));
    }

    /**
     * Returns one channel resampled: the array itself where the grids are the same.
     *
     * <p>Cubic interpolation overshoots at edges; the result is kept within the input's own range.
     *
     * @param values D·H·W intensities of the input grid in C order, not changed
     */
    public float[] apply(float[] values) {
        requireLength(values.length);
        if (from.equals(to)) {
            return values;
        }
        float[] result = values;
        int[] size = {from.depth(), from.height(), from.width()};
        for (int axis : shrinkingFirst()) {
            if (from.size(axis) != to.size(axis)) {
                int outer = axis == 0 ? 1 : axis == 1 ? size[0] : size[0] * size[1];
                int inner = axis == 0 ? size[1] * size[2] : axis == 1 ? size[2] : 1;
                result = taps[axis].apply(result, outer, 0, size[axis], inner, 0, to.size(axis));
                size[axis] = to.size(axis);
            }
        }
        if (Arrays.stream(taps).anyMatch(t -> t.overshoots)) {
            clampToRange(result, values);
        }
        return result;
    }

    private static void clampToRange(float[] result, float[] values) {
        float smallest = Float.POSITIVE_INFINITY;
        float largest = Float.NEGATIVE_INFINITY;
        for (float value : values) {
            smallest = Math.min(smallest, value);
            largest = Math.max(largest, value);
        }
        for (int n = 0; n < result.length; n++) {
            result[n] = Math.max(smallest, Math.min(largest, result[n]));
        }
    }

    /**
     * Returns labels resampled: each voxel gets the value whose mask, interpolated as an image is, is largest there.
     *
     * @param labels D·H·W label values of the input grid in C order, not changed
     * @return the array itself where the grids are the same
     */
    public short[] applyLabels(short[] labels) {
        requireLength(labels.length);
        if (from.equals(to)) {
            return labels;
        }
        int voxels = to.tokens();
        short[] result = new short[voxels];
        float[] best = new float[voxels];
        float[] foreground = new float[voxels];
        for (int value : distinct(labels)) {
            if (value != 0) {
                paint(labels, (short) value, result, best, foreground);
            }
        }
        for (int n = 0; n < voxels; n++) {
            if (best[n] + TIE < 1 - foreground[n]) {
                result[n] = 0;
            }
        }
        return result;
    }

    /** Interpolates the mask of one value inside the box that it can reach. */
    private void paint(short[] labels, short value, short[] result, float[] best, float[] foreground) {
        int[] low = {from.depth(), from.height(), from.width()};
        int[] high = {0, 0, 0};
        int n = 0;
        for (int d = 0; d < from.depth(); d++) {
            for (int h = 0; h < from.height(); h++) {
                for (int w = 0; w < from.width(); w++) {
                    if (labels[n++] == value) {
                        low[0] = Math.min(low[0], d);
                        low[1] = Math.min(low[1], h);
                        low[2] = Math.min(low[2], w);
                        high[0] = Math.max(high[0], d + 1);
                        high[1] = Math.max(high[1], h + 1);
                        high[2] = Math.max(high[2], w + 1);
                    }
                }
            }
        }
        int[] size = {high[0] - low[0], high[1] - low[1], high[2] - low[2]};
        float[] mask = new float[size[0] * size[1] * size[2]];
        n = 0;
        for (int d = low[0]; d < high[0]; d++) {
            for (int h = low[1]; h < high[1]; h++) {
                int row = (d * from.height() + h) * from.width();
                for (int w = low[2]; w < high[2]; w++) {
                    mask[n++] = labels[row + w] == value ? 1 : 0;
                }
            }
        }
        int[] first = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            first[axis] = taps[axis].firstReached(low[axis]);
            int end = taps[axis].endReached(high[axis]);
            int outer = axis == 0 ? 1 : axis == 1 ? size[0] : size[0] * size[1];
            int inner = axis == 0 ? size[1] * size[2] : axis == 1 ? size[2] : 1;
            mask = taps[axis].apply(mask, outer, low[axis], size[axis], inner, first[axis], end);
            size[axis] = end - first[axis];
        }
        n = 0;
        for (int d = first[0]; d < first[0] + size[0]; d++) {
            for (int h = first[1]; h < first[1] + size[1]; h++) {
                int at = (d * to.height() + h) * to.width() + first[2];
                for (int w = 0; w < size[2]; w++, at++, n++) {
                    foreground[at] += mask[n];
                    if (mask[n] > best[at]) {
                        best[at] = mask[n];
                        result[at] = value;
                    }
                }
            }
        }
    }

    private static Iterable<Integer> distinct(short[] labels) {
        TreeSet<Integer> values = new TreeSet<>();
        short last = 0;
        for (short label : labels) {
            if (label != last) {
                values.add((int) label);
                last = label;
            }
        }
        return values;
    }

    /** Shrinking axes go first: what follows then has less to do. */
    private List<Integer> shrinkingFirst() {
        Integer[] axes = {0, 1, 2};
        Arrays.sort(
                axes, (a, b) -> Double.compare((double) to.size(a) / from.size(a), (double) to.size(b) / from.size(b)));
        return List.of(axes);
    }

    private void requireLength(int length) {
        if (length != from.tokens()) {
            throw new IllegalArgumentException("a grid of " + from + " doesn't hold " + length + " values");
        }
    }

    /** For each output along one axis a window of inputs and their weights, which sum to 1. */
    private static final class Taps {
        private final int window;
        private final int[] start;
        private final float[] weights;
        private final boolean overshoots;

        private Taps(int window, int[] start, float[] weights, boolean overshoots) {
            this.window = window;
            this.start = start;
            this.weights = weights;
            this.overshoots = overshoots;
        }

        static Taps between(int n, int m, Interpolation interpolation) {
            double ratio = (double) n / m;
            double stretch = Math.max(1, ratio);
            double radius = switch (interpolation) {
                case NEAREST -> 0.5;
                case LINEAR -> stretch;
                case CUBIC -> 2 * stretch;
            };
            int window = interpolation == Interpolation.NEAREST ? 1 : Math.min(n, 2 * (int) Math.ceil(radius) + 1);
            int[] start = new int[m];
            float[] weights = new float[m * window];
            double[] sums = new double[window];
            for (int o = 0; o < m; o++) {
                double x = (o + 0.5) * ratio - 0.5;
                if (interpolation == Interpolation.NEAREST) {
                    start[o] = Math.min(n - 1, (int) Math.floor(x + 0.5));
                    weights[o] = 1;
                    continue;
                }
                int low = (int) Math.ceil(x - radius);
                int high = (int) Math.floor(x + radius);
                start[o] = Math.max(0, Math.min(low, n - window));
                Arrays.fill(sums, 0);
                double total = 0;
                for (int i = low; i <= high; i++) {
                    double weight = kernel(interpolation, (i - x) / stretch);
                    sums[Math.max(0, Math.min(n - 1, i)) - start[o]] += weight;
                    total += weight;
                }
                for (int t = 0; t < window; t++) {
                    weights[o * window + t] = (float) (sums[t] / total);
                }
            }
            return new Taps(window, start, weights, interpolation == Interpolation.CUBIC && n != m);
        }

        private static double kernel(Interpolation interpolation, double distance) {
            double t = Math.abs(distance);
            if (interpolation == Interpolation.LINEAR) {
                return Math.max(0, 1 - t);
            }
            if (t < 1) {
                return (1.5 * t - 2.5) * t * t + 1;
            }
            return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
        }

        /** Returns the first output that an input at or after the given one reaches. */
        int firstReached(int input) {
            int o = 0;
            while (start[o] + window <= input) {
                o++;
            }
            return o;
        }

        /** Returns the output after the last one that an input before the given end reaches. */
        int endReached(int end) {
            int o = start.length;
            while (start[o - 1] >= end) {
                o--;
            }
            return o;
        }

        /**
         * Returns the outputs [firstOutput, endOutput) of an array (outer, count, inner) whose middle axis begins at input
         * {@code first}; inputs outside it count as 0.
         */
        float[] apply(float[] in, int outer, int first, int count, int inner, int firstOutput, int endOutput) {
            int outputs = endOutput - firstOutput;
            float[] out = new float[Math.toIntExact((long) outer * outputs * inner)];
            for (int a = 0; a < outer; a++) {
                for (int o = 0; o < outputs; o++) {
                    int begin = start[firstOutput + o];
                    int low = Math.max(begin, first);
                    int high = Math.min(begin + window, first + count);
                    int weight = (firstOutput + o) * window - begin;
                    if (inner == 1) {
                        float sum = 0;
                        for (int i = low; i < high; i++) {
                            sum += weights[weight + i] * in[a * count + i - first];
                        }
                        out[a * outputs + o] = sum;
                        continue;
                    }
                    int target = (a * outputs + o) * inner;
                    for (int i = low; i < high; i++) {
                        float w = weights[weight + i];
                        if (w != 0) {
                            int source = (a * count + i - first) * inner;
                            for (int k = 0; k < inner; k++) {
                                out[target + k] += w * in[source + k];
                            }
                        }
                    }
                }
            }
            return out;
        }
    }
}
