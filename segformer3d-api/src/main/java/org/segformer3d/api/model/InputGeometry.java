package org.segformer3d.api.model;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.config.SegFormer3DConfig;

/**
 * How an input size maps to the grids of the four stages.
 *
 * <p>Any size works: the input is zero-padded at the far end of each axis to a multiple of the first stride, and to the smallest
 * size at which every stage still has its sr ratio of tokens along each axis; logits are cropped back to the input's own size.
 * Cubes and boxes are treated alike.
 *
 * @param input size of the input
 * @param padded size after padding, which is what the network sees
 * @param stages grids of the four stages, finest first
 */
public record InputGeometry(Grid input, Grid padded, List<Grid> stages) {
    /** Returns the geometry for an input of this size. */
    public static InputGeometry of(SegFormer3DConfig config, Grid input) {
        PerAxis stride = config.patchStride().get(0);
        Grid least = smallest(config);
        Grid padded = new Grid(
                pad(input.depth(), stride.depth(), least.depth()),
                pad(input.height(), stride.height(), least.height()),
                pad(input.width(), stride.width(), least.width()));
        List<Grid> stages = new ArrayList<>();
        Grid grid = padded;
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            grid = grid.convolved(
                    config.patchKernelSize().get(i),
                    config.patchStride().get(i),
                    config.patchPadding().get(i));
            stages.add(grid);
        }
        return new InputGeometry(input, padded, List.copyOf(stages));
    }

    /** Returns whether the network sees more than the input. */
    public boolean isPadded() {
        return !input.equals(padded);
    }

    /** Returns the smallest size, multiples of the first stride, that leaves every stage at least its sr ratio of tokens along each axis. */
    public static Grid smallest(SegFormer3DConfig config) {
        return new Grid(smallest(config, 0), smallest(config, 1), smallest(config, 2));
    }

    private static int smallest(SegFormer3DConfig config, int axis) {
        int stride = config.patchStride().get(0).get(axis);
        int size = stride;
        while (!fits(config, axis, size)) {
            size += stride;
        }
        return size;
    }

    private static boolean fits(SegFormer3DConfig config, int axis, int size) {
        int n = size;
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            int kernel = config.patchKernelSize().get(i).get(axis);
            int padding = config.patchPadding().get(i).get(axis);
            if (n + 2 * padding < kernel) {
                return false;
            }
            n = (n + 2 * padding - kernel) / config.patchStride().get(i).get(axis) + 1;
            if (n < config.srRatios().get(i).get(axis)) {
                return false;
            }
        }
        return true;
    }

    private static int pad(int size, int stride, int least) {
        return Math.max(least, Math.multiplyExact((size + stride - 1) / stride, stride));
    }
}
