package org.segformer3d.data.preprocessing;

/** How values between voxels are found. */
public enum Interpolation {
    /** The value of the voxel that covers the point. */
    NEAREST,
    /** Weighted by distance between the two neighbours along each axis. */
    LINEAR,
    /** The cubic through four neighbours along each axis that Keys (1981) derived (a = −½); exact for quadratics. */
    CUBIC
}
