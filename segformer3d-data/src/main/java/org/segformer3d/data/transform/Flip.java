package org.segformer3d.data.transform;

import org.segformer3d.api.block.Grid;

/**
 * Reverses axes.
 *
 * @param depth whether the first spatial axis is reversed
 * @param height whether the second is
 * @param width whether the third is
 */
public record Flip(boolean depth, boolean height, boolean width) implements Transform {
    /** Returns the flip of one axis, 0, 1 or 2. */
    public static Flip axis(int axis) {
        return new Flip(axis == 0, axis == 1, axis == 2);
    }

    @Override
    public Sample apply(Sample sample) {
        Grid size = sample.size();
        int planes = size.depth();
        int rows = size.height();
        // Each axis in place: a block of `block` values changes places with its mirror image.
        if (depth) {
            swapBlocks(sample.image(), sample.channels(), planes, rows * size.width());
            swapBlocks(sample.label(), 1, planes, rows * size.width());
        }
        if (height) {
            swapBlocks(sample.image(), sample.channels() * planes, rows, size.width());
            swapBlocks(sample.label(), planes, rows, size.width());
        }
        if (width) {
            swapBlocks(sample.image(), sample.channels() * planes * rows, size.width(), 1);
            swapBlocks(sample.label(), planes * rows, size.width(), 1);
        }
        return sample;
    }

    private static void swapBlocks(float[] values, int outer, int count, int block) {
        for (int a = 0; a < outer; a++) {
            for (int low = 0, high = count - 1; low < high; low++, high--) {
                int i = (a * count + low) * block;
                int j = (a * count + high) * block;
                for (int n = 0; n < block; n++) {
                    float swapped = values[i + n];
                    values[i + n] = values[j + n];
                    values[j + n] = swapped;
                }
            }
        }
    }

    private static void swapBlocks(short[] values, int outer, int count, int block) {
        for (int a = 0; a < outer; a++) {
            for (int low = 0, high = count - 1; low < high; low++, high--) {
                int i = (a * count + low) * block;
                int j = (a * count + high) * block;
                for (int n = 0; n < block; n++) {
                    short swapped = values[i + n];
                    values[i + n] = values[j + n];
                    values[j + n] = swapped;
                }
            }
        }
    }
}
