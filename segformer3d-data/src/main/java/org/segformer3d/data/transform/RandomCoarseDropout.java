package org.segformer3d.data.transform;

import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;

/**
 * Fills boxes at random places of the image, the same in all channels, with one value; labels stay, or become background there.
 *
 * @param probability from 0 to 1
 * @param holes how many boxes, ≥ 1; they may overlap
 * @param hole size of each box; along an axis where the sample is smaller, the box takes all of it
 * @param fill the value
 * @param labels whether what was labelled in the boxes becomes background, as in the official run
 */
public record RandomCoarseDropout(double probability, int holes, Grid hole, double fill, boolean labels)
        implements RandomTransform {
    /** Checks the arguments. */
    public RandomCoarseDropout {
        Draw.requireProbability("coarse_dropout", probability);
        Objects.requireNonNull(hole, "hole");
        if (holes < 1) {
            throw ConfigException.of("coarse_dropout.holes", holes, "at least 1");
        }
        if (!Double.isFinite(fill)) {
            throw ConfigException.of("coarse_dropout.fill", fill, "a number");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        Grid size = sample.size();
        int[] start = new int[3];
        int[] end = new int[3];
        for (int n = 0; n < holes; n++) {
            for (int axis = 0; axis < 3; axis++) {
                int extent = Math.min(hole.size(axis), size.size(axis));
                start[axis] = random.nextInt(size.size(axis) - extent + 1);
                end[axis] = start[axis] + extent;
            }
            for (int d = start[0]; labels && d < end[0]; d++) {
                for (int h = start[1]; h < end[1]; h++) {
                    int row = (d * size.height() + h) * size.width();
                    Arrays.fill(sample.label(), row + start[2], row + end[2], (short) 0);
                }
            }
            for (int c = 0; c < sample.channels(); c++) {
                for (int d = start[0]; d < end[0]; d++) {
                    for (int h = start[1]; h < end[1]; h++) {
                        int row = ((c * size.depth() + d) * size.height() + h) * size.width();
                        Arrays.fill(sample.image(), row + start[2], row + end[2], (float) fill);
                    }
                }
            }
        }
        return sample;
    }
}
