package org.segformer3d.backend.reference;

/** Two numbers' sum, difference, product or quotient, for rows of arrays. */
enum Arithmetic {
    ADD {
        @Override
        void row(double[] a, double[] b, double[] y, int[] at, int[] step, int count) {
            for (int i = 0; i < count; i++) {
                y[at[2] + i] = a[at[0] + i * step[0]] + b[at[1] + i * step[1]];
            }
        }
    },
    SUBTRACT {
        @Override
        void row(double[] a, double[] b, double[] y, int[] at, int[] step, int count) {
            for (int i = 0; i < count; i++) {
                y[at[2] + i] = a[at[0] + i * step[0]] - b[at[1] + i * step[1]];
            }
        }
    },
    MULTIPLY {
        @Override
        void row(double[] a, double[] b, double[] y, int[] at, int[] step, int count) {
            for (int i = 0; i < count; i++) {
                y[at[2] + i] = a[at[0] + i * step[0]] * b[at[1] + i * step[1]];
            }
        }
    },
    DIVIDE {
        @Override
        void row(double[] a, double[] b, double[] y, int[] at, int[] step, int count) {
            for (int i = 0; i < count; i++) {
                y[at[2] + i] = a[at[0] + i * step[0]] / b[at[1] + i * step[1]];
            }
        }
    };

    /** Computes a row of y, whose step is 1. */
    abstract void row(double[] a, double[] b, double[] y, int[] at, int[] step, int count);

    /** Returns the result of two arrays that broadcast to a shape. */
    double[] apply(
            ParallelLoops loops, double[] a, long[] aShape, double[] b, long[] bShape, long[] shape, int elements) {
        double[] y = new double[elements];
        Walk.of(shape, Walk.repeated(aShape, shape), Walk.repeated(bShape, shape), Walk.steps(shape))
                .run(loops, (at, step, count) -> row(a, b, y, at, step, count));
        return y;
    }
}
