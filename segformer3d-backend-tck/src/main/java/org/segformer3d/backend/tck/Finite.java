package org.segformer3d.backend.tck;

import java.util.function.ToDoubleFunction;

/** Central differences in float64. */
final class Finite {
    /**
     * Step for values near 1: the truncation error is step² and the rounding error 1e-16/step, both far below the tolerance of 1e-5,
     * and few ReLUs change sides within it.
     */
    static final double STEP = 1e-6;

    private Finite() {}

    /**
     * Returns the derivative of f at x along a direction: (f(x + h·v) − f(x − h·v)) / 2h.
     *
     * @param direction as long as x
     */
    static double derivative(ToDoubleFunction<double[]> f, double[] x, double[] direction) {
        return (f.applyAsDouble(moved(x, direction, STEP)) - f.applyAsDouble(moved(x, direction, -STEP))) / (2 * STEP);
    }

    /** Returns x + step·direction. */
    static double[] moved(double[] x, double[] direction, double step) {
        double[] moved = x.clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += step * direction[i];
        }
        return moved;
    }
}
