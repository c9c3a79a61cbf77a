package org.segformer3d.eval.inference;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.Restoration;
import org.segformer3d.data.volume.ChannelSource;
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
    private final Optional<LogitsStore> logits;
    private final int windows;
    private final Map<Phase, Duration> timings;
    private final OptionalLong peakMemory;
    private final Map<String, Object> provenance;

    SegmentationResult(
            String caseId,
            Volume labels,
            LabelSpec spec,
            Restoration restoration,
            Optional<LogitsStore> logits,
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
     * Returns the logits, one channel per region, in the input's geometry; ±30 where preprocessing cropped the input away. Those of an
     * {@link Ensemble} are the ones whose softmax or sigmoid is the mean of its members' probabilities.
     *
     * @throws IllegalStateException when the request didn't ask to keep them
     * @throws UncheckedIOException when they are in a temporary file that can't be read
     */
    public Volume logits() {
        return volume(logitsSource());
    }

    /**
     * Returns the probabilities, one channel per region, in the input's geometry.
     *
     * @throws IllegalStateException when the request didn't ask to keep logits
     * @throws UncheckedIOException when they are in a temporary file that can't be read
     */
    public Volume probabilities() {
        try (LogitsStore softmax = softmaxOf(kept())) {
            return volume(probabilitiesSource(softmax));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Writes {@link #logits()} as an image without having all channels in memory.
     *
     * @throws IllegalStateException when the request didn't ask to keep them
     * @throws IOException when writing fails; nothing is changed then
     */
    public void writeLogits(Path file) throws IOException {
        writeLogits(file, DType.FLOAT32);
    }

    /**
     * As {@link #writeLogits(Path)}, rounded.
     *
     * @param precision float32, or float16 for values rounded to half precision; they are stored as float32 all the same, because NIfTI
     *     has no type of 16 bits for them, and a gzipped file of them is much smaller
     */
    public void writeLogits(Path file, DType precision) throws IOException {
        VolumeFiles.write(file, restoration.inputGeometry(), kept().channels(), rounded(logitsSource(), precision));
    }

    /**
     * Writes {@link #probabilities()} as an image without having all channels in memory.
     *
     * @throws IllegalStateException when the request didn't ask to keep logits
     * @throws IOException when writing fails; nothing is changed then
     */
    public void writeProbabilities(Path file) throws IOException {
        writeProbabilities(file, DType.FLOAT32);
    }

    /**
     * As {@link #writeProbabilities(Path)}, rounded.
     *
     * @param precision as for {@link #writeLogits(Path, DType)}
     */
    public void writeProbabilities(Path file, DType precision) throws IOException {
        try (LogitsStore softmax = softmaxOf(kept())) {
            VolumeFiles.write(
                    file,
                    restoration.inputGeometry(),
                    kept().channels(),
                    rounded(probabilitiesSource(softmax), precision));
        }
    }

    private static ChannelSource rounded(ChannelSource source, DType precision) {
        return switch (precision) {
            case FLOAT32 -> source;
            case FLOAT16 -> c -> HalfPrecision.round(source.channel(c));
            default ->
                throw new IllegalArgumentException("precision: found " + precision + ", expected float32 or float16");
        };
    }

    /**
     * Writes how uncertain the network was as an image: 0 where it was certain, 1 where it might as well have guessed. For exclusive
     * classes it is the entropy of their probabilities, −Σ p ln p / ln K; for regions the largest of their own,
     * −(p ln p + (1−p) ln(1−p)) / ln 2. Where preprocessing cropped the input away it is 0.
     *
     * @throws IllegalStateException when the request didn't ask to keep logits
     * @throws IOException when writing fails; nothing is changed then
     */
    public void writeUncertainty(Path file) throws IOException {
        try (LogitsStore entropy = kept().mapped(
                        spec.mode() == LabelSpec.Mode.SOFTMAX
                                ? SegmentationResult::softmaxEntropy
                                : SegmentationResult::sigmoidEntropy)) {
            VolumeFiles.write(file, restoration.inputGeometry(), 1, c -> restoration.scalar(entropy.channel(0), 0));
        }
    }

    /** Puts the entropy of all channels in the first one. */
    private static void softmaxEntropy(float[][] values, int count) {
        softmax(values, count);
        double most = Math.log(values.length);
        for (int n = 0; n < count; n++) {
            double sum = 0;
            for (float[] channel : values) {
                sum -= channel[n] > 0 ? channel[n] * Math.log(channel[n]) : 0;
            }
            values[0][n] = (float) (values.length == 1 ? 0 : sum / most);
        }
    }

    /** Puts the largest entropy of a channel in the first one. */
    private static void sigmoidEntropy(float[][] values, int count) {
        for (int n = 0; n < count; n++) {
            double largest = 0;
            for (float[] channel : values) {
                // of a probability p = σ(−|x|) ≤ ½, which stays exact for large |x|
                double p = 1 / (1 + Math.exp(Math.abs(channel[n])));
                double entropy = p > 0 ? -(p * Math.log(p) + (1 - p) * Math.log1p(-p)) : 0;
                largest = Math.max(largest, entropy);
            }
            values[0][n] = (float) (largest / Math.log(2));
        }
    }

    private LogitsStore kept() {
        return logits.orElseThrow(() ->
                new IllegalStateException("the logits of case '" + caseId + "' weren't kept; ask for them first"));
    }

    private ChannelSource logitsSource() {
        LogitsStore store = kept();
        return c -> restoration.scalar(store.channel(c), outside(c, -CERTAIN, CERTAIN));
    }

    /** Returns the softmax of exclusive classes in a store of its own; empty for regions, whose channels need each other not. */
    private LogitsStore softmaxOf(LogitsStore store) throws IOException {
        return spec.mode() == LabelSpec.Mode.SOFTMAX ? store.mapped(SegmentationResult::softmax) : null;
    }

    private ChannelSource probabilitiesSource(LogitsStore softmax) {
        return c -> {
            float[] values = softmax != null ? softmax.channel(c) : kept().channel(c);
            for (int n = 0; softmax == null && n < values.length; n++) {
                values[n] = (float) (1 / (1 + Math.exp(-values[n])));
            }
            return restoration.scalar(values, outside(c, 0, 1));
        };
    }

    /** Returns what lies outside the crop: every region is absent, and the background of exclusive classes is present. */
    private float outside(int channel, float absent, float present) {
        return spec.mode() == LabelSpec.Mode.SOFTMAX && channel == 0 ? present : absent;
    }

    private Volume volume(ChannelSource source) {
        int voxels = restoration.inputGeometry().size().tokens();
        int channels = kept().channels();
        float[] values = new float[Math.multiplyExact(channels, voxels)];
        try {
            for (int c = 0; c < channels; c++) {
                System.arraycopy(source.channel(c), 0, values, c * voxels, voxels);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Volume.of(values, channels, restoration.inputGeometry());
    }

    private static void softmax(float[][] values, int count) {
        double[] powers = new double[values.length];
        for (int n = 0; n < count; n++) {
            float largest = Float.NEGATIVE_INFINITY;
            for (float[] channel : values) {
                largest = Math.max(largest, channel[n]);
            }
            double sum = 0;
            for (int c = 0; c < powers.length; c++) {
                powers[c] = Math.exp(values[c][n] - largest);
                sum += powers[c];
            }
            for (int c = 0; c < powers.length; c++) {
                values[c][n] = (float) (powers[c] / sum);
            }
        }
    }

    /** Gives up what is kept of the logits, a temporary file perhaps. Labels stay. */
    void release() {
        logits.ifPresent(LogitsStore::close);
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
