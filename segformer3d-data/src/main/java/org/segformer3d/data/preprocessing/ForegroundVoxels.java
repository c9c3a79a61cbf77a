package org.segformer3d.data.preprocessing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Positions of voxels by label value, for sampling around them.
 *
 * <p>At most {@value #MOST} positions are kept per value, evenly spread over all of them, so that a large organ costs no more memory than
 * a small one.
 */
public final class ForegroundVoxels {
    /** Most positions kept per label value. */
    public static final int MOST = 10_000;

    /** No foreground at all. */
    public static final ForegroundVoxels NONE = new ForegroundVoxels(List.of());

    private final List<int[]> positions;

    private ForegroundVoxels(List<int[]> positions) {
        this.positions = positions;
    }

    /**
     * Finds the voxels whose label isn't 0.
     *
     * @param labels label values in C order
     */
    public static ForegroundVoxels of(short[] labels) {
        return except(labels, Set.of(0));
    }

    /**
     * Finds the voxels whose label is none of some values.
     *
     * @param labels label values in C order
     * @param others the values to leave out
     */
    public static ForegroundVoxels except(short[] labels, Set<Integer> others) {
        Map<Short, int[]> counts = new TreeMap<>();
        for (int n = 0; n < labels.length; ) {
            short value = labels[n];
            int run = n;
            while (n < labels.length && labels[n] == value) {
                n++;
            }
            if (!others.contains((int) value)) {
                counts.computeIfAbsent(value, v -> new int[1])[0] += n - run;
            }
        }
        List<int[]> positions = new ArrayList<>();
        Map<Short, Filler> fillers = new TreeMap<>();
        counts.forEach((value, count) -> {
            Filler filler = new Filler(count[0]);
            fillers.put(value, filler);
            positions.add(filler.kept);
        });
        Filler filler = null;
        for (int n = 0; n < labels.length; n++) {
            if (n == 0 || labels[n] != labels[n - 1]) {
                filler = fillers.get(labels[n]);
            }
            if (filler != null) {
                filler.offer(n);
            }
        }
        return new ForegroundVoxels(positions);
    }

    /** Returns whether there is no such voxel. */
    public boolean isEmpty() {
        return positions.isEmpty();
    }

    /**
     * Returns the position in C order of a random voxel of these: every label value is equally likely, then every kept voxel of it.
     *
     * @throws IllegalStateException when there is none
     */
    public int draw(SplittableRandom random) {
        if (positions.isEmpty()) {
            throw new IllegalStateException("there are no voxels to draw from");
        }
        int[] ofValue = positions.get(random.nextInt(positions.size()));
        return ofValue[random.nextInt(ofValue.length)];
    }

    /** Keeps the r-th of n offered positions for r = ⌈k·n/kept⌉, k = 0, 1, 2…. */
    private static final class Filler {
        private final int[] kept;
        private final long count;
        private long seen;
        private int filled;

        Filler(int count) {
            this.count = count;
            this.kept = new int[Math.min(count, MOST)];
        }

        void offer(int position) {
            if (filled < kept.length && seen * kept.length >= filled * count) {
                kept[filled++] = position;
            }
            seen++;
        }
    }
}
