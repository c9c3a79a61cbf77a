package org.segformer3d.backend.reference;

import java.util.Arrays;

/** y = W x + b for each row of a matrix. */
final class Linear {
    /** Rows per range of a parallel loop: enough to amortise handing it out. */
    static final int ROWS = 32;

    private final int in;
    private final int out;
    private final double[] transposed;
    private final double[] bias;

    /**
     * Prepares a product.
     *
     * @param weight (out, in) in C order
     * @param bias (out), or {@code null} for none
     */
    Linear(double[] weight, double[] bias, int in, int out) {
        this.in = in;
        this.out = out;
        this.transposed = Layout.transposed(weight, out, in);
        this.bias = bias == null ? null : bias.clone();
    }

    /** Returns the product for all rows of x, in parallel. */
    double[] apply(ParallelLoops loops, double[] x, int rows) {
        double[] y = new double[Math.multiplyExact(rows, out)];
        loops.run(rows, ROWS, (from, to) -> apply(x, from, y, from, to - from));
        return y;
    }

    /**
     * Computes some rows.
     *
     * @param x rows of length {@code in}
     * @param xRow first row to read
     * @param y rows of length {@code out}
     * @param yRow first row to write
     * @param rows number of rows
     */
    void apply(double[] x, int xRow, double[] y, int yRow, int rows) {
        for (int row = 0; row < rows; row++) {
            int target = (yRow + row) * out;
            if (bias == null) {
                Arrays.fill(y, target, target + out, 0);
            } else {
                System.arraycopy(bias, 0, y, target, out);
            }
            addProduct(x, (xRow + row) * in, in, transposed, 0, y, target, out);
        }
    }

    /**
     * y[j] += Σ_i x[i]·m[i][j]. The inner loop runs over neighbouring j, which the JIT turns into vector instructions (a dot product it
     * does not); four i at a time keep y in registers longer.
     *
     * @param length number of i
     * @param m matrix (length, width) in C order from mOffset on
     * @param width number of j
     */
    static void addProduct(
            double[] x, int xOffset, int length, double[] m, int mOffset, double[] y, int yOffset, int width) {
        int i = 0;
        for (; i + 3 < length; i += 4) {
            double x0 = x[xOffset + i];
            double x1 = x[xOffset + i + 1];
            double x2 = x[xOffset + i + 2];
            double x3 = x[xOffset + i + 3];
            int m0 = mOffset + i * width;
            int m1 = m0 + width;
            int m2 = m1 + width;
            int m3 = m2 + width;
            for (int j = 0; j < width; j++) {
                y[yOffset + j] = y[yOffset + j] + x0 * m[m0 + j] + x1 * m[m1 + j] + x2 * m[m2 + j] + x3 * m[m3 + j];
            }
        }
        for (; i < length; i++) {
            double x0 = x[xOffset + i];
            int m0 = mOffset + i * width;
            for (int j = 0; j < width; j++) {
                y[yOffset + j] += x0 * m[m0 + j];
            }
        }
    }
}
