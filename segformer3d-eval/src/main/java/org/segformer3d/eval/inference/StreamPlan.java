package org.segformer3d.eval.inference;

/**
 * How a sliding window goes over a volume: the result is the same, time and memory aren't.
 *
 * <p>Sums are kept for as many slices as the window is deep. Where even those are too many, the volume is cut into strips along its second
 * axis and the windows that reach into two strips are predicted for both: each strip's sums are those of the whole, in the same order.
 *
 * @param rows rows of a strip along the second axis, ≥ 1; as many as the volume has or more for no strips
 * @param ahead whether the next windows are read and the last ones blended while the network computes, which takes two batches
 *     instead of one
 */
public record StreamPlan(int rows, boolean ahead) {
    /** One strip, everything at once. */
    public static final StreamPlan FASTEST = new StreamPlan(Integer.MAX_VALUE, true);

    /** Validates. */
    public StreamPlan {
        if (rows < 1) {
            throw new IllegalArgumentException("rows: found " + rows + ", expected at least 1");
        }
    }
}
