package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.Volume;

/** A segmented case in the geometry of its input. Immutable; its arrays are to be read only. */
public final class SegmentationResult {
    /** What voxels that preprocessing cropped away count as: certainly nothing of a region. */
    private static final float CERTAIN = 30;

    /** Parts of the work, in order. */
    public enum Phase {
        /** Reading the input files. */
        READ,
        /** Orientation, cropping, normalisation, resampling. */
        PREPARE,
        /** Window by window to labels. */
        PREDICT,
        /** The network's share of {@link #PREDICT}. */
        NETWORK,
        /** Back to the input's geometry. */
        RESTORE
    }

    private final String caseId;
    private final Volume labels;
    private final LabelSpec spec;
    private final Restoration restoration;
    private final Optional<HostTensor> logits;
    private final int windows;
    private final Map<Phase, Duration> timings;
    private final OptionalLong peakMemory;
    private final Map<String, Object> provenance;

    SegmentationResult(
            String caseId,
            Volume labels,
            LabelSpec spec,
            Restoration restoration,
            Optional<HostTensor> logits,
            int windows,
            Map<Phase, Duration> timings,
            Map<String, Object> provenance) {
        this.caseId = caseId;
        this.labels = labels;
        this.spec = spec;
        this.restoration = restoration;
        this.logits = logits;
        this.windows = windows;
        this.timings = Collections.unmodifiableMap(new EnumMap<>(timings));
        this.peakMemory = ProcessMemory.peakBytes();
        this.provenance = Collections.unmodifiableMap(new LinkedHashMap<>(provenance));
    }

    /** Returns the case. */
    public String caseId() {
        return caseId;
    }

    /** Returns the label map: one channel, in the input's geometry. */
    public Volume labels() {
        return labels;
    }

    /** Returns whether {@link #logits()} and {@link #probabilities()} can be had. */
    public boolean hasLogits() {
        return logits.isPresent();
    }

    /**
     * Returns the logits, one channel per region, in the input's geometry; ±30 where preprocessing cropped the input away.
     *
     * @throws IllegalStateException when the request didn't ask to keep them
     */
    public Volume logits() {
        return restored(kept(), -CERTAIN, CERTAIN);
    }

    /**
     * Returns the probabilities, one channel per region, in the input's geometry.
     *
     * @throws IllegalStateException when the request didn't ask to keep logits
     */
    public Volume probabilities() {
        return restored(spec.mode() == LabelSpec.Mode.SIGMOID ? sigmoid(kept()) : softmax(kept()), 0, 1);
    }

    private HostTensor kept() {
        return logits.orElseThrow(() ->
                new IllegalStateException("the logits of case '" + caseId + "' weren't kept; ask for them first"));
    }

    /** Restores channels; outside the crop every region is absent, and the background of exclusive classes is present. */
    private Volume restored(HostTensor channels, float absent, float present) {
        Volume volume = restoration.scalar(channels, absent);
        if (spec.mode() == LabelSpec.Mode.SOFTMAX) {
            HostTensor background =
                    HostTensor.zeros(DType.FLOAT32, channels.size(1), channels.size(2), channels.size(3));
            int voxels = Math.toIntExact(background.elements());
            background.floatBuffer().put(0, channels.floatBuffer(), 0, voxels);
            float[] values = restoration.scalar(background, present).values();
            System.arraycopy(values, 0, volume.values(), 0, values.length);
        }
        return volume;
    }

    private static HostTensor sigmoid(HostTensor logits) {
        HostTensor probabilities = HostTensor.zeros(DType.FLOAT32, logits.shape());
        FloatBuffer from = logits.floatBuffer();
        FloatBuffer to = probabilities.floatBuffer();
        while (from.hasRemaining()) {
            to.put((float) (1 / (1 + Math.exp(-from.get()))));
        }
        return probabilities;
    }

    private static HostTensor softmax(HostTensor logits) {
        HostTensor probabilities = HostTensor.zeros(DType.FLOAT32, logits.shape());
        int classes = Math.toIntExact(logits.size(0));
        int voxels = Math.toIntExact(logits.elements()) / classes;
        FloatBuffer from = logits.floatBuffer();
        FloatBuffer to = probabilities.floatBuffer();
        double[] powers = new double[classes];
        for (int n = 0; n < voxels; n++) {
            float largest = Float.NEGATIVE_INFINITY;
            for (int c = 0; c < classes; c++) {
                largest = Math.max(largest, from.get(c * voxels + n));
            }
            double sum = 0;
            for (int c = 0; c < classes; c++) {
                powers[c] = Math.exp(from.get(c * voxels + n) - largest);
                sum += powers[c];
            }
            for (int c = 0; c < classes; c++) {
                to.put(c * voxels + n, (float) (powers[c] / sum));
            }
        }
        return probabilities;
    }

    /** Returns how many windows were predicted. */
    public int windows() {
        return windows;
    }

    /** Returns how long each phase took. */
    public Map<Phase, Duration> timings() {
        return timings;
    }

    /** Returns how long all phases took together. */
    public Duration duration() {
        return timings.entrySet().stream()
                .filter(entry -> entry.getKey() != Phase.NETWORK)
                .map(Map.Entry::getValue)
                .reduce(Duration.ZERO, Duration::plus);
    }

    /** Returns the largest memory this process had used when the case was done, in bytes; empty where the system doesn't tell. */
    public OptionalLong peakMemoryBytes() {
        return peakMemory;
    }

    /** Returns what made this result: software, model, inputs, with their hashes. */
    public Map<String, Object> provenance() {
        return provenance;
    }

    @Override
    public String toString() {
        return "segmentation of " + caseId + ", " + labels;
    }
}
