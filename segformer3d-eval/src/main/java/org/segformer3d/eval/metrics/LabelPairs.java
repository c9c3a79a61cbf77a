package org.segformer3d.eval.metrics;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** How often each pair of label values, one predicted and one true, occurs in a case: all that overlap measures need of it. */
final class LabelPairs {
    private final Map<Long, long[]> pairs = new HashMap<>();

    private LabelPairs() {}

    /**
     * Counts two label maps.
     *
     * @param predicted whole numbers
     * @param truth as many, voxel for voxel
     */
    static LabelPairs count(float[] predicted, float[] truth) {
        LabelPairs counts = new LabelPairs();
        // Neighbours mostly have the same pair, so the map is asked once a run.
        long last = 0;
        long[] cell = null;
        for (int n = 0; n < truth.length; n++) {
            long pair = (long) (int) predicted[n] << 32 | (int) truth[n] & 0xffffffffL;
            if (cell == null || pair != last) {
                cell = counts.pairs.computeIfAbsent(pair, key -> new long[1]);
                last = pair;
            }
            cell[0]++;
        }
        return counts;
    }

    /**
     * Returns how a class overlaps.
     *
     * @param values the values that belong to the class
     * @param ignored true values whose voxels count nowhere
     */
    OverlapCounts overlap(Collection<Integer> values, Set<Integer> ignored) {
        long[] sums = new long[4];
        pairs.forEach((pair, count) -> {
            int truth = truth(pair);
            if (!ignored.contains(truth)) {
                int kind = (values.contains(predicted(pair)) ? 0 : 2) + (values.contains(truth) ? 0 : 1);
                sums[kind] += count[0];
            }
        });
        return new OverlapCounts(sums[0], sums[1], sums[2], sums[3]);
    }

    Set<Integer> predictedValues() {
        Set<Integer> values = new TreeSet<>();
        pairs.keySet().forEach(pair -> values.add(predicted(pair)));
        return values;
    }

    Set<Integer> truthValues() {
        Set<Integer> values = new TreeSet<>();
        pairs.keySet().forEach(pair -> values.add(truth(pair)));
        return values;
    }

    private static int predicted(long pair) {
        return (int) (pair >> 32);
    }

    private static int truth(long pair) {
        return (int) pair;
    }
}
