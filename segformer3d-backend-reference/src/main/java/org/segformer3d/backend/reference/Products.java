package org.segformer3d.backend.reference;

import java.util.Arrays;

/** Matrix products and attention. */
final class Products {
    /** Rows per range of a parallel loop: enough to amortise handing it out. */
    static final int ROWS = 32;

    private final ParallelLoops loops;

    Products(ParallelLoops loops) {
        this.loops = loops;
    }

    /**
     * Returns the products of two stacks of matrices.
     *
     * @param aShape (…,M,K), or (…,K,M) to be transposed
     * @param bShape (…,K,N), or (…,N,K) to be transposed
     * @param shape (…,M,N)
     */
    double[] multiply(
            double[] a,
            long[] aShape,
            double[] b,
            long[] bShape,
            boolean transposeA,
            boolean transposeB,
            long[] shape) {
        int rank = shape.length;
        int m = (int) shape[rank - 2];
        int n = (int) shape[rank - 1];
        int k = (int) aShape[aShape.length - (transposeA ? 2 : 1)];
        long[] outer = Arrays.copyOf(shape, rank - 2);
        int stack = elements(outer);
        double[] right = transposeB ? eachTransposed(b, n, k) : b;
        double[] y = new double[Math.multiplyExact(stack, Math.multiplyExact(m, n))];
        int[] aAt = starts(aShape, outer, m * k);
        int[] bAt = starts(bShape, outer, k * n);
        if (!transposeA && bAt.length > 0 && Arrays.stream(bAt).allMatch(at -> at == 0) && isInOrder(aAt, m * k)) {
            // one matrix on the right: all rows are multiplied by it
            loops.run(stack * m, ROWS, (from, to) -> rows(a, from * k, k, 1, right, 0, y, from, to - from, k, n));
            return y;
        }
        int blocks = (m + ROWS - 1) / ROWS;
        loops.run(stack * blocks, 1, (from, to) -> {
            for (int i = from; i < to; i++) {
                int one = i / blocks;
                int first = i % blocks * ROWS;
                int count = Math.min(ROWS, m - first);
                int start = aAt[one] + (transposeA ? first : first * k);
                rows(
                        a,
                        start,
                        transposeA ? 1 : k,
                        transposeA ? m : 1,
                        right,
                        bAt[one],
                        y,
                        one * m + first,
                        count,
                        k,
                        n);
            }
        });
        return y;
    }

    private static boolean isInOrder(int[] at, int size) {
        for (int i = 0; i < at.length; i++) {
            if (at[i] != i * size) {
                return false;
            }
        }
        return true;
    }

    private static int elements(long... shape) {
        int count = 1;
        for (long size : shape) {
            count *= (int) size;
        }
        return count;
    }

    /** Returns where each matrix of a stack begins that is repeated to an outer shape. */
    private static int[] starts(long[] own, long[] outer, int size) {
        int[] steps = Walk.repeated(Arrays.copyOf(own, own.length - 2), outer);
        int[] starts = new int[elements(outer)];
        for (int i = 0; i < starts.length; i++) {
            int left = i;
            for (int axis = outer.length - 1; axis >= 0; axis--) {
                starts[i] += left % (int) outer[axis] * steps[axis] * size;
                left /= (int) outer[axis];
            }
        }
        return starts;
    }

    /** Returns each (rows, columns) matrix of a stack transposed. */
    private static double[] eachTransposed(double[] x, int rows, int columns) {
        double[] result = new double[x.length];
        int size = Math.max(1, rows * columns);
        for (int offset = 0; offset + size <= x.length; offset += size) {
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    result[offset + c * rows + r] = x[offset + r * columns + c];
                }
            }
        }
        return result;
    }

    /** Computes some rows of a product: y[yRow + r] = Σ_i a[aAt + r·aRow + i·aStep] · b[bAt + i·n …]. */
    private static void rows(
            double[] a,
            int aAt,
            int aRow,
            int aStep,
            double[] b,
            int bAt,
            double[] y,
            int yRow,
            int count,
            int k,
            int n) {
        for (int r = 0; r < count; r++) {
            addProduct(a, aAt + r * aRow, aStep, k, b, bAt, n, y, (yRow + r) * n, n);
        }
    }

    /**
     * Returns x·Wᵀ + b.
     *
     * @param x rows of length {@code in}
     * @param weight (out, in)
     * @param bias (out) or {@code null}
     */
    double[] linear(double[] x, double[] weight, double[] bias, int in, int out) {
        double[] transposed = eachTransposed(weight, out, in);
        int count = in == 0 ? 0 : x.length / in;
        double[] y = new double[Math.multiplyExact(count, out)];
        loops.run(count, ROWS, (from, to) -> {
            for (int row = from; row < to; row++) {
                if (bias != null) {
                    System.arraycopy(bias, 0, y, row * out, out);
                }
                addProduct(x, row * in, 1, in, transposed, 0, out, y, row * out, out);
            }
        });
        return y;
    }

    /**
     * Returns softmax(scale · q kᵀ) v.
     *
     * @param q a stack of (n,d)
     * @param k as many (m,d)
     * @param v as many (m,e)
     */
    double[] attention(double[] q, double[] k, double[] v, double scale, int n, int m, int d, int e) {
        int stack = q.length / (n * d);
        double[] keys = eachTransposed(k, m, d); // scores are then sums over neighbouring keys
        double[] result = new double[Math.multiplyExact(stack, n * e)];
        int blocks = (n + ROWS - 1) / ROWS;
        loops.run(stack * blocks, 1, (from, to) -> {
            double[] scores = new double[m];
            for (int i = from; i < to; i++) {
                int one = i / blocks;
                int first = i % blocks * ROWS;
                for (int token = first; token < Math.min(n, first + ROWS); token++) {
                    Arrays.fill(scores, 0);
                    addProduct(q, (one * n + token) * d, 1, d, keys, one * d * m, m, scores, 0, m);
                    softmax(scores, scale);
                    addProduct(scores, 0, 1, m, v, one * m * e, e, result, (one * n + token) * e, e);
                }
            }
        });
        return result;
    }

    private static void softmax(double[] scores, double scale) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < scores.length; j++) {
            scores[j] *= scale;
            largest = Math.max(largest, scores[j]);
        }
        double sum = 0;
        for (int j = 0; j < scores.length; j++) {
            scores[j] = Math.exp(scores[j] - largest);
            sum += scores[j];
        }
        for (int j = 0; j < scores.length; j++) {
            scores[j] /= sum;
        }
    }

    /**
     * y[j] += Σ_i x[i]·m[i][j]. The inner loop runs over neighbouring j, which the JIT turns into vector instructions (a dot product it
     * does not); four i at a time keep y in registers longer.
     *
     * @param step distance of neighbouring x
     * @param length number of i
     * @param m matrix (length, width) from mOffset on
     * @param mRow distance of its rows
     * @param width number of j
     */
    static void addProduct(
            double[] x,
            int xOffset,
            int step,
            int length,
            double[] m,
            int mOffset,
            int mRow,
            double[] y,
            int yOffset,
            int width) {
        int i = 0;
        for (; i + 3 < length; i += 4) {
            double x0 = x[xOffset + i * step];
            double x1 = x[xOffset + (i + 1) * step];
            double x2 = x[xOffset + (i + 2) * step];
            double x3 = x[xOffset + (i + 3) * step];
            int m0 = mOffset + i * mRow;
            int m1 = m0 + mRow;
            int m2 = m1 + mRow;
            int m3 = m2 + mRow;
            for (int j = 0; j < width; j++) {
                y[yOffset + j] = y[yOffset + j] + x0 * m[m0 + j] + x1 * m[m1 + j] + x2 * m[m2 + j] + x3 * m[m3 + j];
            }
        }
        for (; i < length; i++) {
            double x0 = x[xOffset + i * step];
            int m0 = mOffset + i * mRow;
            for (int j = 0; j < width; j++) {
                y[yOffset + j] += x0 * m[m0 + j];
            }
        }
    }
}
