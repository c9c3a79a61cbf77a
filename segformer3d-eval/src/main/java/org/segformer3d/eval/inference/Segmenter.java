package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.ImageNames;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult.Phase;
import org.segformer3d.eval.result.Provenance;

/**
 * A model bundle loaded on a backend, ready to segment scans: reading, preprocessing, sliding window, and back to the scan's geometry.
 *
 * <p>Safe for use by several threads at once, each with a case of its own; the time a phase took is then the time the thread waited.
 */
public final class Segmenter implements AutoCloseable {
    /** Largest distance in voxels between corresponding corners of a case's channels. */
    public static final double TOLERANCE_VOXELS = 1e-3;

    private final Backend backend;
    private final ModelBundle bundle;
    private final SegmentationModel model;
    private final Preprocessor preprocessor;
    private final String configurationHash;
    private final String weightsHash;

    private Segmenter(Backend backend, ModelBundle bundle, SegmentationModel model) {
        this.backend = backend;
        this.bundle = bundle;
        this.model = model;
        this.preprocessor = new Preprocessor(bundle.preprocessing());
        this.configurationHash = bundle.configurationHash();
        this.weightsHash = bundle.weights().hash();
    }

    /**
     * Loads a bundle.
     *
     * @param backend stays the caller's and must outlive the segmenter, never {@code null}
     * @param bundle with the inference settings to use, see {@link ModelBundle#withInference}, never {@code null}
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit the network
     */
    public static Segmenter open(Backend backend, ModelBundle bundle) {
        Objects.requireNonNull(bundle, "bundle");
        return new Segmenter(backend, bundle, backend.load(bundle.config(), bundle.weights()));
    }

    /** Returns the bundle. */
    public ModelBundle bundle() {
        return bundle;
    }

    /** Returns the backend. */
    public Backend backend() {
        return backend;
    }

    /**
     * Segments one case and keeps the labels only.
     *
     * @param channelFiles one file per channel in channel order, or one file with all channels
     * @see #segment(SegmentationRequest)
     */
    public SegmentationResult segment(List<Path> channelFiles) throws IOException {
        if (channelFiles.isEmpty()) {
            throw new IllegalArgumentException("found no files, expected one per channel or one with all channels");
        }
        return segment(
                SegmentationRequest.of(new Case(ImageNames.stem(channelFiles.get(0)), channelFiles, Optional.empty())));
    }

    /**
     * Segments one case.
     *
     * @param request the case and what to keep, never {@code null}
     * @return labels in the input's own geometry
     * @throws DatasetException when the files don't have the channels the model takes or don't lie in the same place
     * @throws org.segformer3d.data.preprocessing.InvalidCaseException when values aren't finite
     * @throws IOException when a file can't be read
     * @throws IllegalStateException when the segmenter is closed
     */
    public SegmentationResult segment(SegmentationRequest request) throws IOException {
        requireOpen();
        long start = System.nanoTime();
        Case input = request.input();
        List<Volume> channels = read(input);
        List<Map<String, Object>> files = new ArrayList<>();
        for (Path file : input.images()) {
            files.add(Map.of("file", file.toString(), "sha256", Sha256.of(file)));
        }
        Map<Phase, Duration> timings = new EnumMap<>(Phase.class);
        timings.put(Phase.READ, Duration.ofNanos(System.nanoTime() - start));
        return segment(input.id(), channels, request, timings, files);
    }

    /**
     * Segments volumes that are in memory already.
     *
     * @param caseId what messages call the case
     * @param channels one volume per channel in channel order, or one with all channels
     * @throws org.segformer3d.data.preprocessing.InvalidCaseException when the volumes don't fit together or values aren't finite
     * @throws IllegalArgumentException when there are other channels than the model takes
     */
    public SegmentationResult segment(String caseId, List<Volume> channels) {
        requireOpen();
        int found = channels.stream().mapToInt(Volume::channels).sum();
        if (found != bundle.config().inChannels()) {
            throw new IllegalArgumentException(caseId + ": found " + found + " channels, expected "
                    + bundle.config().inChannels() + " as the model '" + bundle.name() + "' takes");
        }
        SegmentationRequest request =
                SegmentationRequest.of(new Case(caseId, List.of(Path.of("memory")), Optional.empty()));
        return segment(caseId, new ArrayList<>(channels), request, new EnumMap<>(Phase.class), List.of());
    }

    /** Segments; {@code channels} is emptied as soon as they are prepared, so that their memory can be used again. */
    private SegmentationResult segment(
            String caseId,
            List<Volume> channels,
            SegmentationRequest request,
            Map<Phase, Duration> timings,
            List<Map<String, Object>> files) {
        long start = System.nanoTime();
        PreparedCase prepared = preprocessor.prepare(caseId, channels, Optional.empty());
        channels.clear();
        start = lap(timings, Phase.PREPARE, start);

        HostTensor image = prepared.image();
        SlidingWindow window = bundle.inference().window();
        LabelCollector labels = new LabelCollector(bundle.labels(), image);
        LogitsCollector logits = new LogitsCollector(image);
        SlabConsumer consumer = request.keepLogits()
                ? (from, slab) -> {
                    labels.accept(from, slab);
                    logits.accept(from, slab);
                }
                : labels;
        window.stream(bundle.inference().around(model::predict), image, request.listener(), consumer);
        start = lap(timings, Phase.PREDICT, start);

        Volume restored = prepared.restoration().labels(labels.labels());
        lap(timings, Phase.RESTORE, start);
        Grid size = prepared.size();
        return new SegmentationResult(
                caseId,
                restored,
                bundle.labels(),
                prepared.restoration(),
                request.keepLogits() ? Optional.of(logits.whole()) : Optional.empty(),
                window.windows(size),
                timings,
                provenance(files));
    }

    private List<Volume> read(Case input) throws IOException {
        List<Volume> channels = new ArrayList<>();
        int found = 0;
        for (Path file : input.images()) {
            Volume volume = CaseReader.read(file);
            if (!channels.isEmpty()) {
                requireSamePlace(input.images().get(0), channels.get(0).geometry(), file, volume.geometry());
            }
            found += volume.channels();
            channels.add(volume);
        }
        int expected = bundle.config().inChannels();
        if (found != expected) {
            String names = input.images().stream().map(Path::toString).collect(Collectors.joining(", "));
            throw new DatasetException(
                    input.images().get(0),
                    "case '" + input.id() + "': found " + found + (found == 1 ? " channel" : " channels") + " in "
                            + names + ", expected " + expected + " as the model '" + bundle.name()
                            + "' takes; give one file per channel in channel order, or one 4D file");
        }
        return channels;
    }

    private static void requireSamePlace(Path firstFile, Geometry first, Path file, Geometry other)
            throws DatasetException {
        if (!first.size().equals(other.size())) {
            throw new DatasetException(
                    file,
                    "found " + other.size() + " voxels, expected " + first.size() + " as in " + firstFile
                            + "; resample the channels to one grid first");
        }
        double[] spacing = first.spacing();
        double smallest = Math.min(spacing[0], Math.min(spacing[1], spacing[2]));
        if (!first.coincidesWith(other, TOLERANCE_VOXELS * smallest)) {
            throw new DatasetException(
                    file,
                    "found affine " + other.affine() + ", expected " + first.affine() + " as in " + firstFile
                            + " to within " + TOLERANCE_VOXELS + " voxels; register the channels first");
        }
    }

    private static long lap(Map<Phase, Duration> timings, Phase phase, long start) {
        long now = System.nanoTime();
        timings.put(phase, Duration.ofNanos(now - start));
        return now;
    }

    private Map<String, Object> provenance(List<Map<String, Object>> files) {
        Map<String, Object> map = Provenance.of(backend);
        map.put("implementation", model.implementation());
        Map<String, Object> of = new LinkedHashMap<>();
        of.put("name", bundle.name());
        of.put("weights_hash", weightsHash);
        of.put("configuration_hash", configurationHash);
        of.put("inference", bundle.inference().toMap());
        of.put("provenance", bundle.provenance());
        map.put("model", of);
        map.put("inputs", files);
        return map;
    }

    private void requireOpen() {
        if (model.isClosed()) {
            throw new IllegalStateException("the segmenter is closed");
        }
    }

    /** Releases the model. Has no effect on a closed segmenter. */
    @Override
    public void close() {
        model.close();
    }
}
