package org.segformer3d.eval.metrics;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.segformer3d.api.block.Grid;

/**
 * Exact Euclidean distances from some voxels of a grid to the nearest of others, in time linear in the number of voxels.
 *
 * <p>One axis after the other: along W each voxel learns the nearest marked voxel of its row by two sweeps; along H, and then along D,
 * what the lines offer are parabolas whose lower envelope gives the nearest (Felzenszwalb and Huttenlocher, Distance Transforms of
 * Sampled Functions, 2012). Positions are kept instead of distances, so that nothing is rounded before the last square root and a voxel
 * takes four bytes. Rows and slices are done in parallel.
 */
final class DistanceTransform {
    /** Positions along H and W share an int. */
    static final int LARGEST_AXIS = 0xfffe;

    private static final int NOWHERE = -1;

    private final Grid size;
    private final double[] spacing;
    private final byte[] marks;
    private final int[] nearest;
    private final boolean[] rowHasSite;

    /**
     * Prepares a grid.
     *
     * @param marks bits per voxel, in the order of a {@link Grid}; neither copied nor changed
     * @param size no axis longer than {@link #LARGEST_AXIS}
     * @param spacing distance between neighbours along D, H, W
     */
    DistanceTransform(byte[] marks, Grid size, double... spacing) {
        this.marks = marks;
        this.size = size;
        this.spacing = spacing.clone();
        nearest = new int[size.tokens()];
        rowHasSite = new boolean[size.depth() * size.height()];
    }

    /**
     * Returns, for every voxel with one bit, the distance to the nearest voxel with another, in no particular order; infinite when there
     * is none.
     */
    float[] distances(int from, int to) {
        IntStream.range(0, rowHasSite.length).parallel().forEach(row -> alongWidth(row, to));
        IntStream.range(0, size.depth()).parallel().forEach(this::alongHeight);
        int[] offsets = new int[size.height() + 1];
        IntStream.range(0, size.height()).parallel().forEach(h -> offsets[h + 1] = count(h, from));
        Arrays.parallelPrefix(offsets, Integer::sum);
        float[] result = new float[offsets[size.height()]];
        IntStream.range(0, size.height()).parallel().forEach(h -> alongDepth(h, from, result, offsets[h]));
        return result;
    }

    private int row(int d, int h) {
        return (d * size.height() + h) * size.width();
    }

    private int count(int h, int from) {
        int count = 0;
        for (int d = 0; d < size.depth(); d++) {
            int start = row(d, h);
            for (int w = 0; w < size.width(); w++) {
                count += (marks[start + w] & from) == 0 ? 0 : 1;
            }
        }
        return count;
    }

    /** Leaves in each voxel where along W the nearest site of its row is. */
    private void alongWidth(int row, int to) {
        int start = row * size.width();
        int last = NOWHERE;
        for (int w = 0; w < size.width(); w++) {
            if ((marks[start + w] & to) != 0) {
                last = w;
            }
            nearest[start + w] = last;
        }
        rowHasSite[row] = last != NOWHERE;
        if (last == NOWHERE) {
            return;
        }
        int next = NOWHERE;
        for (int w = size.width() - 1; w >= 0; w--) {
            int before = nearest[start + w];
            if (before == w) {
                next = w;
            } else if (next != NOWHERE && (before == NOWHERE || next - w < w - before)) {
                nearest[start + w] = next;
            }
        }
    }

    /** Leaves in each voxel of a slice where along H and W the nearest site of the slice is; in slices without one all is nowhere already. */
    private void alongHeight(int d) {
        int[] rows = IntStream.range(0, size.height())
                .filter(h -> rowHasSite[d * size.height() + h])
                .toArray();
        if (rows.length == 0) {
            return;
        }
        Envelope envelope = new Envelope(rows.length, spacing[1]);
        int[] column = new int[size.height()];
        for (int w = 0; w < size.width(); w++) {
            envelope.clear();
            for (int h : rows) {
                int site = nearest[row(d, h) + w];
                double across = (w - site) * spacing[2];
                envelope.add(h, across * across);
                column[h] = site;
            }
            envelope.rewind();
            for (int h = 0; h < size.height(); h++) {
                int best = envelope.lowestAt(h);
                nearest[row(d, h) + w] = best << 16 | column[best];
            }
        }
    }

    private void alongDepth(int h, int from, float[] result, int offset) {
        int[] slices = IntStream.range(0, size.depth())
                .filter(d -> nearest[row(d, h)] != NOWHERE)
                .toArray();
        Envelope envelope = new Envelope(slices.length, spacing[0]);
        int at = offset;
        for (int w = 0; w < size.width(); w++) {
            boolean ready = false;
            for (int d = 0; d < size.depth(); d++) {
                if ((marks[row(d, h) + w] & from) == 0) {
                    continue;
                }
                if (slices.length == 0) {
                    result[at++] = Float.POSITIVE_INFINITY;
                    continue;
                }
                // Most columns hold none of the voxels that are asked for, and need no envelope.
                if (!ready) {
                    envelope.clear();
                    for (int slice : slices) {
                        int site = nearest[row(slice, h) + w];
                        double down = (h - (site >>> 16)) * spacing[1];
                        double across = (w - (site & 0xffff)) * spacing[2];
                        envelope.add(slice, down * down + across * across);
                    }
                    envelope.rewind();
                    ready = true;
                }
                result[at++] = (float) Math.sqrt(envelope.squareAt(envelope.lowestAt(d), d));
            }
        }
    }

    /** The lower envelope of parabolas of equal width, added and then asked from left to right. */
    private static final class Envelope {
        private final double step;
        private final int[] places;
        private final double[] heights;
        /** Where parabola n starts to be the lowest. */
        private final double[] starts;

        private int count;
        private int current;

        Envelope(int most, double step) {
            this.step = step;
            places = new int[most];
            heights = new double[most];
            starts = new double[most];
        }

        void clear() {
            count = 0;
        }

        void add(int place, double height) {
            double x = place * step;
            double start = Double.NEGATIVE_INFINITY;
            while (count > 0) {
                double other = places[count - 1] * step;
                start = (x + other) / 2 + (height - heights[count - 1]) / (2 * (x - other));
                if (start > starts[count - 1]) {
                    break;
                }
                count--;
                start = Double.NEGATIVE_INFINITY;
            }
            places[count] = place;
            heights[count] = height;
            starts[count++] = start;
        }

        void rewind() {
            current = 0;
        }

        /** Returns the place of the lowest parabola; the places asked for must not decrease between rewinds. */
        int lowestAt(int place) {
            double x = place * step;
            while (current + 1 < count && starts[current + 1] < x) {
                current++;
            }
            return places[current];
        }

        /** Returns the height at a place of the parabola that {@link #lowestAt} has just found. */
        double squareAt(int lowest, int place) {
            double distance = (place - lowest) * step;
            return heights[current] + distance * distance;
        }
    }
}
