package org.segformer3d.backend.reference;

import java.util.Arrays;

/** Sums, largest elements and softmax along axes. */
final class Reduction {
    private final ParallelLoops loops;

    Reduction(ParallelLoops loops) {
        this.loops = loops;
    }

    /**
     * Returns sums.
     *
     * @param shape of x
     * @param reduced of the result, with size 1 along the axes that are summed over
     */
    double[] sum(double[] x, long[] shape, long[] reduced) {
        int elements = 1;
        int axes = shape.length;
        for (long size : reduced) {
            elements *= (int) size;
        }
        double[] y = new double[elements];
        int[] xSteps = Walk.steps(shape);
        int[] kept = new int[axes];
        long[] summed = shape.clone();
        for (int axis = 0; axis < axes; axis++) {
            kept[axis] = (int) reduced[axis];
            if (reduced[axis] == shape[axis]) {
                summed[axis] = 1;
            }
        }
        // the innermost axis that is kept is added to as a row, so that neighbours are read one after the other
        int row = axes - 1;
        while (row >= 0 && kept[row] == 1) {
            row--;
        }
        boolean contiguous = row == axes - 1 && row >= 0;
        int width = contiguous ? kept[row] : 1;
        Walk inside = Walk.of(summed, xSteps);
        ParallelLoops alone = ParallelLoops.NONE;
        loops.run(
                elements / width,
                Math.max(1, Walk.ELEMENTS / Math.max(1, x.length / (elements / width))),
                (from, to) -> {
                    for (int r = from; r < to; r++) {
                        int target = r * width;
                        int start = start(target, reduced, xSteps, shape);
                        inside.run(
                                alone,
                                (at, step, count) -> {
                                    if (contiguous) {
                                        for (int i = 0; i < count; i++) {
                                            add(x, at[0] + i * step[0], y, target, width);
                                        }
                                    } else {
                                        y[target] += total(x, at[0], step[0], count);
                                    }
                                },
                                start);
                    }
                });
        return y;
    }

    /** Returns where the first element of x is that belongs to an element of the result. */
    private static int start(int target, long[] reduced, int[] xSteps, long[] shape) {
        int left = target;
        int start = 0;
        for (int axis = reduced.length - 1; axis >= 0; axis--) {
            int index = left % (int) reduced[axis];
            left /= (int) reduced[axis];
            if (reduced[axis] == shape[axis]) {
                start += index * xSteps[axis];
            }
        }
        return start;
    }

    private static void add(double[] x, int at, double[] y, int target, int width) {
        for (int j = 0; j < width; j++) {
            y[target + j] += x[at + j];
        }
    }

    private static double total(double[] x, int at, int step, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += x[at + i * step];
        }
        return sum;
    }

    /** Something done to the rows of a (length, inner) matrix that lie along its first axis, all columns at once. */
    @FunctionalInterface
    private interface Column {
        void run(int offset, int inner, double[] work);
    }

    private void columns(double[] x, long[] shape, int axis, Column column) {
        int length = (int) shape[axis];
        int inner = Walk.steps(shape)[axis];
        int outer = length == 0 || inner == 0 ? 0 : x.length / length / inner;
        loops.run(outer, Math.max(1, Walk.ELEMENTS / Math.max(1, length * inner)), (from, to) -> {
            double[] work = new double[2 * inner];
            for (int o = from; o < to; o++) {
                column.run(o * length * inner, inner, work);
            }
        });
    }

    /** Returns the largest elements along an axis. */
    double[] max(double[] x, long[] shape, int axis) {
        int length = (int) shape[axis];
        double[] y = new double[x.length / length];
        columns(x, shape, axis, (offset, inner, work) -> {
            largest(x, offset, length, inner, work);
            System.arraycopy(work, 0, y, offset / length, inner);
        });
        return y;
    }

    private static void largest(double[] x, int offset, int length, int inner, double[] largest) {
        Arrays.fill(largest, 0, inner, Double.NEGATIVE_INFINITY);
        for (int k = 0; k < length; k++) {
            for (int j = 0; j < inner; j++) {
                largest[j] = Math.max(largest[j], x[offset + k * inner + j]);
            }
        }
    }

    /** Returns e^x / Σ e^x along an axis, or the logarithm of that. */
    double[] softmax(double[] x, long[] shape, int axis, boolean logarithm) {
        int length = (int) shape[axis];
        double[] y = new double[x.length];
        columns(x, shape, axis, (offset, inner, work) -> {
            largest(x, offset, length, inner, work);
            Arrays.fill(work, inner, 2 * inner, 0);
            for (int k = 0; k < length; k++) {
                for (int j = 0; j < inner; j++) {
                    int i = offset + k * inner + j;
                    y[i] = Math.exp(x[i] - work[j]);
                    work[inner + j] += y[i];
                }
            }
            for (int k = 0; k < length; k++) {
                for (int j = 0; j < inner; j++) {
                    int i = offset + k * inner + j;
                    y[i] = logarithm ? x[i] - work[j] - Math.log(work[inner + j]) : y[i] / work[inner + j];
                }
            }
        });
        return y;
    }
}
