package org.segformer3d.data.volume;

import java.util.Arrays;
import java.util.Objects;
import org.segformer3d.api.block.Grid;

/**
 * A permutation of the three voxel axes with flips: axis a of the result is axis {@code source(a)} of the input, reversed where
 * {@code flipped(a)}.
 *
 * <p>{@link #toRas(Affine)} gives the one that makes the axes of an image point as nearly as possible to the right, anterior and
 * superior. No value is interpolated, so {@link #inverse()} restores the input exactly:
 *
 * <pre>{@code
 * Orientation orientation = Orientation.toRas(scan.geometry().affine());
 * Volume ras = orientation.apply(scan);
 * Volume back = orientation.inverse().apply(result).withGeometry(scan.geometry());
 * }</pre>
 */
public final class Orientation {
    /** Leaves everything where it is. */
    public static final Orientation IDENTITY = new Orientation(new int[] {0, 1, 2}, new boolean[3]);

    private final int[] source;
    private final boolean[] flipped;

    private Orientation(int[] source, boolean[] flipped) {
        this.source = source;
        this.flipped = flipped;
    }

    /**
     * Returns the orientation with the given axes.
     *
     * @param source for each axis of the result the input's axis, a permutation of 0, 1, 2
     * @param flipped for each axis of the result whether it is reversed
     * @throws IllegalArgumentException when {@code source} isn't a permutation or a length isn't 3
     */
    public static Orientation of(int[] source, boolean[] flipped) {
        int[] sorted = source.clone();
        Arrays.sort(sorted);
        if (!Arrays.equals(sorted, new int[] {0, 1, 2}) || flipped.length != 3) {
            throw new IllegalArgumentException("expected a permutation of 0, 1, 2 and three flips, found "
                    + Arrays.toString(source) + " and " + Arrays.toString(flipped));
        }
        return new Orientation(source.clone(), flipped.clone());
    }

    /**
     * Returns what turns the axes of an image with this affine to RAS+.
     *
     * <p>As nibabel does: the columns are normalised and replaced by the nearest orthogonal matrix; then, strongest first, each
     * voxel axis takes the world axis it is most parallel to. An axis of length zero (a single slice without thickness) takes what
     * is left.
     *
     * @throws IllegalArgumentException when the affine isn't finite
     */
    public static Orientation toRas(Affine affine) {
        if (!affine.isFinite()) {
            throw new IllegalArgumentException("the affine " + affine + " isn't finite");
        }
        double[][] r = nearestOrthogonal(affine);
        int[] world = {-1, -1, -1};
        boolean[] reversed = new boolean[3];
        boolean[] taken = new boolean[3];
        Integer[] order = {0, 1, 2};
        double[] strength = new double[3];
        for (int c = 0; c < 3; c++) {
            for (int row = 0; row < 3; row++) {
                strength[c] = Math.max(strength[c], r[row][c] * r[row][c]);
            }
        }
        Arrays.sort(order, (a, b) -> Double.compare(strength[b], strength[a]));
        for (int axis : order) {
            int best = -1;
            for (int row = 0; row < 3; row++) {
                if (!taken[row]
                        && Math.abs(r[row][axis]) > 1e-8
                        && (best < 0 || Math.abs(r[row][axis]) > Math.abs(r[best][axis]))) {
                    best = row;
                }
            }
            if (best >= 0) {
                world[axis] = best;
                reversed[axis] = r[best][axis] < 0;
                taken[best] = true;
            }
        }
        for (int axis = 0; axis < 3; axis++) {
            for (int row = 0; row < 3 && world[axis] < 0; row++) {
                if (!taken[row]) {
                    world[axis] = row;
                    taken[row] = true;
                }
            }
        }
        int[] source = new int[3];
        boolean[] flipped = new boolean[3];
        for (int axis = 0; axis < 3; axis++) {
            source[world[axis]] = axis;
            flipped[world[axis]] = reversed[axis];
        }
        return new Orientation(source, flipped);
    }

    /** Returns M·(MᵀM)^(−1/2) of the column-normalised 3×3 part, with directions of length zero left at zero. */
    private static double[][] nearestOrthogonal(Affine affine) {
        double[][] m = new double[3][3];
        for (int c = 0; c < 3; c++) {
            double length = affine.spacing(c);
            for (int r = 0; r < 3; r++) {
                m[r][c] = affine.get(r, c) / (length == 0 ? 1 : length);
            }
        }
        double[][] gram = new double[3][3];
        for (int a = 0; a < 3; a++) {
            for (int b = 0; b < 3; b++) {
                for (int r = 0; r < 3; r++) {
                    gram[a][b] += m[r][a] * m[r][b];
                }
            }
        }
        double offDiagonal = Math.abs(gram[0][1]) + Math.abs(gram[0][2]) + Math.abs(gram[1][2]);
        if (offDiagonal == 0) {
            return m;
        }
        double[][] vectors = eigenvectors(gram);
        double largest = Math.max(gram[0][0], Math.max(gram[1][1], gram[2][2]));
        double[][] result = new double[3][3];
        for (int e = 0; e < 3; e++) {
            // Eigenvalues are squares of singular values: 1e-14 here is 1e-7 there.
            if (gram[e][e] <= largest * 1e-14) {
                continue;
            }
            double scale = 1 / Math.sqrt(gram[e][e]);
            for (int r = 0; r < 3; r++) {
                double projected = m[r][0] * vectors[0][e] + m[r][1] * vectors[1][e] + m[r][2] * vectors[2][e];
                for (int c = 0; c < 3; c++) {
                    result[r][c] += projected * scale * vectors[c][e];
                }
            }
        }
        return result;
    }

    /** Diagonalises a symmetric 3×3 matrix in place by Jacobi rotations and returns its eigenvectors as columns. */
    private static double[][] eigenvectors(double[][] a) {
        double[][] v = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
        for (int sweep = 0; sweep < 50; sweep++) {
            if (a[0][1] * a[0][1] + a[0][2] * a[0][2] + a[1][2] * a[1][2] < 1e-32) {
                break;
            }
            for (int p = 0; p < 2; p++) {
                for (int q = p + 1; q < 3; q++) {
                    if (a[p][q] == 0) {
                        continue;
                    }
                    double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                    double t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
                    double c = 1 / Math.sqrt(t * t + 1);
                    double s = t * c;
                    for (int n = 0; n < 3; n++) {
                        double np = a[n][p];
                        double nq = a[n][q];
                        a[n][p] = c * np - s * nq;
                        a[n][q] = s * np + c * nq;
                    }
                    for (int n = 0; n < 3; n++) {
                        double pn = a[p][n];
                        double qn = a[q][n];
                        a[p][n] = c * pn - s * qn;
                        a[q][n] = s * pn + c * qn;
                        double vp = v[n][p];
                        double vq = v[n][q];
                        v[n][p] = c * vp - s * vq;
                        v[n][q] = s * vp + c * vq;
                    }
                }
            }
        }
        return v;
    }

    /** Returns which axis of the input becomes the given axis of the result. */
    public int source(int axis) {
        return source[axis];
    }

    /** Returns whether the given axis of the result is reversed. */
    public boolean flipped(int axis) {
        return flipped[axis];
    }

    /** Returns whether this changes nothing. */
    public boolean isIdentity() {
        return equals(IDENTITY);
    }

    /** Returns whether axes are at most reversed, none of them exchanged. */
    public boolean isFlip() {
        return source[0] == 0 && source[1] == 1 && source[2] == 2;
    }

    /** Returns the orientation that undoes this one. */
    public Orientation inverse() {
        int[] back = new int[3];
        boolean[] flips = new boolean[3];
        for (int axis = 0; axis < 3; axis++) {
            back[source[axis]] = axis;
            flips[source[axis]] = flipped[axis];
        }
        return new Orientation(back, flips);
    }

    /** Returns the size of the result. */
    public Grid apply(Grid size) {
        return new Grid(size.size(source[0]), size.size(source[1]), size.size(source[2]));
    }

    /** Returns where the result lies: the same voxels at the same places; a source header isn't kept unless nothing changes. */
    public Geometry apply(Geometry geometry) {
        Objects.requireNonNull(geometry, "geometry");
        if (isIdentity()) {
            return geometry;
        }
        Affine affine = geometry.affine();
        double[] rows = new double[12];
        for (int r = 0; r < 3; r++) {
            double origin = affine.get(r, 3);
            for (int axis = 0; axis < 3; axis++) {
                double step = affine.get(r, source[axis]);
                if (flipped[axis]) {
                    origin += step * (geometry.size().size(source[axis]) - 1);
                    step = 0 - step;
                }
                rows[r * 4 + axis] = step;
            }
            rows[r * 4 + 3] = origin;
        }
        return Geometry.of(apply(geometry.size()), Affine.ofRows(rows));
    }

    /** Returns the volume with its axes permuted and flipped: itself when nothing changes. */
    public Volume apply(Volume volume) {
        Objects.requireNonNull(volume, "volume");
        if (isIdentity()) {
            return volume;
        }
        float[] values =
                apply(volume.values(), volume.channels(), volume.geometry().size());
        return Volume.of(values, volume.channels(), apply(volume.geometry()));
    }

    /**
     * Returns a copy of the values with their axes permuted and flipped.
     *
     * @param values channels × depth × height × width in C order
     * @param channels how many, ≥ 1
     * @param size the input's spatial size
     * @throws IllegalArgumentException when the count doesn't fit
     */
    public float[] apply(float[] values, int channels, Grid size) {
        int voxels = size.tokens();
        if ((long) voxels * channels != values.length) {
            throw new IllegalArgumentException(channels + "×" + size + " doesn't hold " + values.length + " values");
        }
        float[] result = new float[values.length];
        Grid out = apply(size);
        int[] strides = {size.height() * size.width(), size.width(), 1};
        int[] step = new int[3];
        int start = 0;
        for (int axis = 0; axis < 3; axis++) {
            int stride = strides[source[axis]];
            step[axis] = flipped[axis] ? -stride : stride;
            start += flipped[axis] ? stride * (out.size(axis) - 1) : 0;
        }
        // Tiles of the two inner axes keep both the read and the written cache lines in L1 when the fastest axis
        // changes.
        int tile = 32;
        for (int c = 0; c < channels; c++) {
            for (int d = 0; d < out.depth(); d++) {
                int from = c * voxels + start + d * step[0];
                int to = c * voxels + d * out.height() * out.width();
                for (int h0 = 0; h0 < out.height(); h0 += tile) {
                    int h1 = Math.min(h0 + tile, out.height());
                    for (int w0 = 0; w0 < out.width(); w0 += tile) {
                        int w1 = Math.min(w0 + tile, out.width());
                        for (int h = h0; h < h1; h++) {
                            int read = from + h * step[1] + w0 * step[2];
                            int write = to + h * out.width();
                            for (int w = w0; w < w1; w++) {
                                result[write + w] = values[read];
                                read += step[2];
                            }
                        }
                    }
                }
            }
        }
        return result;
    }

    /**
     * Reverses axes in place.
     *
     * @param values an array that holds one channel in C order
     * @param from index of the channel's first value
     * @param size the channel's spatial size
     * @throws IllegalStateException when this exchanges axes
     */
    public void flip(float[] values, int from, Grid size) {
        Objects.checkFromIndexSize(from, size.tokens(), values.length);
        if (!isFlip()) {
            throw new IllegalStateException(this + " exchanges axes, which can't be done in place");
        }
        int width = size.width();
        int rows = size.depth() * size.height();
        float[] row = new float[width];
        for (int r = 0; r < rows; r++) {
            int d = r / size.height();
            int h = r % size.height();
            int other =
                    (flipped[0] ? size.depth() - 1 - d : d) * size.height() + (flipped[1] ? size.height() - 1 - h : h);
            if (other < r) {
                continue; // exchanged when the other one's turn was
            }
            int a = from + r * width;
            int b = from + other * width;
            System.arraycopy(values, a, row, 0, width);
            if (flipped[2]) {
                if (a != b) {
                    reversed(values, b, values, a, width);
                }
                reversed(row, 0, values, b, width);
            } else if (a != b) {
                System.arraycopy(values, b, values, a, width);
                System.arraycopy(row, 0, values, b, width);
            }
        }
    }

    private static void reversed(float[] source, int from, float[] target, int to, int count) {
        for (int n = 0; n < count; n++) {
            target[to + n] = source[from + count - 1 - n];
        }
    }

    /** Returns the anatomical directions of an affine's voxel axes, for example {@code RAS} or {@code LPS}. */
    public static String codes(Affine affine) {
        Orientation toRas = toRas(affine);
        char[] codes = new char[3];
        for (int world = 0; world < 3; world++) {
            codes[toRas.source[world]] = (toRas.flipped[world] ? "LPI" : "RAS").charAt(world);
        }
        return new String(codes);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Orientation that
                && Arrays.equals(source, that.source)
                && Arrays.equals(flipped, that.flipped);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(source) + Arrays.hashCode(flipped);
    }

    /** Returns the axes as text, for example {@code [1, -0, 2]}: the second axis first, then the first one reversed. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("[");
        for (int axis = 0; axis < 3; axis++) {
            text.append(axis == 0 ? "" : ", ").append(flipped[axis] ? "-" : "").append(source[axis]);
        }
        return text.append(']').toString();
    }
}
