package org.segformer3d.eval.metrics;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/**
 * Whether a prediction lies on the truth's grid, what differs where it doesn't, and how to bring it there.
 *
 * @param prediction where the prediction lies
 * @param truth where the truth lies
 */
public record GridMatch(Geometry prediction, Geometry truth) {
    /** Returns a volume of one channel on a grid: as it is where they match, {@linkplain #resample resampled} elsewhere. */
    public static Volume onGrid(Volume volume, Geometry grid) {
        GridMatch match = new GridMatch(volume.geometry(), grid);
        return match.matches() ? volume.withGeometry(grid) : match.resample(volume);
    }

    /** Returns whether both have the same size and their corners lie within {@link Evaluation#TOLERANCE_VOXELS} of each other. */
    public boolean matches() {
        return truth.coincidesWith(prediction, Evaluation.TOLERANCE_VOXELS * smallestStep());
    }

    private double smallestStep() {
        double[] spacing = truth.spacing();
        return Math.min(spacing[0], Math.min(spacing[1], spacing[2]));
    }

    /** Returns what differs, each with both values: size, spacing, directions and origin, and how far apart the corners lie. */
    public String difference(String truthName) {
        Affine p = prediction.affine();
        Affine t = truth.affine();
        List<String> found = new ArrayList<>();
        if (!prediction.size().equals(truth.size())) {
            found.add("found " + prediction.size() + " voxels, expected " + truth.size());
        }
        double tolerance = Evaluation.TOLERANCE_VOXELS;
        double[] ps = prediction.spacing();
        double[] ts = truth.spacing();
        Grid size = truth.size();
        boolean spacing = false;
        boolean directions = false;
        boolean origin = false;
        for (int axis = 0; axis < 3; axis++) {
            // What a difference of the steps adds up to at the far end counts, so the number of voxels is a factor.
            double length = Math.max(1, size.size(axis) - 1);
            spacing |= Math.abs(ps[axis] - ts[axis]) * length > tolerance * smallestStep();
            origin |= Math.abs(p.get(axis, 3) - t.get(axis, 3)) > tolerance * smallestStep();
            for (int row = 0; row < 3; row++) {
                directions |= Math.abs(p.get(row, axis) / ps[axis] - t.get(row, axis) / ts[axis]) * length > tolerance;
            }
        }
        if (spacing) {
            found.add("found spacing " + numbers(ps) + " mm, expected " + numbers(ts) + " mm");
        }
        if (directions) {
            found.add("found axes " + axes(prediction) + ", expected " + axes(truth));
        }
        if (origin) {
            found.add("found origin " + numbers(p.get(0, 3), p.get(1, 3), p.get(2, 3)) + " mm, expected "
                    + numbers(t.get(0, 3), t.get(1, 3), t.get(2, 3)) + " mm");
        }
        if (found.isEmpty()) {
            found.add("found affine " + p + ", expected " + t);
        }
        String apart = prediction.size().equals(truth.size())
                ? String.format(
                        Locale.ROOT,
                        " (corners lie up to %.3g voxels apart, at most %s are allowed)",
                        farthestCorner() / smallestStep(),
                        tolerance)
                : "";
        return String.join("; ", found) + " as in " + truthName + apart
                + "; to compare them all the same, let the prediction be resampled (--resample)";
    }

    private double farthestCorner() {
        double farthest = 0;
        for (int corner = 0; corner < 8; corner++) {
            double[] at = new double[3];
            for (int axis = 0; axis < 3; axis++) {
                at[axis] = (corner >> axis & 1) * (truth.size().size(axis) - 1.0);
            }
            double[] a = prediction.affine().apply(at[0], at[1], at[2]);
            double[] b = truth.affine().apply(at[0], at[1], at[2]);
            farthest = Math.max(farthest, Math.hypot(Math.hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]));
        }
        return farthest;
    }

    private static String axes(Geometry geometry) {
        StringBuilder text = new StringBuilder(geometry.orientationCodes()).append(" (");
        double[] spacing = geometry.spacing();
        for (int axis = 0; axis < 3; axis++) {
            Affine affine = geometry.affine();
            text.append(axis == 0 ? "" : ", ")
                    .append(numbers(
                            affine.get(0, axis) / spacing[axis],
                            affine.get(1, axis) / spacing[axis],
                            affine.get(2, axis) / spacing[axis]));
        }
        return text.append(')').toString();
    }

    private static String numbers(double... values) {
        StringBuilder text = new StringBuilder("[");
        for (int n = 0; n < values.length; n++) {
            // As float32, which is what headers hold, and without a minus before zero.
            text.append(n == 0 ? "" : " ").append((float) values[n] + 0f);
        }
        return text.append(']').toString();
    }

    /**
     * Returns the prediction on the truth's grid: each voxel has the value of the predicted voxel that is nearest in space, 0 outside.
     *
     * @param labels one channel on the prediction's grid
     */
    public Volume resample(Volume labels) {
        Grid from = prediction.size();
        Grid to = truth.size();
        Affine map = prediction.affine().inverse().multiply(truth.affine());
        float[] source = labels.values();
        float[] result = new float[to.tokens()];
        int n = 0;
        for (int d = 0; d < to.depth(); d++) {
            for (int h = 0; h < to.height(); h++) {
                for (int w = 0; w < to.width(); w++, n++) {
                    double[] at = map.apply(d, h, w);
                    long i = Math.round(at[0]);
                    long j = Math.round(at[1]);
                    long k = Math.round(at[2]);
                    if (i >= 0 && j >= 0 && k >= 0 && i < from.depth() && j < from.height() && k < from.width()) {
                        result[n] = source[(int) ((i * from.height() + j) * from.width() + k)];
                    }
                }
            }
        }
        return Volume.of(result, 1, truth);
    }
}
