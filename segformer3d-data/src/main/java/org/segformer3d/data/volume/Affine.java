package org.segformer3d.data.volume;

import java.util.Arrays;
import java.util.Objects;

/**
 * An affine map from voxel indices (i, j, k) to millimetres (x, y, z), x pointing right, y anterior and z superior (RAS+).
 *
 * <p>{@code (x, y, z, 1)ᵀ = A · (i, j, k, 1)ᵀ}; the last row is (0, 0, 0, 1). Index (0, 0, 0) is the centre of the first voxel.
 */
public final class Affine {
    /** One millimetre per voxel, axes aligned, first voxel at the origin. */
    public static final Affine IDENTITY = scaling(1, 1, 1);

    /** Volume of the cell of unit directions up to which they count as lying in one plane. */
    private static final double FLAT = 1e-5;

    private final double[] m;

    private Affine(double[] m) {
        this.m = m;
    }

    /**
     * Returns an affine from its rows.
     *
     * @param values 12 numbers (three rows) or 16 (four rows, the last being 0 0 0 1), row after row, never {@code null}
     * @throws IllegalArgumentException when the count or the last row is wrong
     */
    public static Affine ofRows(double... values) {
        Objects.requireNonNull(values, "values");
        if (values.length != 12 && values.length != 16) {
            throw new IllegalArgumentException("an affine has 12 or 16 numbers, found " + values.length);
        }
        if (values.length == 16 && (values[12] != 0 || values[13] != 0 || values[14] != 0 || values[15] != 1)) {
            throw new IllegalArgumentException("the last row of an affine is 0 0 0 1, found "
                    + Arrays.toString(Arrays.copyOfRange(values, 12, 16)));
        }
        return new Affine(Arrays.copyOf(values, 12));
    }

    /** Returns a diagonal affine with the given voxel sizes and the first voxel at the origin. */
    public static Affine scaling(double x, double y, double z) {
        return new Affine(new double[] {x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0});
    }

    /** Returns the element in row 0–2 and column 0–3; column 3 is the position of voxel (0, 0, 0). */
    public double get(int row, int column) {
        return m[Objects.checkIndex(row, 3) * 4 + Objects.checkIndex(column, 4)];
    }

    /** Returns all 16 numbers, row after row. */
    public double[] toArray() {
        double[] all = Arrays.copyOf(m, 16);
        all[15] = 1;
        return all;
    }

    /** Returns the position in millimetres of a voxel index, which need not be whole. */
    public double[] apply(double i, double j, double k) {
        double[] position = new double[3];
        for (int r = 0; r < 3; r++) {
            position[r] = m[r * 4] * i + m[r * 4 + 1] * j + m[r * 4 + 2] * k + m[r * 4 + 3];
        }
        return position;
    }

    /** Returns this ∘ inner: the map that applies {@code inner} first. */
    public Affine multiply(Affine inner) {
        Objects.requireNonNull(inner, "inner");
        double[] product = new double[12];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 4; c++) {
                double sum = c == 3 ? m[r * 4 + 3] : 0;
                for (int t = 0; t < 3; t++) {
                    sum += m[r * 4 + t] * inner.m[t * 4 + c];
                }
                product[r * 4 + c] = sum;
            }
        }
        return new Affine(product);
    }

    /** Returns the affine whose first voxel is this one's voxel (i, j, k), as after cropping. */
    public Affine translatedVoxels(double i, double j, double k) {
        double[] moved = m.clone();
        double[] origin = apply(i, j, k);
        for (int r = 0; r < 3; r++) {
            moved[r * 4 + 3] = origin[r];
        }
        return new Affine(moved);
    }

    /** Returns this affine with lengths multiplied, for example by 1000 to turn metres into millimetres. */
    public Affine scaledBy(double factor) {
        double[] scaled = m.clone();
        for (int n = 0; n < scaled.length; n++) {
            scaled[n] *= factor;
        }
        return new Affine(scaled);
    }

    /** Returns the determinant of the 3×3 part: the signed volume of a voxel in mm³. */
    public double determinant() {
        return m[0] * (m[5] * m[10] - m[6] * m[9])
                - m[1] * (m[4] * m[10] - m[6] * m[8])
                + m[2] * (m[4] * m[9] - m[5] * m[8]);
    }

    /**
     * Returns the inverse, from millimetres to voxel indices.
     *
     * @throws IllegalStateException when this affine is singular
     */
    public Affine inverse() {
        double det = determinant();
        if (det == 0 || !Double.isFinite(det)) {
            throw new IllegalStateException("the affine " + this + " is singular");
        }
        double[] inv = new double[12];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 3; c++) {
                // Cofactor of element (c, r), with cyclic indices so that its sign is included.
                int r1 = (c + 1) % 3;
                int r2 = (c + 2) % 3;
                int c1 = (r + 1) % 3;
                int c2 = (r + 2) % 3;
                inv[r * 4 + c] = (m[r1 * 4 + c1] * m[r2 * 4 + c2] - m[r1 * 4 + c2] * m[r2 * 4 + c1]) / det;
            }
        }
        for (int r = 0; r < 3; r++) {
            inv[r * 4 + 3] = -(inv[r * 4] * m[3] + inv[r * 4 + 1] * m[7] + inv[r * 4 + 2] * m[11]);
        }
        return new Affine(inv);
    }

    /** Returns the length in millimetres of one step along a voxel axis: the norm of that column. */
    public double spacing(int axis) {
        Objects.checkIndex(axis, 3);
        return Math.sqrt(m[axis] * m[axis] + m[4 + axis] * m[4 + axis] + m[8 + axis] * m[8 + axis]);
    }

    /**
     * Returns whether the three axes span a volume and everything is finite. Directions that lie in one plane but for rounding in float32,
     * as which headers hold them, span none.
     */
    public boolean isInvertible() {
        double sizes = spacing(0) * spacing(1) * spacing(2);
        return isFinite() && sizes > 0 && Math.abs(determinant()) / sizes > FLAT;
    }

    /** Returns whether every element is a finite number. */
    public boolean isFinite() {
        for (double value : m) {
            if (!Double.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    /** Returns whether no element differs by more than the tolerance. */
    public boolean isCloseTo(Affine other, double tolerance) {
        Objects.requireNonNull(other, "other");
        for (int n = 0; n < m.length; n++) {
            if (!(Math.abs(m[n] - other.m[n]) <= tolerance)) {
                return false;
            }
        }
        return true;
    }

    /** Two affines are equal when all their elements are, −0 being equal to 0. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Affine that && isCloseTo(that, 0);
    }

    @Override
    public int hashCode() {
        int hash = 1;
        for (double value : m) {
            hash = 31 * hash + Double.hashCode(value + 0.0);
        }
        return hash;
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("[");
        for (int n = 0; n < m.length; n++) {
            text.append(n == 0 ? "" : n % 4 == 0 ? "; " : " ").append((float) m[n]);
        }
        return text.append(']').toString();
    }
}
