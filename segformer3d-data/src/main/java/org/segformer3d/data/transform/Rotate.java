package org.segformer3d.data.transform;

import java.util.Objects;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Rotates about the centre, keeping the size: output voxel o takes the value at Rx·Ry·Rz·(o − c) + c.
 *
 * <p>Angles are those of the voxel grid; where voxels aren't cubes, resample before.
 *
 * @param x angle about the first axis in radians
 * @param y angle about the second axis
 * @param z angle about the third axis
 * @param interpolation for the image, nearest or linear; labels take the nearest voxel
 * @param padding what comes in from beyond the border
 */
public record Rotate(double x, double y, double z, Interpolation interpolation, Padding padding) implements Transform {
    /** Checks the interpolation. */
    public Rotate {
        Objects.requireNonNull(padding, "padding");
        if (interpolation == Interpolation.CUBIC) {
            throw new IllegalArgumentException("rotate: found cubic interpolation, expected nearest or linear");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        return new AffineWarp(AffineWarp.rotation(x, y, z), interpolation, padding).apply(sample);
    }
}
