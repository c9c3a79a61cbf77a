package org.segformer3d.backend.reference;

import org.segformer3d.api.ops.Interpolation;

/** Trilinear resizing, one axis after the other, and maximum pooling of maps (maps, D, H, W). */
final class Resampling {
    private final ParallelLoops loops;

    Resampling(ParallelLoops loops) {
        this.loops = loops;
    }

    /**
     * Returns maps of another size.
     *
     * @param shape (B,C,D,H,W) of x
     * @param size (B,C,D',H',W')
     */
    double[] resize(double[] x, long[] shape, long[] size, boolean alignCorners) {
        int maps = (int) (shape[0] * shape[1]);
        int[] from = {(int) shape[2], (int) shape[3], (int) shape[4]};
        int[] to = {(int) size[2], (int) size[3], (int) size[4]};
        Interpolation[] axes = new Interpolation[3];
        for (int k = 0; k < 3; k++) {
            axes[k] = Interpolation.of(from[k], to[k], alignCorners);
        }
        int result = to[0] * to[1] * to[2];
        double[] y = new double[Math.multiplyExact(maps, result)];
        loops.run(maps, 1, (first, last) -> {
            double[] wide = new double[from[0] * from[1] * to[2]];
            double[] high = new double[from[0] * to[1] * to[2]];
            for (int map = first; map < last; map++) {
                along(x, map * from[0] * from[1] * from[2], from[0] * from[1], 1, axes[2], wide, 0);
                along(wide, 0, from[0], to[2], axes[1], high, 0);
                along(high, 0, 1, to[1] * to[2], axes[0], y, map * result);
            }
        });
        return y;
    }

    /** Interpolates the middle axis of (outer, n, inner). */
    private static void along(double[] x, int xAt, int outer, int inner, Interpolation axis, double[] y, int yAt) {
        for (int o = 0; o < outer; o++) {
            for (int i = 0; i < axis.to(); i++) {
                int low = xAt + (o * axis.from() + axis.lower()[i]) * inner;
                int high = xAt + (o * axis.from() + axis.upper()[i]) * inner;
                double upper = axis.upperWeight()[i];
                double lower = 1 - upper;
                int target = yAt + (o * axis.to() + i) * inner;
                for (int j = 0; j < inner; j++) {
                    y[target + j] = lower * x[low + j] + upper * x[high + j];
                }
            }
        }
    }

    /**
     * Returns the maximum of each window.
     *
     * @param shape (B,C,D,H,W) of x
     * @param size (B,C,D',H',W')
     */
    double[] maxPool(double[] x, long[] shape, long[] size, int[] kernel, int[] stride) {
        int maps = (int) (shape[0] * shape[1]);
        int height = (int) shape[3];
        int width = (int) shape[4];
        int voxels = (int) shape[2] * height * width;
        int highOut = (int) size[3];
        int wideOut = (int) size[4];
        int positions = (int) size[2] * highOut * wideOut;
        double[] y = new double[Math.multiplyExact(maps, positions)];
        loops.run(maps, 1, (first, last) -> {
            for (int map = first; map < last; map++) {
                for (int n = 0; n < positions; n++) {
                    int w = n % wideOut * stride[2];
                    int h = n / wideOut % highOut * stride[1];
                    int d = n / wideOut / highOut * stride[0];
                    double largest = Double.NEGATIVE_INFINITY;
                    for (int kd = 0; kd < kernel[0]; kd++) {
                        for (int kh = 0; kh < kernel[1]; kh++) {
                            int line = map * voxels + ((d + kd) * height + h + kh) * width + w;
                            for (int kw = 0; kw < kernel[2]; kw++) {
                                largest = Math.max(largest, x[line + kw]);
                            }
                        }
                    }
                    y[map * positions + n] = largest;
                }
            }
        });
        return y;
    }
}
