package org.segformer3d.data.transform;

import org.segformer3d.data.preprocessing.Interpolation;

/**
 * The innermost work of a warp, with all it needs in fields: takes one output voxel from a position between the input's voxels.
 *
 * <p>Labels take the nearest voxel, halves rounding to even; the image is interpolated as asked.
 */
final class VoxelWalk {
    private final float[] in;
    private final float[] out;
    private final short[] labelIn;
    private final short[] labelOut;
    private final int channels;
    private final int voxels;
    private final int depth;
    private final int height;
    private final int width;
    private final boolean border;
    private final boolean nearestImage;

    VoxelWalk(Sample sample, float[] out, short[] labelOut, Padding padding, Interpolation interpolation) {
        this.border = padding == Padding.BORDER;
        this.nearestImage = interpolation == Interpolation.NEAREST;
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

    /** Takes output voxel n from a position of the input, in voxels. */
    void take(int n, float x, float y, float z) {
        nearest(n, x, y, z);
        if (!nearestImage) {
            linear(n, x, y, z);
        }
    }

    private void nearest(int n, float x, float y, float z) {
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

    private void linear(int n, float x, float y, float z) {
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
            float weight =
                    ((corner & 1) == 0 ? 1 - a : a) * ((corner & 2) == 0 ? 1 - b : b) * ((corner & 4) == 0 ? 1 - e : e);
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
