package org.segformer3d.api.tensor;

import java.util.Arrays;

/** Arithmetic on shapes, which are plain {@code long[]} with the slowest axis first. */
public final class Shapes {
    private Shapes() {}

    /**
     * Returns the number of elements of a shape; 1 for a scalar (rank 0).
     *
     * @param shape sizes per axis, never {@code null}
     * @throws IllegalArgumentException when a size is negative or the product overflows
     */
    public static long elements(long... shape) {
        long n = 1;
        for (long size : shape) {
            if (size < 0) {
                throw new IllegalArgumentException("negative size in shape " + Arrays.toString(shape));
            }
            try {
                n = Math.multiplyExact(n, size);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException("shape too large: " + Arrays.toString(shape), e);
            }
        }
        return n;
    }

    /** Returns a shape as text, for example {@code 1×4×128×128×128}; {@code scalar} for rank 0. */
    public static String text(long... shape) {
        if (shape.length == 0) {
            return "scalar";
        }
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < shape.length; i++) {
            text.append(i == 0 ? "" : "×").append(shape[i]);
        }
        return text.toString();
    }
}
