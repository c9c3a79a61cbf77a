package org.segformer3d.api.ops;

import org.segformer3d.api.tensor.HostTensor;

/**
 * Linear interpolation along one axis: output i = (1 − upperWeight[i]) · input[lower[i]] + upperWeight[i] · input[upper[i]]. A trilinear
 * resizing ({@link Ops#resize}) is one of these along each axis.
 *
 * <p>With corners aligned, output i of n' lies at i·(n−1)/(n'−1) of n inputs (at 0 where n' is 1); otherwise at (i + ½)·n/n' − ½, held at 0
 * below.
 *
 * @param from number of inputs n, at least 1
 * @param lower input below each output
 * @param upper input above each output, which is the one below at the end of the axis
 * @param upperWeight weight of the upper one, in [0, 1)
 */
public record Interpolation(int from, int[] lower, int[] upper, double[] upperWeight) {
    /** Returns the interpolation of {@code from} inputs to {@code to} outputs, both at least 1. */
    public static Interpolation of(long from, long to, boolean alignCorners) {
        int inputs = Math.toIntExact(from);
        int outputs = Math.toIntExact(to);
        int[] lower = new int[outputs];
        int[] upper = new int[outputs];
        double[] weight = new double[outputs];
        for (int i = 0; i < outputs; i++) {
            double position = alignCorners
                    ? outputs == 1 ? 0 : (double) i * (inputs - 1) / (outputs - 1)
                    : Math.max(0, (i + 0.5) * inputs / outputs - 0.5);
            lower[i] = Math.min((int) position, inputs - 1);
            upper[i] = Math.min(lower[i] + 1, inputs - 1);
            weight[i] = position - lower[i];
        }
        return new Interpolation(inputs, lower, upper, weight);
    }

    /** Returns the number of outputs n'. */
    public int to() {
        return lower.length;
    }

    /** Returns the interpolation as a float64 matrix (n',n): output = matrix · input. */
    public HostTensor matrix() {
        double[] matrix = new double[to() * from];
        for (int i = 0; i < to(); i++) {
            matrix[i * from + lower[i]] += 1 - upperWeight[i];
            matrix[i * from + upper[i]] += upperWeight[i];
        }
        return HostTensor.of(matrix, to(), from);
    }
}
