package org.segformer3d.eval.inference;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
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
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.ImageNames;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult.Phase;
import org.segformer3d.eval.result.Provenance;

/**
 * A model bundle, or an {@link Ensemble} of several, loaded on a backend, ready to segment scans: reading, preprocessing, sliding
 * window, and back to the scan's geometry.
 *
 * <p>Safe for use by several threads at once, each with a case of its own; the time a phase took is then the time the thread waited.
 */
public final class Segmenter implements AutoCloseable {
    /** A collection takes a tenth of a second, which is little beside the time such a case takes. */
    private static final long LARGE = 3L << 29;

    private final Backend backend;
    private final MemoryBudget budget;
    private final Ensemble ensemble;
    private final List<SegmentationModel> models;
    private final CaseLoader loader;
    private final Map<String, Object> description;

    private Segmenter(Backend backend, Ensemble ensemble, List<SegmentationModel> models, MemoryBudget budget) {
        this.backend = backend;
        this.budget = budget;
        this.ensemble = ensemble;
        this.models = models;
        this.loader = new CaseLoader(ensemble.first());
        this.description = ensemble.toMap();
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
        return open(backend, Ensemble.of(bundle), budget);
    }

    /**
     * Loads bundles that predict together.
     *
     * @param ensemble never {@code null}
     * @see #open(Backend, ModelBundle, MemoryBudget)
     */
    public static Segmenter open(Backend backend, Ensemble ensemble, MemoryBudget budget) {
        Objects.requireNonNull(ensemble, "ensemble");
        Objects.requireNonNull(budget, "budget");
        List<SegmentationModel> models = new ArrayList<>();
        try {
            for (ModelBundle member : ensemble.members()) {
                models.add(backend.load(member.network(), member.weights()));
            }
            return new Segmenter(backend, ensemble, models, budget);
        } catch (RuntimeException | Error e) {
            models.forEach(SegmentationModel::close);
            throw e;
        }
    }

    /** Returns the bundle; of an ensemble the first, with which the others agree in all that scans and labels depend on. */
    public ModelBundle bundle() {
        return ensemble.first();
    }

    /** Returns the bundles that predict, perhaps only one. */
    public Ensemble ensemble() {
        return ensemble;
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
        List<MemoryPlan.Member> members = new ArrayList<>();
        for (int m = 0; m < models.size(); m++) {
            ModelBundle bundle = ensemble.members().get(m);
            members.add(new MemoryPlan.Member(
                    bundle.inference(),
                    bundle.network(),
                    models.get(m).implementation().equals("fused"),
                    bundle.weights().elements() * Float.BYTES));
        }
        return MemoryPlan.choose(
                members,
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
        LabelCollector labels = new LabelCollector(ensemble.labels(), size);
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
            stream(loaded, request, plan, network, consumer);
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
                ensemble.labels(),
                ensemble.postprocessing(),
                loaded.scan().restoration(),
                plan.windows(),
                timings,
                provenance(loaded.files()));
    }

    /** Hands out the logits of the only member, or those of all members' mean strip by strip. */
    private void stream(
            LoadedCase loaded, SegmentationRequest request, MemoryPlan plan, long[] network, SlabConsumer consumer) {
        ImageRows image = ImageRows.of(loaded.scan());
        if (models.size() == 1) {
            plan.window().stream(predictor(0, network), image, plan.stream(), request.listener(), consumer);
            return;
        }
        Grid size = image.size();
        List<int[]> strips = plan.strips(size.height());
        ProbabilityMean mean = new ProbabilityMean(ensemble.labels(), size, strips.get(0)[1]);
        int[] before = {0};
        request.listener().windowsDone(0, plan.windows());
        for (int[] strip : strips) {
            mean.begin(strip[0], strip[1] - strip[0]);
            for (int m = 0; m < models.size(); m++) {
                int[] last = {0};
                plan.passes().get(m).stream(
                        predictor(m, network),
                        image,
                        plan.stream(),
                        strip[0],
                        strip[1],
                        (done, total) -> {
                            if (done > 0) {
                                last[0] = done;
                                request.listener().windowsDone(before[0] + done, plan.windows());
                            }
                        },
                        mean);
                before[0] += last[0];
                mean.next();
            }
            mean.handOut(consumer);
        }
    }

    private Predictor predictor(int member, long[] network) {
        return ensemble.members()
                .get(member)
                .inference()
                .around(new TimedPredictor(Predictor.of(models.get(member)), network));
    }

    private LogitsStore store(Grid size, SegmentationRequest request, MemoryPlan plan) throws IOException {
        int classes = ensemble.labels().channels();
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
        map.put(
                "implementation",
                models.stream()
                        .map(SegmentationModel::implementation)
                        .distinct()
                        .collect(Collectors.joining(", ")));
        map.put("model", description);
        map.put("inputs", files);
        return map;
    }

    private void requireOpen() {
        if (models.get(0).isClosed()) {
            throw new IllegalStateException("the segmenter is closed");
        }
    }

    /** Releases the models. Has no effect on a closed segmenter. */
    @Override
    public void close() {
        models.forEach(SegmentationModel::close);
    }
}
