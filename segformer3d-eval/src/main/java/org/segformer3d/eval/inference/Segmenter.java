package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.ImageNames;
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
    private final CaseLoader loader;
    private final String configurationHash;
    private final String weightsHash;

    private Segmenter(Backend backend, ModelBundle bundle, SegmentationModel model) {
        this.backend = backend;
        this.bundle = bundle;
        this.model = model;
        this.loader = new CaseLoader(bundle);
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
        return predict(loader.load(request.input()), request).restore();
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
        SegmentationRequest request =
                SegmentationRequest.of(new Case(caseId, List.of(Path.of("memory")), Optional.empty()));
        return predict(loader.load(caseId, channels), request).restore();
    }

    /** Returns what reads and prepares cases for this model. */
    CaseLoader loader() {
        return loader;
    }

    /** Runs the network over a case. */
    PredictedCase predict(LoadedCase loaded, SegmentationRequest request) {
        requireOpen();
        long start = System.nanoTime();
        long[] network = {0};
        Grid size = loaded.scan().size();
        SlidingWindow window = bundle.inference().window();
        LabelCollector labels = new LabelCollector(bundle.labels(), size);
        LogitsCollector logits = new LogitsCollector(size);
        SlabConsumer consumer = request.keepLogits()
                ? (from, row, block) -> {
                    labels.accept(from, row, block);
                    logits.accept(from, row, block);
                }
                : labels;
        StreamPlan plan = StreamPlan.FASTEST;
        window.stream(
                bundle.inference().around(new TimedPredictor(Predictor.of(model), network)),
                ImageRows.of(loaded.scan()),
                plan,
                request.listener(),
                consumer);
        Map<Phase, Duration> timings = new EnumMap<>(loaded.timings());
        timings.put(Phase.PREDICT, Duration.ofNanos(System.nanoTime() - start));
        timings.put(Phase.NETWORK, Duration.ofNanos(network[0]));
        return new PredictedCase(
                loaded.id(),
                labels.labels(),
                request.keepLogits() ? Optional.of(logits.whole()) : Optional.empty(),
                bundle.labels(),
                loaded.scan().restoration(),
                window.windows(size, plan),
                timings,
                provenance(loaded.files()));
    }

    /** Adds up the time the network takes. */
    private record TimedPredictor(Predictor inner, long[] nanos) implements Predictor {
        @Override
        public HostTensor predict(HostTensor batch) {
            return predict(batch, Optional.empty());
        }

        @Override
        public HostTensor predict(HostTensor batch, Optional<HostTensor> spent) {
            long start = System.nanoTime();
            HostTensor logits = inner.predict(batch, spent);
            nanos[0] += System.nanoTime() - start;
            return logits;
        }
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
