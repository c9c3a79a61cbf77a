package org.segformer3d.data.volume;

import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.block.Grid;

/**
 * Where a volume lies: its size in voxels, the affine from voxel indices to millimetres, and the header it came with.
 *
 * <p><b>Axes.</b> The spatial axes of a tensor (C, D, H, W) are the voxel axes (i, j, k) of the file in this order: D counts i, H
 * counts j, W counts k, as in an array that nibabel or MONAI loads. A BraTS scan is 240×240×155. In memory k runs fastest, in a NIfTI
 * file i does; readers and writers transpose.
 */
public final class Geometry {
    private final Grid size;
    private final Affine affine;
    private final SourceHeader source;

    private Geometry(Grid size, Affine affine, SourceHeader source) {
        this.size = size;
        this.affine = affine;
        this.source = source;
    }

    /** Returns a geometry that came from no file. */
    public static Geometry of(Grid size, Affine affine) {
        return new Geometry(Objects.requireNonNull(size, "size"), Objects.requireNonNull(affine, "affine"), null);
    }

    /** Returns a geometry read from a file. */
    public static Geometry of(Grid size, Affine affine, SourceHeader source) {
        return new Geometry(
                Objects.requireNonNull(size, "size"),
                Objects.requireNonNull(affine, "affine"),
                Objects.requireNonNull(source, "source"));
    }

    /** Returns the number of voxels along i (depth), j (height) and k (width). */
    public Grid size() {
        return size;
    }

    /** Returns the map from voxel indices to millimetres (RAS+). */
    public Affine affine() {
        return affine;
    }

    /** Returns the header this came with, unless it was computed. */
    public Optional<SourceHeader> source() {
        return Optional.ofNullable(source);
    }

    /** Returns the distances between voxel centres along i, j, k in millimetres; 1 for an axis of length zero. */
    public double[] spacing() {
        double[] spacing = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            double length = affine.spacing(axis);
            spacing[axis] = length == 0 ? 1 : length;
        }
        return spacing;
    }

    /** Returns the anatomical directions of the voxel axes, for example {@code RAS} or {@code LPS}. */
    public String orientationCodes() {
        return Orientation.codes(affine);
    }

    /**
     * Returns the geometry of a box cut out of this one, or, where the box reaches beyond it, of a padded volume.
     *
     * @param i first voxel along i, negative for padding before the first
     * @param j first voxel along j
     * @param k first voxel along k
     * @param newSize the box's size
     */
    public Geometry cropped(int i, int j, int k, Grid newSize) {
        if (i == 0 && j == 0 && k == 0 && newSize.equals(size)) {
            return this;
        }
        return of(newSize, affine.translatedVoxels(i, j, k));
    }

    /**
     * Returns the geometry of this volume resampled to another size, the outer edges staying where they are.
     *
     * @param newSize the number of voxels after resampling
     */
    public Geometry resampled(Grid newSize) {
        if (newSize.equals(size)) {
            return this;
        }
        double[] rows = new double[12];
        for (int r = 0; r < 3; r++) {
            double origin = affine.get(r, 3);
            for (int axis = 0; axis < 3; axis++) {
                double ratio = (double) size.size(axis) / newSize.size(axis);
                double step = affine.get(r, axis);
                rows[r * 4 + axis] = step * ratio;
                // Voxel 0's centre lies half a voxel from the edge, before and after.
                origin += step * (ratio - 1) / 2;
            }
            rows[r * 4 + 3] = origin;
        }
        return of(newSize, Affine.ofRows(rows));
    }

    /** Two geometries are equal when size and affine are; the source header doesn't count. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Geometry that && size.equals(that.size) && affine.equals(that.affine);
    }

    @Override
    public int hashCode() {
        return 31 * size.hashCode() + affine.hashCode();
    }

    @Override
    public String toString() {
        double[] spacing = spacing();
        return size + " voxels of " + (float) spacing[0] + "×" + (float) spacing[1] + "×" + (float) spacing[2] + " mm, "
                + orientationCodes();
    }
}
