package org.segformer3d.backend.reference;

import java.util.Arrays;

/**
 * Visits the elements of several arrays that are seen in one shape, row by row: each array has a step for every axis, 0 where it is
 * repeated. Axes that are walked as one in all arrays are joined first, so that rows are as long as can be.
 */
final class Walk {
    /** Elements per range of a parallel loop: enough to amortise handing it out. */
    static final int ELEMENTS = 1 << 14;

    private final int[] sizes;
    private final int[][] steps;
    private final int rows;

    /** A row: {@code count} elements, those of array i at {@code at[i]}, {@code at[i] + step[i]} and so on. */
    @FunctionalInterface
    interface Row {
        void visit(int[] at, int[] step, int count);
    }

    private Walk(int[] sizes, int[][] steps) {
        this.sizes = sizes;
        this.steps = steps;
        int count = 1;
        for (int axis = 0; axis < sizes.length - 1; axis++) {
            count *= sizes[axis];
        }
        this.rows = count;
    }

    /**
     * Prepares a walk.
     *
     * @param shape what all arrays are seen in
     * @param steps for each array the distance of neighbours along each axis
     */
    static Walk of(long[] shape, int[]... steps) {
        int[] sizes = new int[shape.length + 1];
        int[][] joined = new int[steps.length][shape.length + 1];
        int last = -1;
        for (int axis = 0; axis < shape.length; axis++) {
            if (shape[axis] == 1) {
                continue;
            }
            if (last < 0 || !continues(joined, last, steps, axis, shape[axis])) {
                last++;
                sizes[last] = 1;
            }
            sizes[last] *= (int) shape[axis];
            for (int i = 0; i < steps.length; i++) {
                joined[i][last] = steps[i][axis];
            }
        }
        if (last < 0) {
            sizes[++last] = 1;
        }
        int axes = last + 1;
        return new Walk(
                Arrays.copyOf(sizes, axes),
                Arrays.stream(joined).map(s -> Arrays.copyOf(s, axes)).toArray(int[][]::new));
    }

    private static boolean continues(int[][] joined, int last, int[][] steps, int axis, long size) {
        for (int i = 0; i < steps.length; i++) {
            if (joined[i][last] != steps[i][axis] * size) {
                return false;
            }
        }
        return true;
    }

    /** Returns the steps of an array of that shape in C order. */
    static int[] steps(long... shape) {
        int[] steps = new int[shape.length];
        int step = 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            steps[axis] = step;
            step *= (int) shape[axis];
        }
        return steps;
    }

    /** Returns the steps of an array in C order that is repeated along axes of size 1, and along axes it lacks in front, to a shape. */
    static int[] repeated(long[] own, long[] shape) {
        int[] steps = steps(own);
        int[] result = new int[shape.length];
        for (int k = 1; k <= own.length; k++) {
            result[shape.length - k] = own[own.length - k] == 1 ? 0 : steps[own.length - k];
        }
        return result;
    }

    /** Visits all rows, in parallel. */
    void run(ParallelLoops loops, Row row, int... starts) {
        int inner = sizes[sizes.length - 1];
        int[] step = new int[steps.length];
        for (int i = 0; i < step.length; i++) {
            step[i] = steps[i][sizes.length - 1];
        }
        if (rows == 1) {
            // one long row is cut itself
            loops.run(inner, ELEMENTS, (from, to) -> {
                int[] at = starts(starts);
                for (int i = 0; i < at.length; i++) {
                    at[i] += from * step[i];
                }
                row.visit(at, step, to - from);
            });
            return;
        }
        loops.run(rows, Math.max(1, ELEMENTS / Math.max(1, inner)), (from, to) -> {
            int[] at = new int[steps.length];
            for (int r = from; r < to; r++) {
                System.arraycopy(starts(starts), 0, at, 0, at.length);
                int left = r;
                for (int axis = sizes.length - 2; axis >= 0; axis--) {
                    int index = left % sizes[axis];
                    left /= sizes[axis];
                    for (int i = 0; i < at.length; i++) {
                        at[i] += index * steps[i][axis];
                    }
                }
                row.visit(at, step, inner);
            }
        });
    }

    private int[] starts(int... given) {
        return Arrays.copyOf(given, steps.length);
    }

    /**
     * Copies one array to another.
     *
     * @param xStart where reading begins
     * @param yStart where writing begins
     */
    static void copy(
            ParallelLoops loops,
            long[] shape,
            double[] x,
            int xStart,
            int[] xSteps,
            double[] y,
            int yStart,
            int[] ySteps) {
        of(shape, xSteps, ySteps)
                .run(
                        loops,
                        (at, step, count) -> {
                            if (step[0] == 1 && step[1] == 1) {
                                System.arraycopy(x, at[0], y, at[1], count);
                                return;
                            }
                            int from = at[0];
                            int to = at[1];
                            for (int i = 0; i < count; i++) {
                                y[to] = x[from];
                                from += step[0];
                                to += step[1];
                            }
                        },
                        xStart,
                        yStart);
    }
}
