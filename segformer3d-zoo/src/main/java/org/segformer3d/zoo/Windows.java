package org.segformer3d.zoo;

import java.util.Arrays;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/**
 * Cutting (B,D,H,W,C) into windows and putting it together again.
 *
 * @param size D, H, W
 * @param window size of a window, axis by axis
 * @param shift by how much the map is rolled before it is cut, axis by axis
 */
record Windows(long[] size, int[] window, int[] shift) {
    /** What is added to the scores of tokens that lie in different regions. */
    private static final double MASKED = -100;

    /** Returns whether the map is rolled along any axis. */
    boolean shifted() {
        return Arrays.stream(shift).anyMatch(s -> s != 0);
    }

    /** Returns the size after zero-padding at the far ends to multiples of the window. */
    long[] padded() {
        long[] padded = new long[3];
        for (int axis = 0; axis < 3; axis++) {
            padded[axis] = (size[axis] + window[axis] - 1) / window[axis] * window[axis];
        }
        return padded;
    }

    private int tokens() {
        return window[0] * window[1] * window[2];
    }

    /** Pads, rolls by −shift and cuts: (B,D,H,W,C) → (B,windows,tokens,C), windows and their tokens over D, H, W. */
    Tensor cut(Ops ops, Tensor x) {
        long[] to = padded();
        Tensor y = x;
        for (int axis = 0; axis < 3; axis++) {
            if (to[axis] > size[axis]) {
                y = ops.pad(y, axis + 1, 0, to[axis] - size[axis]);
            }
            y = rolled(ops, y, axis + 1, shift[axis]);
        }
        long batch = x.shape()[0];
        long c = x.shape()[4];
        y = ops.reshape(
                y, batch, to[0] / window[0], window[0], to[1] / window[1], window[1], to[2] / window[2], window[2], c);
        y = ops.permute(y, 0, 1, 3, 5, 2, 4, 6, 7);
        return ops.reshape(y, batch, to[0] * to[1] * to[2] / tokens(), tokens(), c);
    }

    /** The inverse of {@link #cut}: (B,windows,tokens,C) → (B,D,H,W,C). */
    Tensor join(Ops ops, Tensor windows) {
        long[] to = padded();
        long batch = windows.shape()[0];
        long c = windows.shape()[3];
        Tensor y = ops.reshape(
                windows,
                batch,
                to[0] / window[0],
                to[1] / window[1],
                to[2] / window[2],
                window[0],
                window[1],
                window[2],
                c);
        y = ops.reshape(ops.permute(y, 0, 1, 4, 2, 5, 3, 6, 7), batch, to[0], to[1], to[2], c);
        for (int axis = 0; axis < 3; axis++) {
            y = rolled(ops, y, axis + 1, to[axis] - shift[axis]);
            if (to[axis] > size[axis]) {
                y = ops.slice(y, axis + 1, 0, size[axis]);
            }
        }
        return y;
    }

    private static Tensor rolled(Ops ops, Tensor x, int axis, long by) {
        long length = x.shape()[axis];
        return by % length == 0 ? x : ops.concat(axis, ops.slice(x, axis, by, length), ops.slice(x, axis, 0, by));
    }

    /** Returns (windows,1,tokens,tokens): −100 between tokens of different regions of the rolled map, else 0. */
    HostTensor mask() {
        long[] to = padded();
        int n = tokens();
        int count = Math.toIntExact(to[0] * to[1] * to[2] / n);
        int[][] regions = new int[count][n];
        int row = 0;
        for (int d = 0; d < to[0]; d += window[0]) {
            for (int h = 0; h < to[1]; h += window[1]) {
                for (int w = 0; w < to[2]; w += window[2]) {
                    for (int t = 0; t < n; t++) {
                        regions[row][t] = 9 * region(0, d + t / (window[1] * window[2]), to[0])
                                + 3 * region(1, h + t / window[2] % window[1], to[1])
                                + region(2, w + t % window[2], to[2]);
                    }
                    row++;
                }
            }
        }
        float[] mask = new float[Math.multiplyExact(count, n * n)];
        for (int k = 0; k < count; k++) {
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    mask[(k * n + i) * n + j] = (float) (regions[k][i] == regions[k][j] ? 0 : MASKED);
                }
            }
        }
        return HostTensor.of(mask, count, 1, n, n);
    }

    /** Which of an axis's three regions a place of the rolled map belongs to; an axis that isn't rolled is one region. */
    private int region(int axis, long place, long length) {
        if (shift[axis] == 0 || place < length - window[axis]) {
            return 0;
        }
        return place < length - shift[axis] ? 1 : 2;
    }

    /**
     * Returns for every pair (i,j) of a window's tokens the row of a table of relative positions.
     *
     * @param tokens how many tokens, the first ones of the window
     * @param within the window whose positions these are
     * @param strides what a step along each axis adds to the row
     */
    static int[] relativeRows(int tokens, int[] within, int[] strides) {
        int[] rows = new int[tokens * tokens];
        for (int i = 0; i < tokens; i++) {
            for (int j = 0; j < tokens; j++) {
                int row = 0;
                int[] a = place(i, within);
                int[] b = place(j, within);
                for (int axis = 0; axis < 3; axis++) {
                    row += (a[axis] - b[axis] + within[axis] - 1) * strides[axis];
                }
                rows[i * tokens + j] = row;
            }
        }
        return rows;
    }

    private static int[] place(int token, int[] within) {
        return new int[] {token / (within[1] * within[2]), token / within[2] % within[1], token % within[2]};
    }

    /** Returns the number of relative positions in a window. */
    static int relativePositions(int[] window) {
        return (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1);
    }
}
