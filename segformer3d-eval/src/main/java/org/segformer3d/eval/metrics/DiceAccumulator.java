package org.segformer3d.eval.metrics;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;

/**
 * Collects Dice per channel and case during validation and reduces it as MONAI's {@code DiceMetric(ignore_empty=True)} does.
 *
 * <p>A channel whose truth is empty in a case has no Dice there (NaN) and is left out of every mean; how often prediction and truth
 * were both empty is counted apart. Safe for use by several threads: cases are kept in the order they were first added.
 */
public final class DiceAccumulator {
    private final List<String> channels;
    private final Map<String, OverlapCounts[]> cases = new LinkedHashMap<>();

    /**
     * Creates an empty accumulator.
     *
     * @param channels names of the channels, at least one
     */
    public DiceAccumulator(List<String> channels) {
        this.channels = List.copyOf(channels);
        if (channels.isEmpty()) {
            throw new IllegalArgumentException("expected at least one channel");
        }
    }

    /**
     * Adds a case.
     *
     * @param caseId its name; must not have been added before
     * @param predicted mask (K, D, H, W), one byte a voxel
     * @param truth mask of the same shape
     * @return the Dice of each channel, NaN where the truth is empty
     * @throws IllegalArgumentException when a shape is another or the case was added before
     */
    public double[] add(String caseId, HostTensor predicted, HostTensor truth) {
        long[] shape = truth.shape();
        if (shape.length != 4 || shape[0] != channels.size() || !Arrays.equals(shape, predicted.shape())) {
            throw new IllegalArgumentException("case " + caseId + ": found a prediction "
                    + Shapes.text(predicted.shape()) + " and a truth " + Shapes.text(shape) + ", expected both ("
                    + channels.size() + ",D,H,W)");
        }
        ByteBuffer p = OverlapCounts.mask(predicted);
        ByteBuffer t = OverlapCounts.mask(truth);
        int voxels = Math.toIntExact(shape[1] * shape[2] * shape[3]);
        OverlapCounts[] counts = new OverlapCounts[channels.size()];
        for (int c = 0; c < counts.length; c++) {
            counts[c] = OverlapCounts.count(p.slice(c * voxels, voxels), t.slice(c * voxels, voxels));
        }
        return add(caseId, counts);
    }

    /**
     * Adds a case whose voxels were counted elsewhere.
     *
     * @param counts one per channel
     * @return the Dice of each channel, NaN where the truth is empty
     */
    public synchronized double[] add(String caseId, OverlapCounts... counts) {
        if (counts.length != channels.size()) {
            throw new IllegalArgumentException(
                    "case " + caseId + ": found " + counts.length + " channels, expected " + channels.size());
        }
        if (cases.putIfAbsent(caseId, counts.clone()) != null) {
            throw new IllegalArgumentException("case " + caseId + " was added before");
        }
        return dice(counts);
    }

    /** Returns the names of the channels. */
    public List<String> channels() {
        return channels;
    }

    /** Returns the cases added so far, each with the Dice of its channels. */
    public synchronized Map<String, double[]> cases() {
        Map<String, double[]> dice = new LinkedHashMap<>();
        cases.forEach((id, counts) -> dice.put(id, dice(counts)));
        return dice;
    }

    /** Returns in how many cases a channel is empty in both prediction and truth. */
    public synchronized int bothEmpty(int channel) {
        return (int) cases.values().stream()
                .filter(counts -> counts[channel].bothEmpty())
                .count();
    }

    /** Returns mean and spread per channel over the cases whose truth isn't empty. */
    public List<Spread> spreads() {
        List<double[]> all = new ArrayList<>(cases().values());
        List<Spread> spreads = new ArrayList<>();
        for (int c = 0; c < channels.size(); c++) {
            int channel = c;
            spreads.add(
                    Spread.of(all.stream().mapToDouble(dice -> dice[channel]).toArray()));
        }
        return List.copyOf(spreads);
    }

    /**
     * Returns the mean per channel over the cases whose truth isn't empty: MONAI's {@code mean_batch}, which is 0 for a channel whose
     * truth is empty in every case.
     */
    public double[] meanBatch() {
        return spreads().stream()
                .mapToDouble(spread -> spread.counted() == 0 ? 0 : spread.mean())
                .toArray();
    }

    /**
     * Returns the mean over the channels that some truth has, each by its mean over cases, by which the best checkpoint is chosen; NaN
     * where no truth has any. MONAI's mean counts a channel without truth as 0 instead, see {@link #meanBatch()}.
     */
    public double mean() {
        return spreads().stream()
                .filter(spread -> spread.counted() > 0)
                .mapToDouble(Spread::mean)
                .average()
                .orElse(Double.NaN);
    }

    private static double[] dice(OverlapCounts[] counts) {
        return Arrays.stream(counts).mapToDouble(OverlapCounts::dice).toArray();
    }
}
