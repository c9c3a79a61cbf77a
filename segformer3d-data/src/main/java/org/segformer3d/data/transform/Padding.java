package org.segformer3d.data.transform;

/** What lies beyond the border of a patch. */
public enum Padding {
    /** Intensity 0 and label 0. */
    ZEROS,
    /** The nearest voxel of the patch. */
    BORDER
}
