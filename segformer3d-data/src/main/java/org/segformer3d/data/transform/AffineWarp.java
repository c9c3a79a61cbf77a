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
        VoxelWalk walk = new VoxelWalk(sample, image, label, padding, interpolation);
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
                    walk.take(n, x, y, z);
                }
            }
        }
        return new Sample(image, sample.channels(), label, size);
    }
}
