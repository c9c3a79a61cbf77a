package org.segformer3d.eval.metrics;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;

/**
 * How far the surfaces of a predicted and a true mask lie apart, and the measures that follow from it. Immutable.
 *
 * <p>A mask's surface are its voxels with one of their six neighbours outside, where everything beyond the grid is outside. Distances are
 * exact Euclidean distances between voxel centres, rounded to float32. The conventions are MONAI's (1.3): when both masks are empty every
 * measure is NaN; when one is, distances and their means are infinite, percentiles below 100 NaN, and the surface Dice 0.
 */
public final class SurfaceDistances {
    private static final int PREDICTED = 1;
    private static final int TRUTH = 2;

    private final float[] toTruth;
    private final float[] toPrediction;

    private SurfaceDistances(float[] toTruth, float[] toPrediction) {
        this.toTruth = toTruth;
        this.toPrediction = toPrediction;
        Arrays.parallelSort(toTruth);
        Arrays.parallelSort(toPrediction);
    }

    /**
     * Measures two masks. Work and memory (about 5 bytes a voxel) are bounded by the box that encloses both.
     *
     * @param predicted (D,H,W), one byte a voxel (uint8, int8 or bool), non-zero where predicted
     * @param truth the same for the truth
     * @param spacing distance between neighbours along D, H, W, in mm
     * @throws IllegalArgumentException when the shapes differ or aren't (D,H,W), an element has more than one byte, or the spacing isn't
     *     three positive numbers
     */
    public static SurfaceDistances between(HostTensor predicted, HostTensor truth, double... spacing) {
        long[] shape = truth.shape();
        if (shape.length != 3 || !Arrays.equals(predicted.shape(), shape)) {
            throw new IllegalArgumentException("found a prediction " + predicted + " and a truth " + truth
                    + ", expected masks of one shape (D,H,W)");
        }
        Grid size = new Grid(Math.toIntExact(shape[0]), Math.toIntExact(shape[1]), Math.toIntExact(shape[2]));
        return between(bytes(predicted), bytes(truth), size, spacing);
    }

    private static byte[] bytes(HostTensor mask) {
        ByteBuffer buffer = OverlapCounts.mask(mask).duplicate();
        byte[] values = new byte[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    /** Measures two masks in the order of a grid, neither of which is changed. */
    static SurfaceDistances between(byte[] predicted, byte[] truth, Grid size, double... spacing) {
        Objects.requireNonNull(size, "size");
        if (spacing.length != 3 || !Arrays.stream(spacing).allMatch(s -> s > 0 && Double.isFinite(s))) {
            throw new IllegalArgumentException(
                    "found spacing " + Arrays.toString(spacing) + ", expected three positive numbers");
        }
        int longest = Math.max(size.depth(), Math.max(size.height(), size.width()));
        if (longest > DistanceTransform.LARGEST_AXIS) {
            throw new IllegalArgumentException("found masks of " + size + " voxels, expected at most "
                    + DistanceTransform.LARGEST_AXIS + " an axis");
        }
        int[] box = box(predicted, truth, size);
        if (box == null) {
            return new SurfaceDistances(new float[0], new float[0]);
        }
        Grid boxed = new Grid(box[3] - box[0], box[4] - box[1], box[5] - box[2]);
        byte[] surfaces = surfaces(predicted, truth, size, box, boxed);
        DistanceTransform transform = new DistanceTransform(surfaces, boxed, spacing);
        return new SurfaceDistances(transform.distances(PREDICTED, TRUTH), transform.distances(TRUTH, PREDICTED));
    }

    /** Returns the first voxel and the one after the last along each axis of the box around both masks, {@code null} when both are empty. */
    private static int[] box(byte[] predicted, byte[] truth, Grid size) {
        int[] box = {size.depth(), size.height(), size.width(), 0, 0, 0};
        int row = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++, row += size.width()) {
                int first = 0;
                while (first < size.width() && (predicted[row + first] | truth[row + first]) == 0) {
                    first++;
                }
                if (first == size.width()) {
                    continue;
                }
                int end = size.width();
                while ((predicted[row + end - 1] | truth[row + end - 1]) == 0) {
                    end--;
                }
                box[0] = Math.min(box[0], d);
                box[1] = Math.min(box[1], h);
                box[2] = Math.min(box[2], first);
                box[3] = d + 1;
                box[4] = Math.max(box[4], h + 1);
                box[5] = Math.max(box[5], end);
            }
        }
        return box[3] == 0 ? null : box;
    }

    private static byte[] surfaces(byte[] predicted, byte[] truth, Grid size, int[] box, Grid boxed) {
        byte[] surfaces = new byte[boxed.tokens()];
        int n = 0;
        for (int d = box[0]; d < box[3]; d++) {
            for (int h = box[1]; h < box[4]; h++) {
                for (int w = box[2]; w < box[5]; w++, n++) {
                    int bits = isSurface(predicted, size, d, h, w) ? PREDICTED : 0;
                    bits |= isSurface(truth, size, d, h, w) ? TRUTH : 0;
                    surfaces[n] = (byte) bits;
                }
            }
        }
        return surfaces;
    }

    private static boolean isSurface(byte[] mask, Grid size, int d, int h, int w) {
        int row = size.width();
        int slice = row * size.height();
        int at = d * slice + h * row + w;
        return mask[at] != 0
                && (d == 0
                        || h == 0
                        || w == 0
                        || d == size.depth() - 1
                        || h == size.height() - 1
                        || w == size.width() - 1
                        || mask[at - slice] == 0
                        || mask[at + slice] == 0
                        || mask[at - row] == 0
                        || mask[at + row] == 0
                        || mask[at - 1] == 0
                        || mask[at + 1] == 0);
    }

    /** Where only one mask is empty, the distances from it are those to it, all infinite: it is infinitely far, not undefined. */
    private float[] fromPrediction() {
        return toTruth.length == 0 ? toPrediction : toTruth;
    }

    private float[] fromTruth() {
        return toPrediction.length == 0 ? toTruth : toPrediction;
    }

    /** Returns the number of voxels on the prediction's surface. */
    public int predictedSurface() {
        return toTruth.length;
    }

    /** Returns the number of voxels on the true surface. */
    public int truthSurface() {
        return toPrediction.length;
    }

    /** Returns the Hausdorff distance: the largest distance from either surface to the other. */
    public double hausdorff() {
        return hausdorff(100);
    }

    /**
     * Returns the larger of both surfaces' percentiles of the distance to the other; 95 gives HD95.
     *
     * @param percentile from 0 to 100, linear between neighbouring ranks
     */
    public double hausdorff(double percentile) {
        // Math.max gives NaN when either is
        return Math.max(percentile(fromPrediction(), percentile), percentile(fromTruth(), percentile));
    }

    /**
     * Returns the percentile of the distance from the predicted surface to the true one.
     *
     * @param percentile from 0 to 100, linear between neighbouring ranks
     */
    public double directedHausdorff(double percentile) {
        return percentile(fromPrediction(), percentile);
    }

    /** Returns the average distance from the predicted surface to the true one. */
    public double averageSurfaceDistance() {
        float[] distances = fromPrediction();
        return sum(distances) / distances.length;
    }

    /** Returns the average distance from the voxels of both surfaces to the other. */
    public double averageSymmetricSurfaceDistance() {
        return (sum(toTruth) + sum(toPrediction)) / (toTruth.length + toPrediction.length);
    }

    /**
     * Returns the normalised surface Dice: the share of the voxels of both surfaces that are no further from the other than a tolerance.
     *
     * @param tolerance in mm, not negative
     */
    public double surfaceDice(double tolerance) {
        if (!(tolerance >= 0)) {
            throw new IllegalArgumentException("found a tolerance of " + tolerance + " mm, expected 0 or more");
        }
        double within = (double) within(toTruth, tolerance) + within(toPrediction, tolerance);
        return within / (toTruth.length + (double) toPrediction.length);
    }

    private static int within(float[] sorted, double tolerance) {
        int low = 0;
        int high = sorted.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (sorted[middle] <= (float) tolerance) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    private static double percentile(float[] sorted, double percentile) {
        if (!(percentile >= 0 && percentile <= 100)) {
            throw new IllegalArgumentException("found percentile " + percentile + ", expected one from 0 to 100");
        }
        if (sorted.length == 0) {
            return Double.NaN;
        }
        if (percentile == 100) {
            return sorted[sorted.length - 1];
        }
        // All in float32, as MONAI's quantiles are: on large surfaces the rank itself is rounded.
        float rank = (float) (percentile / 100) * (sorted.length - 1);
        int below = (int) rank;
        float weight = rank - below;
        float low = sorted[below];
        float high = sorted[Math.min((int) Math.ceil(rank), sorted.length - 1)];
        // Infinite distances leave NaN here, as they do in MONAI.
        return weight < 0.5f ? low + weight * (high - low) : high - (high - low) * (1 - weight);
    }

    private static double sum(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum;
    }
}
