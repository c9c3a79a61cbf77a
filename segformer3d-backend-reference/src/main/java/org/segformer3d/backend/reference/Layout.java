package org.segformer3d.backend.reference;

/** Changes between channels-first maps (B,C,N) and token rows (B,N,C). */
final class Layout {
    private Layout() {}

    /** Returns the transpose of a (rows, columns) matrix. */
    static double[] transposed(double[] matrix, int rows, int columns) {
        double[] result = new double[matrix.length];
        transpose(matrix, 0, rows, columns, result);
        return result;
    }

    /** Returns (B,N,C) from (B,C,N). */
    static double[] toTokens(double[] maps, int batch, int channels, int tokens) {
        return eachTransposed(maps, batch, channels, tokens);
    }

    /** Returns (B,C,N) from (B,N,C). */
    static double[] toMaps(double[] rows, int batch, int channels, int tokens) {
        return eachTransposed(rows, batch, tokens, channels);
    }

    private static double[] eachTransposed(double[] x, int batch, int rows, int columns) {
        double[] result = new double[x.length];
        for (int b = 0; b < batch; b++) {
            transpose(x, b * rows * columns, rows, columns, result);
        }
        return result;
    }

    private static void transpose(double[] x, int offset, int rows, int columns, double[] result) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                result[offset + c * rows + r] = x[offset + r * columns + c];
            }
        }
    }
}
