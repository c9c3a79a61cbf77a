package org.segformer3d.data.transform;

import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Resamples a sample through a linear map about its centre: output voxel o takes the value at input position M·(o − c) + c.
 *
 * <p>Image and label move together in one pass; labels take the nearest voxel, halves rounding to even.
 */
final class AffineWarp implements Transform {
    private final double[] matrix;
    private final Interpolation interpolation;
    private final Padding padding;

    /**
     * @param matrix M, nine numbers, row after row
     * @param interpolation for the image, nearest or linear
     */
    AffineWarp(double[] matrix, Interpolation interpolation, Padding padding) {
        this.matrix = matrix;
        this.interpolation = Objects.requireNonNull(interpolation, "interpolation");
        this.padding = Objects.requireNonNull(padding, "padding");
        if (interpolation == Interpolation.CUBIC) {
            throw new IllegalArgumentException("warp: found cubic interpolation, expected nearest or linear");
        }
    }

    /** Returns Rx(x)·Ry(y)·Rz(z), right-handed rotations about the three axes by angles in radians. */
    static double[] rotation(double x, double y, double z) {
        double cx = Math.cos(x);
        double sx = Math.sin(x);
        double cy = Math.cos(y);
        double sy = Math.sin(y);
        double cz = Math.cos(z);
        double sz = Math.sin(z);
        return new double[] {
            cy * cz,
            -cy * sz,
            sy, //
            cx * sz + sx * sy * cz,
            cx * cz - sx * sy * sz,
            -sx * cy, //
            sx * sz - cx * sy * cz,
            sx * cz + cx * sy * sz,
            cx * cy
        };
    }

    @Override
    public Sample apply(Sample sample) {
        Grid size = sample.size();
        float[] image = new float[sample.image().length];
        short[] label = new short[sample.voxels()];
        Walk walk = new Walk(sample, image, label);
        double cd = (size.depth() - 1) / 2.0;
        double ch = (size.height() - 1) / 2.0;
        double cw = (size.width() - 1) / 2.0;
        float stepD = (float) matrix[2];
        float stepH = (float) matrix[5];
        float stepW = (float) matrix[8];
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                float fromD = (float) (matrix[0] * (d - cd) + matrix[1] * (h - ch) - matrix[2] * cw + cd);
                float fromH = (float) (matrix[3] * (d - cd) + matrix[4] * (h - ch) - matrix[5] * cw + ch);
                float fromW = (float) (matrix[6] * (d - cd) + matrix[7] * (h - ch) - matrix[8] * cw + cw);
                for (int w = 0; w < size.width(); w++, n++) {
                    float x = fromD + w * stepD;
                    float y = fromH + w * stepH;
                    float z = fromW + w * stepW;
                    walk.nearest(n, x, y, z);
                    if (interpolation == Interpolation.LINEAR) {
                        walk.linear(n, x, y, z);
                    }
                }
            }
        }
        return new Sample(image, sample.channels(), label, size);
    }

    /** The innermost work on one output voxel, with all it needs in fields. */
    private final class Walk {
        private final float[] in;
        private final float[] out;
        private final short[] labelIn;
        private final short[] labelOut;
        private final int channels;
        private final int voxels;
        private final int depth;
        private final int height;
        private final int width;
        private final boolean border = padding == Padding.BORDER;
        private final boolean nearestImage = interpolation == Interpolation.NEAREST;

        Walk(Sample sample, float[] out, short[] labelOut) {
            this.in = sample.image();
            this.out = out;
            this.labelIn = sample.label();
            this.labelOut = labelOut;
            this.channels = sample.channels();
            this.voxels = sample.voxels();
            this.depth = sample.size().depth();
            this.height = sample.size().height();
            this.width = sample.size().width();
        }

        void nearest(int n, float x, float y, float z) {
            int d = (int) Math.rint(x);
            int h = (int) Math.rint(y);
            int w = (int) Math.rint(z);
            if (border) {
                d = Math.max(0, Math.min(depth - 1, d));
                h = Math.max(0, Math.min(height - 1, h));
                w = Math.max(0, Math.min(width - 1, w));
            } else if (d < 0 || h < 0 || w < 0 || d >= depth || h >= height || w >= width) {
                return;
            }
            int from = (d * height + h) * width + w;
            labelOut[n] = labelIn[from];
            if (nearestImage) {
                for (int c = 0; c < channels; c++) {
                    out[c * voxels + n] = in[c * voxels + from];
                }
            }
        }

        void linear(int n, float x, float y, float z) {
            if (border) {
                x = Math.max(0, Math.min(depth - 1, x));
                y = Math.max(0, Math.min(height - 1, y));
                z = Math.max(0, Math.min(width - 1, z));
            }
            int d = (int) Math.floor(x);
            int h = (int) Math.floor(y);
            int w = (int) Math.floor(z);
            float a = x - d;
            float b = y - h;
            float e = z - w;
            if (d < 0 || h < 0 || w < 0 || d > depth - 2 || h > height - 2 || w > width - 2) {
                atBorder(n, d, h, w, a, b, e);
                return;
            }
            int plane = height * width;
            int from = (d * height + h) * width + w;
            for (int c = 0; c < channels; c++, from += voxels) {
                float v00 = in[from] + e * (in[from + 1] - in[from]);
                int i = from + width;
                float v01 = in[i] + e * (in[i + 1] - in[i]);
                i = from + plane;
                float v10 = in[i] + e * (in[i + 1] - in[i]);
                i = from + plane + width;
                float v11 = in[i] + e * (in[i + 1] - in[i]);
                float v0 = v00 + b * (v01 - v00);
                float v1 = v10 + b * (v11 - v10);
                out[c * voxels + n] = v0 + a * (v1 - v0);
            }
        }

        /** As above where some of the eight neighbours don't exist: these count as 0. */
        private void atBorder(int n, int d, int h, int w, float a, float b, float e) {
            for (int corner = 0; corner < 8; corner++) {
                int i = d + (corner & 1);
                int j = h + (corner >> 1 & 1);
                int k = w + (corner >> 2);
                float weight = ((corner & 1) == 0 ? 1 - a : a)
                        * ((corner & 2) == 0 ? 1 - b : b)
                        * ((corner & 4) == 0 ? 1 - e : e);
                if (weight == 0 || i < 0 || j < 0 || k < 0 || i >= depth || j >= height || k >= width) {
                    continue;
                }
                int from = (i * height + j) * width + k;
                for (int c = 0; c < channels; c++) {
                    out[c * voxels + n] += weight * in[c * voxels + from];
                }
            }
        }
    }
}
