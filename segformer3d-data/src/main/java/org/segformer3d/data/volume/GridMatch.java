package org.segformer3d.data.volume;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.io.Remarks;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one rule for whether two images lie on the same grid, what differs where they don't, and how to bring one to the other's.
 *
 * <p>Sizes must agree. Of the eight corners the one that is farthest from its partner decides, its distance counted in voxels of the
 * expected grid: up to {@value #SAME_VOXELS} the grids are the same; up to {@value #CLOSE_VOXELS} they are taken as the same with a
 * {@linkplain #remark remark}, since what headers round adds up over a few hundred voxels to about that; beyond, they aren't.
 *
 * @param found where an image lies
 * @param expected where it should lie
 */
public record GridMatch(Geometry found, Geometry expected) {
    private static final Logger LOG = LoggerFactory.getLogger(GridMatch.class);

    /** Largest distance of corners in voxels that nobody needs to hear of. */
    public static final double SAME_VOXELS = 0.05;
    /** Largest distance of corners in voxels at which voxels still correspond by their indices. */
    public static final double CLOSE_VOXELS = 0.5;

    /** Validates. */
    public GridMatch {
        Objects.requireNonNull(found, "found");
        Objects.requireNonNull(expected, "expected");
    }

    /**
     * Returns a volume of one channel on a grid: as it is where they match, {@linkplain #resample resampled} elsewhere. What isn't quite
     * the same place, and what lies nowhere within the grid, is warned of.
     *
     * @param name what messages call the volume, a file
     * @param gridName what they call the image whose grid it is
     */
    public static Volume onGrid(String name, Volume volume, String gridName, Geometry grid) {
        GridMatch match = new GridMatch(volume.geometry(), grid);
        if (match.matches()) {
            match.remark(name, gridName).ifPresent(remark -> Remarks.once(LOG, remark));
            return volume.withGeometry(grid);
        }
        if (!match.overlaps()) {
            Remarks.once(
                    LOG,
                    name + ": nothing of it overlaps " + gridName
                            + ", so that it counts as empty there; does it belong to another scan? "
                            + match.difference(gridName));
        }
        return match.resample(volume);
    }

    /** Returns whether both have the same number of voxels along each axis. */
    public boolean isOfOneSize() {
        return found.size().equals(expected.size());
    }

    /** Returns whether voxels of the same index are the same place: sizes agree and corners lie within {@link #CLOSE_VOXELS}. */
    public boolean matches() {
        return isOfOneSize() && voxelsApart() <= CLOSE_VOXELS;
    }

    /** Returns how far apart the corners lie at most, in voxels of the expected grid; NaN when a place isn't finite. */
    public double voxelsApart() {
        Grid size = expected.size();
        boolean invertible = expected.affine().isInvertible();
        Affine toVoxels = invertible ? expected.affine().inverse() : null;
        double[] spacing = expected.spacing();
        double step = Math.min(spacing[0], Math.min(spacing[1], spacing[2]));
        double farthest = 0;
        for (int corner = 0; corner < 8; corner++) {
            double[] at = new double[3];
            for (int axis = 0; axis < 3; axis++) {
                at[axis] = (corner >> axis & 1) * (size.size(axis) - 1.0);
            }
            double[] a = found.affine().apply(at[0], at[1], at[2]);
            // Where an axis has no direction there is no voxel to count in but the smallest.
            double[] b = invertible ? at : expected.affine().apply(at[0], at[1], at[2]);
            if (invertible) {
                a = toVoxels.apply(a[0], a[1], a[2]);
            }
            double apart = Math.hypot(Math.hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
            // Math.max keeps NaN.
            farthest = Math.max(farthest, invertible ? apart : apart / step);
        }
        return farthest;
    }

    /**
     * Takes the found image's voxels as the expected one's.
     *
     * @param foundName what messages call the found image, a file
     * @param expectedName what they call the other
     * @param ignoringGeometry whether to take them wherever they lie, so long as the sizes agree
     * @return what the user has to be told, if anything
     * @throws IllegalArgumentException when the grids differ by more than the rule allows; the message, which doesn't begin with the
     *     found image's name, gives both
     */
    public Optional<String> take(String foundName, String expectedName, boolean ignoringGeometry) {
        if (!isOfOneSize() || !ignoringGeometry && !matches()) {
            throw new IllegalArgumentException(difference(expectedName));
        }
        return remark(foundName, expectedName);
    }

    /** Returns what to tell of images of one size that don't lie in quite the same place; empty where there is nothing to tell. */
    public Optional<String> remark(String foundName, String expectedName) {
        double apart = voxelsApart();
        if (apart <= SAME_VOXELS) {
            return Optional.empty();
        }
        return Optional.of(
                foundName + ": its corners lie up to " + text(apart) + " voxels from those of " + expectedName
                        + "; taking both as one grid, "
                        + (apart <= CLOSE_VOXELS
                                ? "as up to " + CLOSE_VOXELS + " voxels may be rounding"
                                : "since the geometry is to be ignored: affines " + found.affine() + " and "
                                        + expected.affine()));
    }

    /** Returns what differs, each with both values: size, spacing, directions and origin, and how far apart the corners lie. */
    public String difference(String expectedName) {
        Affine f = found.affine();
        Affine e = expected.affine();
        List<String> differences = new ArrayList<>();
        if (!isOfOneSize()) {
            differences.add("found " + found.size() + " voxels, expected " + expected.size());
        }
        double[] fs = found.spacing();
        double[] es = expected.spacing();
        double step = Math.min(es[0], Math.min(es[1], es[2]));
        Grid size = expected.size();
        boolean spacing = false;
        boolean directions = false;
        boolean origin = false;
        for (int axis = 0; axis < 3; axis++) {
            // What a difference of the steps adds up to at the far end counts, so the number of voxels is a factor.
            double length = Math.max(1, size.size(axis) - 1);
            spacing |= Math.abs(fs[axis] - es[axis]) * length > SAME_VOXELS * step;
            origin |= Math.abs(f.get(axis, 3) - e.get(axis, 3)) > SAME_VOXELS * step;
            for (int row = 0; row < 3; row++) {
                directions |=
                        Math.abs(f.get(row, axis) / fs[axis] - e.get(row, axis) / es[axis]) * length > SAME_VOXELS;
            }
        }
        if (spacing) {
            differences.add("found spacing " + numbers(fs) + " mm, expected " + numbers(es) + " mm");
        }
        if (directions) {
            differences.add("found axes " + axes(found) + ", expected " + axes(expected));
        }
        if (origin) {
            differences.add("found origin " + numbers(f.get(0, 3), f.get(1, 3), f.get(2, 3)) + " mm, expected "
                    + numbers(e.get(0, 3), e.get(1, 3), e.get(2, 3)) + " mm");
        }
        if (differences.isEmpty()) {
            differences.add("found affine " + f + ", expected " + e);
        }
        String apart = isOfOneSize()
                ? " (corners lie up to " + text(voxelsApart()) + " voxels apart, at most " + CLOSE_VOXELS
                        + " are allowed)"
                : "";
        return String.join("; ", differences) + " as in " + expectedName + apart;
    }

    /** Returns a distance with three digits. */
    static String text(double voxels) {
        return Double.isFinite(voxels)
                ? new BigDecimal(voxels)
                        .round(new MathContext(3))
                        .stripTrailingZeros()
                        .toPlainString()
                : String.valueOf(voxels);
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

    /** Returns whether any voxel's centre of the expected grid lies within the found one. */
    public boolean overlaps() {
        Affine map = found.affine().inverse().multiply(expected.affine());
        Grid to = expected.size();
        for (int d = 0; d < to.depth(); d++) {
            for (int h = 0; h < to.height(); h++) {
                for (int w = 0; w < to.width(); w++) {
                    if (index(map, d, h, w) >= 0) {
                        return true;
                    }
                }
            }
        }
        return false;
    }

    /** Returns where in the found image's array the voxel nearest to one of the expected grid is, −1 outside. */
    private int index(Affine map, int d, int h, int w) {
        Grid from = found.size();
        double[] at = map.apply(d, h, w);
        long i = Math.round(at[0]);
        long j = Math.round(at[1]);
        long k = Math.round(at[2]);
        return i >= 0 && j >= 0 && k >= 0 && i < from.depth() && j < from.height() && k < from.width()
                ? (int) ((i * from.height() + j) * from.width() + k)
                : -1;
    }

    /**
     * Returns a found image on the expected grid: each voxel has the value of the found voxel that is nearest in space, 0 outside.
     *
     * @param labels one channel on the found grid
     */
    public Volume resample(Volume labels) {
        Grid to = expected.size();
        Affine map = found.affine().inverse().multiply(expected.affine());
        float[] source = labels.values();
        float[] result = new float[to.tokens()];
        int n = 0;
        for (int d = 0; d < to.depth(); d++) {
            for (int h = 0; h < to.height(); h++) {
                for (int w = 0; w < to.width(); w++, n++) {
                    int at = index(map, d, h, w);
                    if (at >= 0) {
                        result[n] = source[at];
                    }
                }
            }
        }
        return Volume.of(result, 1, expected);
    }
}
