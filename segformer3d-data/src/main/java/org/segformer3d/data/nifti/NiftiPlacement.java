package org.segformer3d.data.nifti;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.VolumeFormatException;

/**
 * Where a NIfTI header says that its image lies: the sform where it has a code and gives every axis a direction, else the qform, else
 * the voxel sizes alone.
 *
 * <p>A form with a code that can't be used is never used: files with an sform of zeros beside a good qform are common, and would make
 * every voxel a cubic millimetre. Where no form is left the file is refused.
 *
 * @param affine the map from voxel indices to the file's unit of length, invertible
 * @param form what holds: sform, qform, or no orientation
 * @param isSound whether the header's own forms can be used as they are, so that a copy of it leads nobody astray
 * @param remark what the user has to be told of the file
 */
record NiftiPlacement(Affine affine, String form, boolean isSound, Optional<String> remark) {
    /** Smallest sine of the angle (volume of the unit cell) between directions that counts as none of them lying in the others. */
    private static final double INDEPENDENT = 1e-5;

    static NiftiPlacement of(Path file, NiftiHeader header) throws VolumeFormatException {
        boolean sform = header.hasSform();
        boolean qform = header.hasQform();
        String qformProblem = qform ? qformProblem(header) : "has no code";
        if (sform) {
            String problem = sformProblem(header);
            if (problem == null) {
                Affine affine = completed(header, Affine.ofRows(header.srow()));
                Optional<String> remark = !qform
                        ? Optional.empty()
                        : qformProblem == null
                                ? disagreement(header, affine)
                                : Optional.of("its qform " + qformProblem + "; its sform holds");
                return new NiftiPlacement(affine, "sform", !qform || qformProblem == null, remark);
            }
            if (qformProblem == null) {
                return new NiftiPlacement(
                        header.qformAffine(),
                        "qform",
                        false,
                        Optional.of("its sform " + problem + "; taking its qform, with voxels of "
                                + spacing(header.qformAffine())
                                + (negative(header) ? ", sizes without their sign" : "")));
            }
            throw new VolumeFormatException(
                    file,
                    "its sform " + problem + ", and its qform " + qformProblem
                            + ", expected one that says where the image lies; write the header anew");
        }
        if (qform) {
            if (qformProblem != null) {
                throw new VolumeFormatException(
                        file,
                        "its qform " + qformProblem
                                + ", and it has no sform, expected one that says where the image lies; write the header anew");
            }
            return new NiftiPlacement(header.qformAffine(), "qform", !negative(header), sizes(header));
        }
        Affine affine = header.baseAffine();
        if (!affine.isFinite()) {
            throw new VolumeFormatException(file, "the pixdim holds numbers that aren't finite, expected an affine");
        }
        return new NiftiPlacement(affine, "no orientation", true, sizes(header));
    }

    private static boolean isLong(NiftiHeader header, int axis) {
        return header.size(axis) > 1;
    }

    private static boolean negative(NiftiHeader header) {
        for (int axis = 0; axis < 3; axis++) {
            if (isLong(header, axis) && header.pixdim()[axis + 1] < 0) {
                return true;
            }
        }
        return false;
    }

    /** Returns what to say of voxel sizes that are taken for others. */
    private static Optional<String> sizes(NiftiHeader header) {
        for (int axis = 0; axis < 3; axis++) {
            double size = header.pixdim()[axis + 1];
            if (isLong(header, axis) && size <= 0) {
                return Optional.of("found a voxel size of " + (float) size + " along axis " + axis
                        + ", expected more than 0; taking " + (size == 0 ? 1 : (float) -size));
            }
        }
        return Optional.empty();
    }

    private static String spacing(Affine affine) {
        return (float) affine.spacing(0) + "×" + (float) affine.spacing(1) + "×" + (float) affine.spacing(2);
    }

    private static String sformProblem(NiftiHeader header) {
        Affine affine = Affine.ofRows(header.srow());
        if (!affine.isFinite()) {
            return "holds numbers that aren't finite";
        }
        double[][] basis = new double[3][];
        int found = 0;
        for (int axis = 0; axis < 3; axis++) {
            if (isLong(header, axis)) {
                double[] rest = beyond(basis, found, direction(affine, axis));
                if (rest == null) {
                    return "is singular (its column " + axis + " is "
                            + (affine.spacing(axis) == 0 ? "zero" : "in line with those before") + ")";
                }
                basis[found++] = rest;
            }
        }
        return null;
    }

    /** Returns the affine with a direction also for axes of one voxel, which have none in some files of slices. */
    private static Affine completed(NiftiHeader header, Affine affine) {
        double[][] basis = new double[3][];
        int found = 0;
        boolean[] missing = new boolean[3];
        for (boolean ofLong : new boolean[] {true, false}) {
            for (int axis = 0; axis < 3; axis++) {
                if (isLong(header, axis) == ofLong) {
                    double[] rest = beyond(basis, found, direction(affine, axis));
                    missing[axis] = rest == null;
                    if (rest != null) {
                        basis[found++] = rest;
                    }
                }
            }
        }
        double[] rows = affine.toArray();
        for (int axis = 0; axis < 3; axis++) {
            if (missing[axis]) {
                double size = Math.abs(header.pixdim()[axis + 1]);
                double[] best = null;
                double most = 0;
                for (int n = 0; n < 3; n++) {
                    double[] unit = new double[3];
                    unit[n] = 1;
                    double[] rest = projected(basis, found, unit);
                    if (length(rest) > most) {
                        most = length(rest);
                        best = rest;
                    }
                }
                for (int row = 0; row < 3; row++) {
                    best[row] /= most;
                    rows[row * 4 + axis] = best[row] * (size > 0 && Double.isFinite(size) ? size : 1);
                }
                basis[found++] = best;
            }
        }
        return Affine.ofRows(rows);
    }

    /** Returns the unit direction of a column, {@code null} where it is zero. */
    private static double[] direction(Affine affine, int axis) {
        double[] column = {affine.get(0, axis), affine.get(1, axis), affine.get(2, axis)};
        double length = length(column);
        if (!(length > 0)) {
            return null;
        }
        for (int row = 0; row < 3; row++) {
            column[row] /= length;
        }
        return column;
    }

    /** Returns the unit direction of what of a unit vector lies outside of a space, {@code null} when that is next to nothing. */
    private static double[] beyond(double[][] basis, int count, double[] unit) {
        if (unit == null) {
            return null;
        }
        double[] rest = projected(basis, count, unit);
        double length = length(rest);
        if (!(length > INDEPENDENT)) {
            return null;
        }
        for (int row = 0; row < 3; row++) {
            rest[row] /= length;
        }
        return rest;
    }

    private static double[] projected(double[][] basis, int count, double[] vector) {
        double[] rest = vector.clone();
        for (int n = 0; n < count; n++) {
            double dot = basis[n][0] * rest[0] + basis[n][1] * rest[1] + basis[n][2] * rest[2];
            for (int row = 0; row < 3; row++) {
                rest[row] -= dot * basis[n][row];
            }
        }
        return rest;
    }

    private static double length(double[] vector) {
        return Math.hypot(Math.hypot(vector[0], vector[1]), vector[2]);
    }

    private static String qformProblem(NiftiHeader header) {
        double[] q = header.quatern();
        double square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
        // Slightly more than 1 is rounding, and is normalised; the NIfTI library does so too.
        if (!(square <= 1.001)) {
            return "has a quaternion of length " + (float) Math.sqrt(square) + ", expected at most 1";
        }
        for (int axis = 0; axis < 3; axis++) {
            double size = header.pixdim()[axis + 1];
            if (isLong(header, axis) && (size == 0 || !Double.isFinite(size))) {
                return "has a voxel size of " + (float) size + " along axis " + axis + ", expected more than 0";
            }
        }
        return header.qformAffine().isFinite() ? null : "holds numbers that aren't finite";
    }

    /**
     * Returns what to say of two forms that name different places. A quaternion in float32 alone moves corners by tenths of a voxel, so
     * only what no rounding explains is worth a word.
     */
    private static Optional<String> disagreement(NiftiHeader header, Affine sform) {
        if (Math.max(header.size(0), Math.max(header.size(1), header.size(2))) > Integer.MAX_VALUE) {
            return Optional.empty();
        }
        Grid size = new Grid((int) header.size(0), (int) header.size(1), (int) header.size(2));
        double apart = new GridMatch(Geometry.of(size, header.qformAffine()), Geometry.of(size, sform)).voxelsApart();
        if (apart <= GridMatch.CLOSE_VOXELS) {
            return Optional.empty();
        }
        return Optional.of(String.format(
                Locale.ROOT,
                "its sform and its qform name different places, corners up to %.3g voxels apart (sform %s, qform %s); its sform holds",
                apart,
                sform,
                header.qformAffine()));
    }
}
