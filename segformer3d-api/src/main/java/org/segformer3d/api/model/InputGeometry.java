package org.segformer3d.api.model;

import java.util.ArrayList;
import java.util.List;
import org.segformer3d.api.block.Grid;
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
        int stride = config.patchStride().get(0);
        int least = smallestEdge(config);
        Grid padded = new Grid(
                pad(input.depth(), stride, least),
                pad(input.height(), stride, least),
                pad(input.width(), stride, least));
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

    /** Returns the smallest edge, a multiple of the first stride, that leaves every stage at least its sr ratio of tokens. */
    public static int smallestEdge(SegFormer3DConfig config) {
        int stride = config.patchStride().get(0);
        int edge = stride;
        while (!fits(config, edge)) {
            edge += stride;
        }
        return edge;
    }

    private static boolean fits(SegFormer3DConfig config, int edge) {
        int n = edge;
        for (int i = 0; i < SegFormer3DConfig.STAGES; i++) {
            int kernel = config.patchKernelSize().get(i);
            int padding = config.patchPadding().get(i);
            if (n + 2 * padding < kernel) {
                return false;
            }
            n = (n + 2 * padding - kernel) / config.patchStride().get(i) + 1;
            if (n < config.srRatios().get(i)) {
                return false;
            }
        }
        return true;
    }

    private static int pad(int size, int stride, int least) {
        return Math.max(least, Math.multiplyExact((size + stride - 1) / stride, stride));
    }
}
