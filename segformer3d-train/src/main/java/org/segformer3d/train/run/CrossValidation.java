package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.bundle.EnsembleFolder;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.TrainingOutcome.End;

/**
 * Cross-validation: every case is segmented once by a network that has never seen it, neither to learn from it nor to choose its weights by it.
 *
 * <p>The cases that the experiment keeps for the end stay out of it. The others are divided into folds, by patient where the data set tells whose
 * each case is. The run of a fold keeps the fold's cases for its own end and draws its validation cases, which choose the weights, from the rest.
 * When all folds are there, what they predicted is gathered and scored as one set, postprocessing is chosen on it, the folds' models become an
 * ensemble, and the ensemble segments the experiment's test cases.
 *
 * <pre>
 * splits/fold-K.json     who trains, validates and tests in fold K
 * fold-K/                the run of fold K
 * predictions/           the held-out predictions of all cases, and evaluation.json, evaluation.csv … of them beside the folder
 * ensemble/              the folds' bundles with the postprocessing that was chosen; predict and serve take the folder as --model
 * test/                  predictions and scores of the experiment's test cases by the ensemble
 * cross-validation.json  all figures
 * report.html            the same for people, with the held-out predictions
 * </pre>
 */
public final class CrossValidation {
    private static final String SUMMARY = "cross-validation.json";

    private final ExperimentConfig config;
    private final Path folder;
    private final SegmentationDataset dataset;
    private final Split outer;
    private final List<Split> folds;

    private CrossValidation(
            ExperimentConfig config, Path folder, SegmentationDataset dataset, Split outer, List<Split> folds) {
        this.config = config;
        this.folder = folder;
        this.dataset = dataset;
        this.outer = outer;
        this.folds = folds;
    }

    /**
     * What came of a call.
     *
     * @param complete whether every fold has been trained
     * @param missing folds that haven't, from 0
     * @param scores of the held-out predictions of all cases; empty while folds are missing
     * @param foldDice mean Dice of each fold's own cases; empty while folds are missing
     * @param choice postprocessing chosen on the held-out predictions; empty while folds are missing
     * @param ensemble folder of the ensemble; empty while folds are missing
     * @param test scores of the experiment's test cases by the ensemble; empty where there are none
     */
    public record Outcome(
            boolean complete,
            List<Integer> missing,
            Optional<EvaluationSummary> scores,
            List<Double> foldDice,
            Optional<PostprocessingChoice> choice,
            Optional<Path> ensemble,
            Optional<EvaluationSummary> test) {}

    /**
     * Divides the cases; nothing is written.
     *
     * @param config the experiment, never {@code null}
     * @param folds how many, at least 2
     * @param folder where everything goes
     * @throws ConfigException when the experiment's data can't be divided so
     * @throws IOException when the data set can't be read
     */
    public static CrossValidation of(ExperimentConfig config, int folds, Path folder) throws IOException {
        if (config.dataset().type().isOfficial()) {
            throw ConfigException.of(
                    "dataset_parameters.dataset_type",
                    config.dataset().type().name().toLowerCase(java.util.Locale.ROOT),
                    "a data set with its cases in one folder; divide lists with segformer3d split --folds and train"
                            + " each fold");
        }
        SegmentationDataset dataset = TrainingData.dataset(config.dataset());
        Split outer = TrainingData.split(config.dataset(), dataset);
        List<String> pool = new ArrayList<>(outer.train());
        pool.addAll(outer.validation());
        long seed = config.dataset().split().seed();
        double share = config.dataset().split().validationFraction();
        List<Split> all = new ArrayList<>();
        try {
            for (Split fold : Split.kFold(Split.groups(pool, dataset::groupOf), folds, seed)) {
                Split members = fold.members(pool, dataset::groupOf);
                Split inner = share > 0
                        ? Split.byGroup(
                                members.train(), dataset::groupOf, groups -> Split.trainTest(groups, 1 - share, seed))
                        : new Split(members.train(), List.of(), List.of());
                all.add(new Split(inner.train(), inner.test(), members.validation()));
            }
        } catch (IllegalArgumentException e) {
            throw new ConfigException("cross-validation: " + e.getMessage());
        }
        return new CrossValidation(config, folder.toAbsolutePath().normalize(), dataset, outer, all);
    }

    /** Returns how many folds there are. */
    public int folds() {
        return folds.size();
    }

    /**
     * Trains folds that aren't trained yet, and gathers what all predicted when none is missing any more.
     *
     * @param which numbers of folds to train, from 0
     * @param options as of a training; with {@link TrainerOptions#resume()} folds go on from their last checkpoints and finished ones stay
     * @throws CancellationException when it was asked to stop; {@link TrainerOptions#resuming} goes on
     * @throws IOException as {@link Trainer#run}, and when the folder holds other folds
     */
    public Outcome run(Collection<Integer> which, TrainerOptions options) throws IOException {
        ExperimentConfig effective = options.applyTo(config);
        try (Backend backend = BackendChoice.open(effective)) {
            return run(which, options, backend);
        }
    }

    /**
     * Trains on a backend that is open already, whatever the experiment says about backends.
     *
     * @param backend stays the caller's, never {@code null}
     * @see #run(Collection, TrainerOptions)
     */
    public Outcome run(Collection<Integer> which, TrainerOptions options, Backend backend) throws IOException {
        writeSplits(options.resume());
        for (int fold : new TreeSet<>(which)) {
            if (isDone(fold)) {
                requireSame(fold);
                options.listener().message("fold " + fold + " of " + folds.size() + " is trained");
                continue;
            }
            options.listener().message("fold " + fold + " of " + folds.size());
            boolean begun = Files.isDirectory(runFolder(fold));
            TrainingOutcome outcome =
                    Trainer.run(experiment(fold), options.resuming(options.resume() && begun), backend);
            if (outcome.end() == End.STOPPED) {
                throw new CancellationException("stopped in fold " + fold + " after " + outcome.epochs()
                        + " epochs; the same command with --resume goes on");
            }
        }
        List<Integer> missing = new ArrayList<>();
        for (int fold = 0; fold < folds.size(); fold++) {
            if (!isDone(fold)) {
                missing.add(fold);
            }
        }
        return missing.isEmpty()
                ? gather(options, backend)
                : new Outcome(
                        false,
                        missing,
                        Optional.empty(),
                        List.of(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty());
    }

    /** Writes who is in which fold, or makes sure that it is what is written there already. */
    private void writeSplits(boolean resume) throws IOException {
        Path splits = folder.resolve("splits");
        boolean begun = Files.isDirectory(splits);
        if (begun && !resume) {
            throw new RunFolderException(
                    folder,
                    "a cross-validation was begun here; add --resume to go on with it, or choose another folder");
        }
        if (!begun) {
            Files.createDirectories(folder);
            AtomicFiles.replaceDirectory(splits, target -> {
                for (int fold = 0; fold < folds.size(); fold++) {
                    folds.get(fold).write(target.resolve(splitFile(fold).getFileName()));
                }
            });
        }
        for (int fold = 0; fold < folds.size(); fold++) {
            if (!Files.exists(splitFile(fold))
                    || Files.exists(splitFile(folds.size()))
                    || !Split.read(splitFile(fold)).equals(folds.get(fold))) {
                throw new RunFolderException(
                        folder,
                        "its folds (splits/) are others than this experiment's " + folds.size()
                                + "; give the folds, seed and data it was begun with, or choose another folder");
            }
        }
    }

    private Path splitFile(int fold) {
        return folder.resolve("splits").resolve("fold-" + fold + ".json");
    }

    private Path runFolder(int fold) {
        return folder.resolve("fold-" + fold);
    }

    private Path testFolder(int fold) {
        return runFolder(fold).resolve("test");
    }

    private boolean isDone(int fold) {
        return Files.isDirectory(runFolder(fold).resolve("bundle"))
                && Files.isRegularFile(testFolder(fold).resolve("evaluation.json"));
    }

    /** Refuses a finished fold of another experiment: the figures of all folds stand for one. */
    private void requireSame(int fold) throws IOException {
        if (Files.exists(runFolder(fold).resolve(Trainer.PLAN))) {
            // What a plan chose stands in the resolved experiment in place of what was asked for.
            return;
        }
        Map<String, Object> now = experiment(fold).toFlatMap();
        Map<String, Object> then = ExperimentConfig.read(runFolder(fold).resolve(RunFolder.CONFIGURATION))
                .toFlatMap();
        for (Map.Entry<String, Object> entry : now.entrySet()) {
            String key = entry.getKey();
            Object before = then.get(key);
            if (!ExperimentConfig.isPlaceOrSpeed(key)
                    && !key.startsWith("output.")
                    && !key.startsWith("tracking.")
                    && !key.startsWith("dataset_parameters.split")
                    && !Objects.equals(before, entry.getValue())) {
                throw ConfigException.of(
                        key,
                        entry.getValue(),
                        before + ", with which fold " + fold + " was trained (" + runFolder(fold)
                                + "); all folds must have the same");
            }
        }
    }

    private ExperimentConfig experiment(int fold) {
        return config.withOverrides(List.of(
                "dataset_parameters.split={file: " + quoted(splitFile(fold)) + "}",
                "output.run_dir=" + quoted(runFolder(fold)),
                // What is chosen is chosen on all held-out predictions, which must not have been cleaned.
                "validation.choose_postprocessing=false",
                "validation.test=true"));
    }

    private static String quoted(Path path) {
        return "'" + path.toString().replace("'", "''") + "'";
    }

    private Outcome gather(TrainerOptions options, Backend backend) throws IOException {
        List<String> ids = new ArrayList<>();
        List<Double> foldDice = new ArrayList<>();
        List<ModelBundle> bundles = new ArrayList<>();
        List<Path> predicted = new ArrayList<>();
        for (int fold = 0; fold < folds.size(); fold++) {
            ids.addAll(folds.get(fold).test());
            EvaluationSummary own = EvaluationSummary.read(testFolder(fold).resolve("evaluation.json"));
            foldDice.add(own.meanOfClasses(Measure.DICE));
            bundles.add(ModelBundle.read(runFolder(fold).resolve("bundle")));
            for (String id : folds.get(fold).test()) {
                // All files of each, as some formats have their voxels in one of their own.
                predicted.addAll(VolumeFiles.readHeader(
                                testFolder(fold).resolve("predictions").resolve(id + dataset.resultEnding()))
                        .files());
            }
        }
        AtomicFiles.replaceDirectory(folder.resolve("predictions"), target -> {
            for (Path file : predicted) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        });
        ModelBundle first = bundles.get(0);
        TestRun held = new TestRun(dataset.select(ids), dataset.root(), folder, true, dataset.resultEnding());
        EvaluationSummary scores = held.evaluation().scoring(first.labels()).run();
        PostprocessingChoice choice =
                PostprocessingChoice.of(held.evaluation(), first.labels(), PostprocessingChoice.CANDIDATES);
        options.listener().message("postprocessing on the held-out predictions: " + choice.sentence());
        Map<String, Object> provenance = provenance(bundles);
        scores.write(folder, provenance);
        List<ModelBundle> members = bundles.stream()
                .map(bundle -> choice.in(
                        bundle,
                        choice.note(
                                bundle,
                                Map.of("chosen_on", "the held-out predictions of all cases in a cross-validation"))))
                .toList();
        Path ensemble = folder.resolve("ensemble");
        EnsembleFolder.write(ensemble, members, "fold-");
        Optional<EvaluationSummary> test = outer.test().isEmpty() ? Optional.empty() : test(members, options, backend);
        AtomicFiles.writeString(
                folder.resolve(SUMMARY), Json.pretty(summary(scores, foldDice, choice, test, provenance)));
        RunReport.writeCrossValidation(folder, config, dataset, dataset.select(ids), scores, provenance);
        return new Outcome(
                true, List.of(), Optional.of(scores), foldDice, Optional.of(choice), Optional.of(ensemble), test);
    }

    private Optional<EvaluationSummary> test(List<ModelBundle> members, TrainerOptions options, Backend backend)
            throws IOException {
        List<Case> cases = dataset.select(outer.test());
        options.listener().message("the ensemble segments " + cases.size() + " test cases");
        EvaluationSummary summary = new TestRun(
                        cases, dataset.root(), folder.resolve("test"), true, dataset.resultEnding())
                .run(backend, Ensemble.of(members), provenance(members), options.listener(), options.stop());
        if (summary == null) {
            throw new CancellationException(
                    "stopped while the ensemble segmented test cases; the same command with --resume goes on");
        }
        return Optional.of(summary);
    }

    private Map<String, Object> provenance(List<ModelBundle> bundles) {
        Map<String, Object> map = Provenance.ofSoftware();
        map.put("origin", "cross-validation with " + folds.size() + " folds");
        map.put("configuration_sha256", Json.hash(config.toMap()));
        map.put(
                "weights_sha256",
                bundles.stream().map(bundle -> bundle.weights().hash()).toList());
        return map;
    }

    private Map<String, Object> summary(
            EvaluationSummary scores,
            List<Double> foldDice,
            PostprocessingChoice choice,
            Optional<EvaluationSummary> test,
            Map<String, Object> provenance) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("folds", folds.size());
        map.put("cases", scores.cases().size());
        map.put("mean_dice", number(scores.meanOfClasses(Measure.DICE)));
        map.put(
                "mean_dice_by_fold",
                foldDice.stream().map(CrossValidation::number).toList());
        map.put("postprocessing", choice.toMap());
        map.put(
                "test_mean_dice_of_the_ensemble",
                test.map(one -> number(one.meanOfClasses(Measure.DICE))).orElse(null));
        map.put("provenance", provenance);
        return map;
    }

    /** JSON has no NaN. */
    private static Double number(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
