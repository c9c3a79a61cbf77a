package org.segformer3d.backend.reference;

import java.util.Arrays;
import org.segformer3d.api.block.Grid;

/**
 * Trilinear resizing with align_corners=False: output position i of n' lies at (i + ½)·n/n' − ½ of n inputs, held at 0 below.
 *
 * @param from grid that is read
 * @param to grid that is written
 * @param depth neighbours and weights along the first axis
 * @param height along the second
 * @param width along the third
 */
record Interpolation(Grid from, Grid to, Axis depth, Axis height, Axis width) {
    /**
     * Linear interpolation along one axis: output i = (1 − upperWeight[i])·input[lower[i]] + upperWeight[i]·input[upper[i]].
     */
    record Axis(int[] lower, int[] upper, double[] upperWeight) {
        static Axis of(int from, int to) {
            int[] lower = new int[to];
            int[] upper = new int[to];
            double[] weight = new double[to];
            for (int i = 0; i < to; i++) {
                double position = Math.max(0, (i + 0.5) * from / to - 0.5);
                lower[i] = Math.min((int) position, from - 1);
                upper[i] = Math.min(lower[i] + 1, from - 1);
                weight[i] = position - lower[i];
            }
            return new Axis(lower, upper, weight);
        }

        /** Returns the input on one side (0 lower, 1 upper) of an output. */
        int neighbour(int i, int side) {
            return side == 0 ? lower[i] : upper[i];
        }

        /** Returns that input's weight. */
        double weight(int i, int side) {
            return side == 0 ? 1 - upperWeight[i] : upperWeight[i];
        }
    }

    /** Returns the interpolation between two grids. */
    static Interpolation of(Grid from, Grid to) {
        return new Interpolation(
                from,
                to,
                Axis.of(from.depth(), to.depth()),
                Axis.of(from.height(), to.height()),
                Axis.of(from.width(), to.width()));
    }

    /**
     * Writes the interpolated row of one output position.
     *
     * @param rows (N,width) on the grid {@code from}, starting at row {@code firstRow}
     * @param d output position along the first axis, then h and w
     * @param channels length of a row
     * @param target where the row goes, from {@code offset} on
     */
    void row(double[] rows, int firstRow, int d, int h, int w, int channels, double[] target, int offset) {
        Arrays.fill(target, offset, offset + channels, 0);
        for (int corner = 0; corner < 8; corner++) {
            int sideD = corner >> 2;
            int sideH = corner >> 1 & 1;
            int sideW = corner & 1;
            double weight = depth.weight(d, sideD) * height.weight(h, sideH) * width.weight(w, sideW);
            if (weight != 0) {
                int source = (depth.neighbour(d, sideD) * from.height() + height.neighbour(h, sideH)) * from.width()
                        + width.neighbour(w, sideW);
                addScaled(weight, rows, (firstRow + source) * channels, target, offset, channels);
            }
        }
    }

    private static void addScaled(double weight, double[] x, int xOffset, double[] y, int yOffset, int length) {
        for (int i = 0; i < length; i++) {
            y[yOffset + i] += weight * x[xOffset + i];
        }
    }
}
