package org.segformer3d.eval.metrics;

import java.nio.ByteBuffer;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/**
 * How many voxels of a binary mask agree with the truth, and the measures that follow from these counts.
 *
 * <p>A measure whose question has no answer is NaN and left out of means: Dice, IoU and sensitivity when the truth is empty (as
 * MONAI's {@code ignore_empty=True}), precision when nothing was predicted.
 *
 * @param truePositives voxels in both, TP
 * @param falsePositives voxels predicted only, FP
 * @param falseNegatives voxels of the truth only, FN
 * @param trueNegatives voxels in neither, TN
 */
public record OverlapCounts(long truePositives, long falsePositives, long falseNegatives, long trueNegatives) {
    /** Counts nothing. */
    public static final OverlapCounts NONE = new OverlapCounts(0, 0, 0, 0);

    /** Validates. */
    public OverlapCounts {
        if (truePositives < 0 || falsePositives < 0 || falseNegatives < 0 || trueNegatives < 0) {
            throw new IllegalArgumentException("counts can't be negative");
        }
    }

    /**
     * Counts two masks.
     *
     * @param predicted one byte a voxel (uint8, int8 or bool), non-zero where predicted
     * @param truth the same for the truth, of the same shape
     * @throws IllegalArgumentException when the shapes differ or an element has more than one byte
     */
    public static OverlapCounts of(HostTensor predicted, HostTensor truth) {
        if (!java.util.Arrays.equals(predicted.shape(), truth.shape())) {
            throw new IllegalArgumentException(
                    "found a prediction " + predicted + " and a truth " + truth + ", expected masks of the same shape");
        }
        return count(mask(predicted), mask(truth));
    }

    /** Returns the bytes of a mask. */
    static ByteBuffer mask(HostTensor mask) {
        DType type = mask.dtype();
        if (type != DType.UINT8 && type != DType.INT8 && type != DType.BOOL) {
            throw new IllegalArgumentException("found a mask " + mask + ", expected one byte a voxel");
        }
        return mask.bytes();
    }

    /** Counts two masks of equal length from their positions to their limits. */
    static OverlapCounts count(ByteBuffer predicted, ByteBuffer truth) {
        long both = 0;
        long predictedCount = 0;
        long truthCount = 0;
        int n = predicted.remaining();
        int p0 = predicted.position();
        int t0 = truth.position();
        for (int i = 0; i < n; i++) {
            int p = predicted.get(p0 + i) == 0 ? 0 : 1;
            int t = truth.get(t0 + i) == 0 ? 0 : 1;
            both += p & t;
            predictedCount += p;
            truthCount += t;
        }
        return new OverlapCounts(
                both, predictedCount - both, truthCount - both, n - predictedCount - truthCount + both);
    }

    /** Returns the counts of both together. */
    public OverlapCounts plus(OverlapCounts other) {
        return new OverlapCounts(
                truePositives + other.truePositives,
                falsePositives + other.falsePositives,
                falseNegatives + other.falseNegatives,
                trueNegatives + other.trueNegatives);
    }

    /** Returns the number of voxels predicted, TP + FP. */
    public long predicted() {
        return truePositives + falsePositives;
    }

    /** Returns the number of voxels of the truth, TP + FN. */
    public long truth() {
        return truePositives + falseNegatives;
    }

    /** Returns whether neither prediction nor truth has a voxel: agreement that Dice can't express. */
    public boolean bothEmpty() {
        return predicted() == 0 && truth() == 0;
    }

    /** Returns 2·TP / (2·TP + FP + FN), or NaN when the truth is empty. */
    public double dice() {
        return truth() == 0 ? Double.NaN : 2.0 * truePositives / (predicted() + truth());
    }

    /** Returns {@link #dice()}, but for an empty truth 1 when the prediction is empty too and else 0, as MONAI's {@code ignore_empty=False}. */
    public double diceCountingEmpty() {
        return bothEmpty() ? 1 : truth() == 0 ? 0 : dice();
    }

    /** Returns TP / (TP + FP + FN), or NaN when the truth is empty. */
    public double iou() {
        return truth() == 0 ? Double.NaN : (double) truePositives / (truePositives + falsePositives + falseNegatives);
    }

    /** Returns TP / (TP + FN), or NaN when the truth is empty. */
    public double sensitivity() {
        return truth() == 0 ? Double.NaN : (double) truePositives / truth();
    }

    /** Returns TN / (TN + FP), or NaN when the truth is everywhere. */
    public double specificity() {
        long negatives = trueNegatives + falsePositives;
        return negatives == 0 ? Double.NaN : (double) trueNegatives / negatives;
    }

    /** Returns TP / (TP + FP), or NaN when nothing was predicted. */
    public double precision() {
        return predicted() == 0 ? Double.NaN : (double) truePositives / predicted();
    }

    /** Returns (predicted − true volume) / true volume, positive where too much was predicted, or NaN when the truth is empty. */
    public double relativeVolumeDifference() {
        return truth() == 0 ? Double.NaN : (double) (falsePositives - falseNegatives) / truth();
    }
}
