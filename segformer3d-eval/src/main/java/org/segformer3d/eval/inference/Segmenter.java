package org.segformer3d.eval.inference;

import java.io.IOException;
import java.io.UncheckedIOException;
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

    /** A collection takes a tenth of a second, which is little beside the time such a case takes. */
    private static final long LARGE = 3L << 29;

    private final Backend backend;
    private final MemoryBudget budget;
    private final ModelBundle bundle;
    private final SegmentationModel model;
    private final CaseLoader loader;
    private final String configurationHash;
    private final String weightsHash;

    private Segmenter(Backend backend, ModelBundle bundle, SegmentationModel model, MemoryBudget budget) {
        this.backend = backend;
        this.budget = budget;
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
        return open(backend, bundle, MemoryBudget.AVAILABLE);
    }

    /**
     * Loads a bundle and keeps to a memory budget, as far as it can be estimated.
     *
     * @param budget never {@code null}
     * @see #open(Backend, ModelBundle)
     */
    public static Segmenter open(Backend backend, ModelBundle bundle, MemoryBudget budget) {
        Objects.requireNonNull(bundle, "bundle");
        Objects.requireNonNull(budget, "budget");
        return new Segmenter(backend, bundle, backend.load(bundle.config(), bundle.weights()), budget);
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
     * @throws MemoryExceededException when the case doesn't fit the budget in any way
     * @throws IllegalStateException when the segmenter is closed
     */
    public SegmentationResult segment(SegmentationRequest request) throws IOException {
        requireOpen();
        LoadedCase loaded = loader.load(request.input());
        return predict(loaded, request, plan(loaded, request, budget.bytes())).restore();
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
        LoadedCase loaded = loader.load(caseId, channels);
        try {
            return predict(loaded, request, plan(loaded, request, budget.bytes()))
                    .restore();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns what reads and prepares cases for this model. */
    CaseLoader loader() {
        return loader;
    }

    /** Returns the memory it keeps to. */
    MemoryBudget budget() {
        return budget;
    }

    /**
     * Chooses how a case is predicted.
     *
     * @param bytes the process may take
     * @throws MemoryExceededException when the case doesn't fit in any way
     */
    MemoryPlan plan(LoadedCase loaded, SegmentationRequest request, long bytes) {
        return MemoryPlan.choose(
                bundle.inference(),
                bundle.config(),
                model.implementation().equals("fused"),
                new MemoryPlan.Task(
                        loaded.id(),
                        loaded.scan().size(),
                        loaded.scan().restoration().inputGeometry().size(),
                        request.keepLogits(),
                        request.scratch().isPresent()),
                bytes,
                Runtime.getRuntime().maxMemory());
    }

    /**
     * Runs the network over a case.
     *
     * @throws IOException when kept logits can't be written to a temporary file
     */
    PredictedCase predict(LoadedCase loaded, SegmentationRequest request, MemoryPlan plan) throws IOException {
        requireOpen();
        long start = System.nanoTime();
        long[] network = {0};
        Grid size = loaded.scan().size();
        LabelCollector labels = new LabelCollector(bundle.labels(), size);
        collectGarbage(plan);
        Optional<LogitsStore> logits =
                request.keepLogits() ? Optional.of(store(size, request, plan)) : Optional.empty();
        try {
            SlabConsumer consumer = logits.isEmpty()
                    ? labels
                    : (from, row, block) -> {
                        labels.accept(from, row, block);
                        logits.get().accept(from, row, block);
                    };
            plan.window().stream(
                    bundle.inference().around(new TimedPredictor(Predictor.of(model), network)),
                    ImageRows.of(loaded.scan()),
                    plan.stream(),
                    request.listener(),
                    consumer);
        } catch (RuntimeException | Error e) {
            logits.ifPresent(LogitsStore::close);
            if (e instanceof UncheckedIOException io) {
                throw io.getCause();
            }
            throw e;
        }
        collectGarbage(plan);
        Map<Phase, Duration> timings = new EnumMap<>(loaded.timings());
        timings.put(Phase.PREDICT, Duration.ofNanos(System.nanoTime() - start));
        timings.put(Phase.NETWORK, Duration.ofNanos(network[0]));
        return new PredictedCase(
                loaded.id(),
                labels.labels(),
                logits,
                bundle.labels(),
                bundle.inference().postprocessing(),
                loaded.scan().restoration(),
                plan.windows(),
                timings,
                provenance(loaded.files()));
    }

    private LogitsStore store(Grid size, SegmentationRequest request, MemoryPlan plan) throws IOException {
        int classes = bundle.config().numClasses();
        return plan.logitsInMemory()
                ? LogitsStore.inMemory(classes, size)
                : LogitsStore.inFile(classes, size, request.scratch().orElseThrow());
    }

    /**
     * Gives the collector a hint before large arrays are made: left to itself it would let the heap grow, up to its limit, before it
     * looks for arrays that nobody needs any more.
     */
    private static void collectGarbage(MemoryPlan plan) {
        if (plan.bytes() > LARGE) {
            System.gc();
        }
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
