package org.segformer3d.data.transform;

import org.segformer3d.api.block.Grid;

/**
 * Rotates by quarter turns in the plane of two axes, from the first towards the second: one turn gives
 * result(…, i, …, j, …) = input(…, j, …, n − 1 − i, …), i along the first axis, j along the second, n the input's size along the second.
 *
 * @param first an axis, 0, 1 or 2
 * @param second another axis
 * @param turns how many quarter turns; any whole number
 */
public record Rotate90(int first, int second, int turns) implements Transform {
    /** Checks the axes. */
    public Rotate90 {
        if (first < 0 || first > 2 || second < 0 || second > 2 || first == second) {
            throw new IllegalArgumentException(
                    "rotation: found axes " + first + " and " + second + ", expected two different ones of 0, 1, 2");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        int quarter = Math.floorMod(turns, 4);
        if (quarter == 0) {
            return sample;
        }
        Grid size = sample.size();
        int[] strides = {size.height() * size.width(), size.width(), 1};
        int[] step = strides.clone();
        int[] extent = {size.depth(), size.height(), size.width()};
        int start = 0;
        if (quarter == 2) {
            start = strides[first] * (size.size(first) - 1) + strides[second] * (size.size(second) - 1);
            step[first] = -strides[first];
            step[second] = -strides[second];
        } else {
            extent[first] = size.size(second);
            extent[second] = size.size(first);
            boolean forward = quarter == 1;
            step[first] = forward ? -strides[second] : strides[second];
            step[second] = forward ? strides[first] : -strides[first];
            start = forward ? strides[second] * (size.size(second) - 1) : strides[first] * (size.size(first) - 1);
        }
        float[] image = new float[sample.image().length];
        short[] label = new short[sample.label().length];
        int voxels = sample.voxels();
        int n = 0;
        for (int d = 0; d < extent[0]; d++) {
            for (int h = 0; h < extent[1]; h++) {
                int from = start + d * step[0] + h * step[1];
                for (int w = 0; w < extent[2]; w++, n++, from += step[2]) {
                    label[n] = sample.label()[from];
                    for (int c = 0; c < sample.channels(); c++) {
                        image[c * voxels + n] = sample.image()[c * voxels + from];
                    }
                }
            }
        }
        return new Sample(image, sample.channels(), label, new Grid(extent[0], extent[1], extent[2]));
    }
}
