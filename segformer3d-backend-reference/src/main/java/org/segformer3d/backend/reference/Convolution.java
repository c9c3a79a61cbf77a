package org.segformer3d.backend.reference;

import java.util.Arrays;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;

/** Conv3d with zero padding: gathers the patch under each output position and applies a Linear to it. */
final class Convolution {
    private final int channels;
    private final PerAxis kernel;
    private final PerAxis stride;
    private final PerAxis padding;
    private final int out;
    private final Linear linear;

    /**
     * Prepares a convolution.
     *
     * @param weight (out, channels, kernel)
     * @param bias (out)
     */
    Convolution(
            double[] weight, double[] bias, int channels, int out, PerAxis kernel, PerAxis stride, PerAxis padding) {
        this.channels = channels;
        this.kernel = kernel;
        this.stride = stride;
        this.padding = padding;
        this.out = out;
        this.linear = new Linear(weight, bias, channels * kernel.product(), out);
    }

    /** Prepares a convolution with the same numbers along all axes. */
    Convolution(double[] weight, double[] bias, int channels, int out, int kernel, int stride, int padding) {
        this(weight, bias, channels, out, PerAxis.of(kernel), PerAxis.of(stride), PerAxis.of(padding));
    }

    /** Returns the grid of the output. */
    Grid grid(Grid input) {
        return input.convolved(kernel, stride, padding);
    }

    /**
     * Convolves.
     *
     * @param x (B,C,D,H,W)
     * @param grid D, H, W
     * @return tokens (B,N,out) on {@link #grid(Grid)}
     */
    double[] apply(ParallelLoops loops, double[] x, int batch, Grid grid) {
        Grid result = grid(grid);
        int tokens = result.tokens();
        int patch = channels * kernel.product();
        double[] y = new double[Math.multiplyExact(Math.multiplyExact(batch, tokens), out)];
        loops.run(batch * tokens, Linear.ROWS, (from, to) -> {
            double[] patches = new double[(to - from) * patch];
            for (int row = from; row < to; row++) {
                int n = row % tokens;
                int w = n % result.width();
                int h = n / result.width() % result.height();
                int d = n / result.width() / result.height();
                gather(x, row / tokens, grid, d, h, w, patches, (row - from) * patch);
            }
            linear.apply(patches, 0, y, from, to - from);
        });
        return y;
    }

    private void gather(double[] x, int b, Grid grid, int d, int h, int w, double[] patches, int offset) {
        int left = w * stride.width() - padding.width();
        int first = Math.max(0, -left);
        int last = Math.min(kernel.width(), grid.width() - left);
        int at = offset;
        for (int c = 0; c < channels; c++) {
            for (int kd = 0; kd < kernel.depth(); kd++) {
                int sourceD = d * stride.depth() - padding.depth() + kd;
                for (int kh = 0; kh < kernel.height(); kh++) {
                    int sourceH = h * stride.height() - padding.height() + kh;
                    boolean inside = sourceD >= 0 && sourceD < grid.depth() && sourceH >= 0 && sourceH < grid.height();
                    if (inside && first < last) {
                        int line = (((b * channels + c) * grid.depth() + sourceD) * grid.height() + sourceH)
                                * grid.width();
                        System.arraycopy(x, line + left + first, patches, at + first, last - first);
                    } else {
                        Arrays.fill(patches, at, at + kernel.width(), 0);
                    }
                    at += kernel.width();
                }
            }
        }
    }
}
