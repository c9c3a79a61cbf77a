package org.segformer3d.data.labels;

import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.segformer3d.data.volume.Volume;

/**
 * Which values a label map holds, and whether it is one at all.
 *
 * <p>The values of a label map lie together in regions, however many there are: in an atlas of two hundred regions most voxels equal
 * their neighbour. Those of a scan hardly ever do. Zeros don't count in that, for they surround a scan as well as an organ.
 *
 * @param counts how many voxels have each value that occurs, in order of value; nothing for a map with values that aren't whole
 * @param fraction the first value that isn't a whole number, empty for a label map
 * @param alike share of the voxels other than 0 whose next voxel along the fastest axis has the same value, 1 where there are none
 */
public record LabelCensus(TreeMap<Integer, Long> counts, Optional<Float> fraction, double alike) {
    /** More values than this are looked at with suspicion. */
    private static final int MANY = 30;

    /** More values than this are a scan, whatever they look like. */
    private static final int TOO_MANY = 256;

    private static final double MOSTLY = 0.5;

    /** Copies the counts. */
    public LabelCensus {
        counts = new TreeMap<>(counts);
        Objects.requireNonNull(fraction, "fraction");
    }

    /**
     * Counts the values of a volume.
     *
     * @param labels one channel, never {@code null}
     * @return its values; what makes a NaN or a fraction is told in {@link #fraction}
     */
    public static LabelCensus of(Volume labels) {
        float[] values = labels.values();
        int row = labels.geometry().size().width();
        TreeMap<Integer, Long> counts = new TreeMap<>();
        long pairs = 0;
        long equal = 0;
        int n = 0;
        while (n < values.length) {
            float value = values[n];
            if (value != Math.rint(value) || Float.isInfinite(value)) {
                return new LabelCensus(new TreeMap<>(), Optional.of(value), 0);
            }
            // Neighbours are mostly equal, so the map is rarely asked.
            int end = n + 1;
            int rowEnd = Math.min(values.length, (n / row + 1) * row);
            while (end < rowEnd && values[end] == value) {
                end++;
            }
            counts.merge((int) value, (long) end - n, Long::sum);
            if (value != 0) {
                equal += end - n - 1;
                pairs += end < rowEnd ? end - n : end - n - 1;
            }
            n = end;
        }
        return new LabelCensus(counts, Optional.empty(), pairs == 0 ? 1 : (double) equal / pairs);
    }

    /** Returns the number of voxels with a value other than 0. */
    public long foreground() {
        return counts.entrySet().stream()
                .filter(entry -> entry.getKey() != 0)
                .mapToLong(java.util.Map.Entry::getValue)
                .sum();
    }

    /**
     * Returns why this looks like a scan rather than a label map, one clause without a full stop; empty where it looks like a label map.
     * A map of very many values may be right all the same, so that this is a remark unless something else speaks against it.
     */
    public Optional<String> looksLikeImage() {
        if (fraction.isPresent()) {
            return Optional.of("looks like an image: it holds the value " + fraction.get()
                    + ", and a label map holds whole numbers only");
        }
        boolean scattered = counts.size() > MANY && alike < MOSTLY;
        if (counts.size() <= TOO_MANY && !scattered) {
            return Optional.empty();
        }
        return Optional.of(
                "looks like an image: it holds " + counts.size() + " values from " + counts.firstKey() + " to "
                        + counts.lastKey()
                        + (scattered
                                ? String.format(", and only %.0f %% of its voxels equal their neighbour", 100 * alike)
                                : "")
                        + "; a scan may lie where the label map belongs");
    }
}
