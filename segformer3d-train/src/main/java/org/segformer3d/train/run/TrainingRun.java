package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.training.DataParallel;
import org.segformer3d.api.training.TrainingBatch;
import org.segformer3d.api.training.TrainingSession;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.training.TrainingSpec;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.loading.Batch;
import org.segformer3d.data.loading.Epoch;
import org.segformer3d.data.loading.LoaderSpec;
import org.segformer3d.data.loading.PatchLoader;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.transform.RandomTransform;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Blend;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.StartSettings;
import org.segformer3d.train.config.TrainingSettings.EarlyStop;
import org.segformer3d.train.config.ValidationSettings;
import org.segformer3d.train.parallel.LostProcessException;
import org.segformer3d.train.parallel.ProcessTeam;
import org.segformer3d.train.run.Checkpoint.Position;
import org.segformer3d.train.run.TrainingOutcome.End;
import org.segformer3d.train.run.TrainingOutcome.TestScores;
import org.segformer3d.train.schedule.LearningRateSchedule;
import org.segformer3d.train.schedule.ScheduleSpec.Watched;
import org.segformer3d.train.tracking.EpochRecord;
import org.segformer3d.train.tracking.Tracker;

/** One run under way: the session, the loader, the trackers and the position. Used once, by one thread. */
final class TrainingRun implements AutoCloseable {
    /** How long after an operation of several processes failed it is known at the latest which one is gone. */
    private static final Duration KNOWN_AFTER = Duration.ofSeconds(5);

    private static final String OFFICIAL_DATA =
            "trained on what the official script makes of scans; the bundle's own preprocessing, from"
                    + " dataset_parameters.preprocessing, isn't that script's, so predict from scans treated alike";

    /** From this many bytes on, hashing takes long enough to say so. */
    private static final long LARGE_DATA = 2L << 30;

    private final ExperimentConfig config;
    private final TrainerOptions options;
    private final ProcessTeam team;
    private final TrainingData data;
    private final RunFolder folder;
    private final Backend backend;
    private final LearningRateSchedule schedule;
    private final Validation validation;
    private final int epochs;
    private final long startNanos = System.nanoTime();
    private final List<EpochRecord> history = new ArrayList<>();
    private final List<Tracker> trackers = new ArrayList<>();
    private final Pace pace = new Pace();

    private TrainingSession session;
    private PatchLoader loader;
    private Position position = Position.START;
    private List<String> fresh = List.of();
    private double lastLoss = Double.NaN;

    /** @param folder {@code null} on a process that doesn't lead: it writes nothing */
    TrainingRun(ExperimentConfig config, TrainerOptions options, TrainingData data, RunFolder folder, Backend backend) {
        this.config = config;
        this.options = options;
        this.team = options.team();
        this.data = data;
        this.folder = folder;
        this.backend = backend;
        this.schedule = new LearningRateSchedule(config.schedule());
        this.epochs = config.training().epochs();
        ValidationSettings v = config.validation();
        this.validation = new Validation(
                data.validation(),
                data.labels(),
                new InferenceSpec(
                        v.roi(), v.overlap(), v.gaussian() ? Blend.GAUSSIAN : Blend.CONSTANT, v.windowBatch()));
    }

    TrainingOutcome run() throws IOException {
        // Refuses what doesn't fit the data, so it comes before anything is written.
        loader = new PatchLoader(data.training(), data.labels(), loaderSpec(), team.rank(), team.size());
        try {
            return team.leads() ? lead() : follow();
        } catch (LostProcessException | BackendException e) {
            explain(e);
            throw e;
        } finally {
            closeTrackers();
        }
    }

    /** What several processes do together fails when one of them is gone; says which, when that was, and what is left. */
    private void explain(Exception failure) throws IOException {
        Optional<String> reason = team.reasonWithin(KNOWN_AFTER);
        if (reason.isEmpty() || session == null) {
            return;
        }
        String state = "";
        if (team.leads()) {
            state = Checkpoint.exists(folder.last())
                    ? "; the last checkpoint is " + folder.last() + "; go on from it with --resume"
                    : "; there is no checkpoint yet";
        }
        throw new LostProcessException(reason.get() + " at step " + (position.steps() + 1) + state, failure);
    }

    /** The part of a process that doesn't lead: it trains, and leaves everything else to the one that does. */
    private TrainingOutcome follow() throws IOException {
        meet();
        StateDict random = WeightInitializer.initialize(
                config.network().parameters(), config.training().seed());
        session = backend.train(spec(random), parallel());
        session.share();
        position = toldPosition(team.hearLeader(""));
        End end = trainEpochs();
        return new TrainingOutcome(
                end,
                config.output().runFolder().orElse(Path.of("")),
                position.epoch(),
                position.steps(),
                lastLoss,
                OptionalDouble.empty(),
                position.epoch() - 1,
                Optional.empty(),
                Optional.empty(),
                session.weights().hash(),
                (System.nanoTime() - startNanos) * 1e-9);
    }

    /** Waits for the other processes, and makes sure that all are about to do the same. */
    private void meet() throws IOException {
        if (team.size() == 1) {
            return;
        }
        Map<String, String> facts = new LinkedHashMap<>();
        config.toFlatMap().forEach((key, value) -> {
            boolean own = ExperimentConfig.isPlaceOrSpeed(key)
                    || key.startsWith("output.")
                    || key.startsWith("tracking.")
                    || key.startsWith("training_parameters.load_checkpoint.")
                    || key.equals("training_parameters.checkpoint_save_dir")
                    || key.equals("backend.threads")
                    || key.equals("backend.device");
            if (!own) {
                facts.put(key, String.valueOf(value));
            }
        });
        facts.put("the kind of device", backend.device().type().toString());
        facts.put("the backend", backend.name() + " " + backend.versions().getOrDefault(backend.name(), ""));
        facts.put("the data (names and sizes of the files)", data.fingerprint());
        facts.put(
                "the training cases (the split)",
                Sha256.of(String.join("\n", data.split().train())));
        team.requireSame(facts);
    }

    private DataParallel parallel() {
        return new DataParallel(team, config.training().synchronisesBatchNorm());
    }

    private TrainingSpec spec(StateDict weights) {
        return new TrainingSpec(
                config.network(),
                weights,
                config.loss(),
                config.optimizer(),
                config.training().clipNorm(),
                config.training().emaDecay(),
                config.training().recomputesActivations(),
                config.training().mixedPrecision());
    }

    private String positionToTell() {
        return position.epoch() + " " + position.batches() + " " + position.lossSum() + " " + position.steps();
    }

    private static Position toldPosition(String text) {
        String[] parts = text.split(" ");
        return new Position(
                Integer.parseInt(parts[0]),
                Integer.parseInt(parts[1]),
                Double.parseDouble(parts[2]),
                Long.parseLong(parts[3]),
                OptionalDouble.empty(),
                -1);
    }

    private TrainingOutcome lead() throws IOException {
        meet();
        Optional<Checkpoint> resumed = start();
        if (position.batches() > loader.batchesPerEpoch()) {
            // A checkpoint of a run on more data, taken amid an epoch that doesn't exist here.
            position = new Position(position.epoch(), 0, 0, position.steps(), position.best(), position.bestEpoch());
        }
        session.share();
        team.hearLeader(positionToTell());
        for (Tracker tracker : trackers) {
            tracker.start(history, position.steps());
        }
        options.listener()
                .started(new ProgressListener.Start(
                        folder.root(),
                        backend.name() + " on " + backend.device()
                                + (team.size() == 1 ? "" : ", " + team.size() + " processes"),
                        data.training().size(),
                        data.validation().size(),
                        data.test().size(),
                        position.epoch(),
                        epochs,
                        stepsPerEpoch(),
                        trainedParameters()));
        if (hasOtherPreprocessing()) {
            options.listener().message(OFFICIAL_DATA);
        }
        resumed.ifPresent(checkpoint -> options.listener()
                .message("going on after " + checkpoint.position().epoch() + " epochs and "
                        + checkpoint.position().steps() + " steps"));
        if (!fresh.isEmpty()) {
            options.listener()
                    .message("initialised anew, as the weights are of a network with other channels or classes: "
                            + String.join(", ", fresh));
        }
        TrainingOutcome outcome = finish(trainEpochs());
        for (Tracker tracker : trackers) {
            tracker.finished(outcome.end() != End.STOPPED);
        }
        return outcome;
    }

    /** Makes the session and brings it to where the run starts or goes on. */
    private Optional<Checkpoint> start() throws IOException {
        Optional<Checkpoint> checkpoint = Optional.empty();
        boolean resumes = options.resume() && Checkpoint.exists(folder.last());
        if (options.resume()) {
            if (resumes) {
                checkpoint = Optional.of(Checkpoint.read(folder.last()));
            } else {
                options.listener().message(folder.root() + " has no checkpoint yet; starting from the beginning");
            }
        }
        StartSettings start = config.start();
        if (checkpoint.isEmpty() && start.kind() == StartSettings.Kind.CHECKPOINT) {
            checkpoint = Optional.of(Checkpoint.read(start.path().orElseThrow()));
        }
        if (checkpoint.isPresent()) {
            List<String> changed =
                    new Continuation(config, data, team.size(), folder.root()).changes(checkpoint.get(), resumes);
            if (!changed.isEmpty() && resumes) {
                options.listener().message("going on with other values of " + String.join(", ", changed));
            }
        }
        TrainingState given = initialState(checkpoint, start);
        session = backend.train(spec(given.weights()), parallel());
        if (checkpoint.isPresent() || given.updates() > 0) {
            session.restore(given);
        }
        if (checkpoint.isPresent()) {
            Position found = checkpoint.get().position();
            history.addAll(checkpoint.get().history());
            // A run that merely starts from another run's checkpoint has no best weights of its own yet.
            position = resumes
                    ? found
                    : new Position(
                            found.epoch(), found.batches(), found.lossSum(), found.steps(), OptionalDouble.empty(), -1);
        }
        trackers.addAll(Trackers.of(config, folder));
        for (Tracker tracker : trackers) {
            tracker.connect(position.steps());
        }
        writing(folder.root(), () -> {
            writeProvenance(resumes);
            config.write(folder.config());
            data.split().write(folder.split());
        });
        return checkpoint;
    }

    private void writeProvenance(boolean isResumed) throws IOException {
        Map<String, Object> run = Provenance.of(backend);
        run.put("implementation", session.implementation());
        run.put("amp", config.training().mixedPrecision());
        run.put("processes", team.size());
        run.put("resumed", isResumed);
        run.put("epoch", position.epoch());
        run.put("steps", position.steps());
        run.put("weights_sha256", session.weights().hash());
        run.put("configuration_sha256", Json.hash(config.toMap()));
        if (!fresh.isEmpty()) {
            run.put("initialised_anew", fresh);
        }
        Map<String, Object> general = new LinkedHashMap<>();
        general.put("project", config.project());
        general.put("seed", config.training().seed());
        general.put("data", data.name());
        general.put("data_fingerprint", data.fingerprint());
        long bytes = 0;
        for (Path file : data.files()) {
            bytes += Files.exists(file) ? Files.size(file) : 0;
        }
        if (config.output().hashData() && bytes > LARGE_DATA) {
            options.listener()
                    .message("hashing the data, " + (bytes >> 30) + " GiB, for provenance.json; output.hash_data=false"
                            + " leaves that out");
        }
        RunProvenance.open(folder.file("provenance.json"), isResumed)
                .write(run, general, data.files(), config.output().hashData());
    }

    private TrainingState initialState(Optional<Checkpoint> checkpoint, StartSettings start) throws IOException {
        if (checkpoint.isPresent()) {
            TrainingState state = checkpoint.get().state();
            state.weights().require(config.network().parameters());
            return state;
        }
        if (start.kind() == StartSettings.Kind.WEIGHTS) {
            Path path = start.path().orElseThrow();
            StartingWeights from = StartingWeights.read(
                    path, config.network(), config.training().seed());
            StateDict weights = from.weights();
            fresh = from.fresh();
            if (start.withOptimizer() && !fresh.isEmpty()) {
                throw new ConfigException(
                        "training_parameters.load_optimizer: found true with weights of a network with other"
                                + " channels or classes (" + String.join(", ", fresh) + "), expected false");
            }
            if (start.withOptimizer()) {
                TrainingState state = Checkpoint.read(path).state();
                return new TrainingState(weights, state.optimizer(), state.averaged(), state.updates());
            }
            return new TrainingState(weights, StateDict.of(Map.of()), Optional.empty(), 0);
        }
        StateDict random = WeightInitializer.initialize(
                config.network().parameters(), config.training().seed());
        return new TrainingState(random, StateDict.of(Map.of()), Optional.empty(), 0);
    }

    private LoaderSpec loaderSpec() {
        DatasetSettings d = config.dataset();
        return new LoaderSpec(
                (d.type().isOfficial() ? d.batchSize() * d.samplesPerCase() : d.batchSize()) * team.size(),
                d.shuffled(),
                d.dropLast(),
                d.workers(),
                d.patch(),
                d.samplesPerCase(),
                d.foregroundFraction(),
                d.augmentation(),
                config.training().seed(),
                d.type().isOfficial());
    }

    private int stepsPerEpoch() {
        int n = config.training().accumulatedBatches();
        return (loader.batchesPerEpoch() + n - 1) / n;
    }

    private long trainedParameters() {
        return config.network().parameters().stream()
                .filter(spec -> spec.role().isTrained())
                .mapToLong(ParameterSpec::elements)
                .sum();
    }

    private End trainEpochs() throws IOException {
        while (position.epoch() < epochs) {
            // Validation and its history are the leader's, so is what follows from them.
            String rateOrEnd = team.hearLeader(
                    !team.leads()
                            ? ""
                            : stopsEarly()
                                    ? End.EARLY.name()
                                    : String.valueOf(schedule.rate(position.epoch(), watched())));
            if (rateOrEnd.equals(End.EARLY.name())) {
                options.listener().message("validation Dice has stopped rising; ending early");
                return End.EARLY;
            }
            int epoch = position.epoch();
            double rate = Double.parseDouble(rateOrEnd);
            long start = System.nanoTime();
            long waited = loader.waitNanos();
            if (!trainEpoch(epoch, rate)) {
                save();
                return End.STOPPED;
            }
            double seconds = (System.nanoTime() - start) * 1e-9;
            double waitSeconds = (loader.waitNanos() - waited) * 1e-9;
            boolean ended = !team.leads() || endEpoch(epoch, rate, seconds, waitSeconds);
            if (team.any(!ended)) {
                save();
                return End.STOPPED;
            }
            if (!team.leads()) {
                lastLoss = position.lossSum() / Math.max(1, position.batches());
                position = new Position(epoch + 1, 0, 0, position.steps(), OptionalDouble.empty(), -1);
            }
        }
        return End.FINISHED;
    }

    /**
     * Trains the batches of an epoch that aren't done yet.
     *
     * @return whether the epoch was finished; false when asked to stop
     */
    private boolean trainEpoch(int epoch, double rate) throws IOException {
        int group = config.training().accumulatedBatches();
        int total = loader.batchesPerEpoch();
        try (Epoch batches = loader.epoch(epoch)) {
            Iterator<Batch> iterator = batches.iterator();
            for (int done = 0; done < position.batches(); done++) {
                iterator.next();
            }
            pace.beginEpoch(loader.waitNanos());
            double groupLoss = 0;
            int inGroup = 0;
            int samples = 0;
            // The cases of the step under way: one entry a patch.
            List<String> cases = new ArrayList<>();
            while (position.batches() < total) {
                if (inGroup == 0 && team.any(options.stop().getAsBoolean())) {
                    return false;
                }
                Batch batch = iterator.next();
                cases.addAll(batch.caseIds());
                double share = loader.share(batch.index());
                double own = session.accumulate(
                        new TrainingBatch(
                                batch.input(),
                                batch.target(),
                                batch.mask(),
                                dropoutSeed(epoch, batch.index()),
                                loader.firstSample(batch.index())),
                        share / group);
                double loss = team.size() == 1 ? own : team.sum(share == 0 ? 0 : share * own);
                samples += loader.samples(batch.index());
                if (!Double.isFinite(loss)) {
                    throw diverged("the loss is " + loss, epoch, cases);
                }
                groupLoss += loss;
                inGroup++;
                boolean last = position.batches() + 1 == total;
                long steps = position.steps();
                if (inGroup == group || last) {
                    double norm = session.update(rate);
                    if (!Double.isFinite(norm)) {
                        throw diverged("the gradients' norm is " + norm, epoch, cases);
                    }
                    steps++;
                    tell(epoch, rate, steps, position.batches() + 1, groupLoss / inGroup, norm, samples);
                    samples = 0;
                    groupLoss = 0;
                    inGroup = 0;
                    cases.clear();
                }
                position = new Position(
                        epoch,
                        position.batches() + 1,
                        position.lossSum() + loss,
                        steps,
                        position.best(),
                        position.bestEpoch());
                // The last step of an epoch is saved with its validation.
                if (inGroup == 0 && !last && savesAmidEpoch(steps)) {
                    save();
                }
            }
        }
        return true;
    }

    private boolean savesAmidEpoch(long steps) {
        OptionalInt every = config.output().checkpointEverySteps();
        return every.isPresent() && steps % every.getAsInt() == 0;
    }

    /** All processes come here together: what they saw was the sum. */
    private TrainingDivergedException diverged(String what, int epoch, List<String> own) throws IOException {
        List<String> cases = team.gather(own);
        String good = !team.leads()
                ? "rank 0 says which checkpoint is left"
                : Checkpoint.exists(folder.last())
                        ? "the state before is in " + folder.last()
                        : "there is no earlier checkpoint";
        return new TrainingDivergedException(
                "epoch " + (epoch + 1) + ", step " + (position.steps() + 1) + ": " + what + " with the cases "
                        + String.join(", ", cases) + "; " + good
                        + "; try a lower learning rate, clip_gradients, or look at these cases",
                cases);
    }

    /** Random numbers of a forward pass depend on where it is in the run, not on what happened before. */
    private long dropoutSeed(int epoch, int batch) {
        SplittableRandom random = new SplittableRandom(config.training().seed());
        return random.nextLong() ^ (0x9e3779b97f4a7c15L * (epoch + 1)) ^ (0xbf58476d1ce4e5b9L * (batch + 1));
    }

    private void tell(int epoch, double rate, long steps, int batches, double loss, double norm, int patches)
            throws IOException {
        for (Tracker tracker : trackers) {
            tracker.step(steps, loss, norm);
        }
        int group = config.training().accumulatedBatches();
        int step = (batches + group - 1) / group;
        pace.step(patches);
        int stepsLeft = stepsPerEpoch() - step + (epochs - 1 - epoch) * stepsPerEpoch();
        options.listener()
                .step(new ProgressListener.Step(
                        epoch,
                        epochs,
                        step,
                        stepsPerEpoch(),
                        loss,
                        rate,
                        norm,
                        pace.patchesPerSecond(),
                        pace.remaining(stepsLeft, validationsAfter(epoch)),
                        pace.waitShare(loader.waitNanos())));
        if (steps % config.training().printEvery() == 0) {
            options.listener()
                    .message(String.format(
                            Locale.ROOT,
                            "step %d, epoch %d/%d: loss %.4f, rate %.2e, gradient norm %.3g",
                            steps,
                            epoch + 1,
                            epochs,
                            loss,
                            rate,
                            norm));
        }
    }

    /**
     * Validates where it is due, and saves.
     *
     * @return whether the epoch was finished; false when asked to stop
     */
    private boolean endEpoch(int epoch, double rate, double seconds, double waitSeconds) throws IOException {
        Validation.Result result = null;
        OptionalDouble validationLoss = OptionalDouble.empty();
        boolean averaged = usesAverage(epoch);
        StateDict averagedWeights = null;
        if (isValidated(epoch)) {
            long start = System.nanoTime();
            if (averaged) {
                averagedWeights = averagedWeights(epoch);
                if (averagedWeights == null) {
                    return false;
                }
            }
            try (SegmentationModel model =
                    averaged ? backend.load(config.network(), averagedWeights) : session.snapshot(false)) {
                if (config.validation().dice()) {
                    result = validation.run(model, options.listener(), this::stops);
                    if (result == null) {
                        return false;
                    }
                } else {
                    double loss = new PlainValidation(data.validation(), data.labels(), loaderSpec(), config.loss())
                            .run(backend, model, this::stops);
                    if (Double.isNaN(loss) && stops()) {
                        return false;
                    }
                    validationLoss = OptionalDouble.of(loss);
                    options.listener().message("epoch " + (epoch + 1) + ": validation loss " + (float) loss);
                }
            }
            pace.validated(System.nanoTime() - start);
        }
        OptionalDouble dice = result == null || Double.isNaN(result.mean())
                ? OptionalDouble.empty()
                : OptionalDouble.of(result.mean());
        if (result != null && dice.isEmpty()) {
            options.listener()
                    .message(
                            "epoch " + (epoch + 1)
                                    + ": no validation case has any of the classes, so there is no Dice to choose the best weights by");
        }
        boolean best = dice.isPresent()
                && (position.best().isEmpty()
                        || dice.getAsDouble() >= position.best().getAsDouble());
        EpochRecord record = new EpochRecord(
                epoch,
                position.steps(),
                rate,
                position.lossSum() / Math.max(1, position.batches()),
                validationLoss,
                dice,
                result == null ? Map.of() : result.perClass(),
                averagedWeights != null,
                best,
                seconds,
                waitSeconds);
        history.add(record);
        position = new Position(
                epoch + 1,
                0,
                0,
                position.steps(),
                best ? record.dice() : position.best(),
                best ? epoch : position.bestEpoch());
        writing(folder.root(), () -> {
            for (Tracker tracker : trackers) {
                tracker.epoch(history);
            }
        });
        // Best before last: a run killed in between repeats the epoch and writes the same best again.
        if (best) {
            writeBest(averagedWeights, record);
        }
        if (position.epoch() % config.output().checkpointEvery() == 0 || position.epoch() == epochs || stopsEarly()) {
            save();
            keepEpoch();
        }
        options.listener()
                .epoch(new ProgressListener.EpochSummary(
                        epoch,
                        epochs,
                        record.steps(),
                        rate,
                        record.loss(),
                        record.dice(),
                        record.dicePerClass(),
                        best,
                        seconds,
                        record.waitShare()));
        return true;
    }

    private boolean validates() {
        return data.validation().size() > 0;
    }

    /**
     * Returns the averaged weights with the BatchNorm statistics that they are used with.
     *
     * @param epoch whose batches the statistics are taken from
     * @return {@code null} when asked to stop
     */
    private StateDict averagedWeights(int epoch) throws IOException {
        StateDict averaged = session.averagedWeights().orElseThrow();
        if (!config.training().emaStatisticsRecomputed()) {
            return averaged;
        }
        // Alone, while the others wait: the statistics are those of whole batches.
        try (PatchLoader whole =
                        team.size() == 1 ? null : new PatchLoader(data.training(), data.labels(), loaderSpec());
                Epoch batches = (whole == null ? loader : whole).epoch(epoch)) {
            return AveragedStatistics.recompute(backend, session.spec(), averaged, batches, this::stops);
        }
    }

    private boolean isValidated(int epoch) {
        return validates() && ((epoch + 1) % config.validation().every() == 0 || epoch + 1 == epochs);
    }

    /** Returns how many validations follow an epoch's last step, its own included. */
    private int validationsAfter(int epoch) {
        int count = 0;
        for (int e = epoch; e < epochs; e++) {
            count += isValidated(e) ? 1 : 0;
        }
        return count;
    }

    private boolean usesAverage(int epoch) {
        return config.training().emaDecay().isPresent()
                && ((epoch + 1) % config.training().emaValidationEvery() == 0 || epoch + 1 == epochs);
    }

    private List<Double> watched() {
        boolean loss = config.schedule().watched() == Watched.LOSS;
        return history.stream()
                .map(record -> loss ? record.loss() : record.dice().orElse(Double.NaN))
                .toList();
    }

    private boolean stopsEarly() {
        Optional<EarlyStop> rule = config.training().earlyStop();
        if (rule.isEmpty()) {
            return false;
        }
        double best = Double.NEGATIVE_INFINITY;
        int without = 0;
        for (EpochRecord record : history) {
            if (record.dice().isPresent()) {
                double dice = record.dice().getAsDouble();
                if (dice > best + rule.get().minDelta()) {
                    best = dice;
                    without = 0;
                } else {
                    without++;
                }
            }
        }
        return without >= rule.get().patience();
    }

    /** Whether the leader should give up what it does alone. */
    private boolean stops() {
        return options.stop().getAsBoolean() || team.failure().isPresent();
    }

    private void save() throws IOException {
        if (!team.leads()) {
            return;
        }
        Checkpoint checkpoint = new Checkpoint(session.state(), position, history, config.toMap(), provenance());
        writing(folder.last(), () -> {
            Files.createDirectories(folder.checkpoints());
            checkpoint.write(folder.last());
        });
    }

    /** Something that writes into the run's folder. */
    private interface Writing {
        void run() throws IOException;
    }

    /** Says of a full disk and the like what couldn't be written, and that nothing is lost. */
    private void writing(Path what, Writing body) throws IOException {
        try {
            body.run();
        } catch (RunFolderException | FileFormatException e) {
            throw e;
        } catch (IOException e) {
            String reason = e.getMessage() == null ? e.toString() : e.getMessage();
            String kept = Checkpoint.exists(folder.last())
                    ? "the checkpoint before is intact: make room or give permission, then go on with --resume"
                    : "there is no checkpoint yet";
            throw new RunFolderException(what, "can't be written (" + reason + "); " + kept, e);
        }
    }

    /**
     * Writes the best checkpoint and the bundle of its weights.
     *
     * @param averaged the averaged weights when they are the result, else {@code null}
     */
    private void writeBest(StateDict averaged, EpochRecord record) throws IOException {
        TrainingState state = session.state();
        if (averaged != null) {
            state = new TrainingState(state.weights(), state.optimizer(), Optional.of(averaged), state.updates());
        }
        Checkpoint checkpoint = new Checkpoint(state, position, history, config.toMap(), provenance());
        writing(folder.best(), () -> {
            Files.createDirectories(folder.checkpoints());
            checkpoint.write(folder.best());
        });
        writing(folder.bundle(), () -> writeBundle(checkpoint.state(), record));
    }

    /** Keeps the last checkpoint under the name of its epoch as well, when more than one is to be kept, and removes those too many. */
    private void keepEpoch() throws IOException {
        int keep = config.output().keepLast();
        if (keep > 1) {
            writing(folder.checkpoints(), () -> folder.keepEpoch(position.epoch(), keep));
        }
    }

    private Map<String, Object> provenance() {
        Map<String, Object> map = Provenance.of(backend);
        map.put("project", config.project());
        map.put("seed", config.training().seed());
        map.put("data", data.name());
        map.put("data_fingerprint", data.fingerprint());
        if (data.channels().size() == config.network().inChannels()) {
            map.put(ModelBundle.CHANNELS, data.channels());
        }
        map.put(ModelBundle.FILE_ENDING, data.resultEnding());
        map.put(
                ModelBundle.MIRRORED_AXES,
                RandomTransform.mirroredAxes(config.dataset().augmentation()));
        map.put("training_cases", data.split().train());
        map.put("processes", team.size());
        return map;
    }

    private void writeBundle(TrainingState state, EpochRecord record) throws IOException {
        Map<String, Object> map = provenance();
        map.put("epochs", record.epoch() + 1);
        map.put("steps", record.steps());
        map.put("averaged_weights", record.averaged());
        if (record.dice().isPresent()) {
            map.put("validation", record.toMap());
        }
        map.put("validation_cases", data.split().validation());
        map.put("test_cases", data.split().test());
        map.put("experiment", config.toMap());
        if (hasOtherPreprocessing()) {
            map.put("note", OFFICIAL_DATA);
        }
        new ModelBundle(
                        config.project(),
                        config.network(),
                        record.averaged() ? state.averaged().orElseThrow() : state.weights(),
                        config.dataset().preprocessing(),
                        data.labels(),
                        validation.inference(),
                        map)
                .write(folder.bundle());
    }

    /** Whether the bundle does something else to scans than was done to the official files that were trained on. */
    private boolean hasOtherPreprocessing() {
        return config.dataset().type().isOfficial()
                && !config.dataset().preprocessing().equals(PreprocessingSpec.officialBrats());
    }

    private TrainingOutcome finish(End end) throws IOException {
        TrainingState state = session.state();
        Optional<TestScores> test = Optional.empty();
        if (end != End.STOPPED) {
            if (position.best().isEmpty() && !history.isEmpty()) {
                // No Dice was measured, so the last weights are the result.
                EpochRecord last = history.get(history.size() - 1);
                boolean averaged = state.averaged().isPresent();
                StateDict weights = averaged ? averagedWeights(last.epoch()) : null;
                if (averaged && weights == null) {
                    return outcome(End.STOPPED, state, test);
                }
                writeBest(weights, withAverage(last, averaged));
            } else if (!Files.exists(folder.bundle()) && !history.isEmpty()) {
                writeBundle(Checkpoint.read(folder.best()).state(), history.get(position.bestEpoch()));
            }
            Map<String, Object> provenance = provenance();
            if (config.validation().choosesPostprocessing() && Files.exists(folder.bundle())) {
                Optional<Map<String, Object>> chosen = choosePostprocessing();
                if (chosen.isEmpty()) {
                    return outcome(End.STOPPED, state, test);
                }
                provenance.put(PostprocessingChoice.PROVENANCE, chosen.get());
            }
            Optional<EvaluationSummary> scored = Optional.empty();
            if (config.validation().test() && !data.test().isEmpty()) {
                scored = segment(new TestRun(data.test(), data.root(), folder.test(), true, data.resultEnding()));
                test = scored.map(TestRun::scores);
            } else if (showsValidation()) {
                scored = segment(new TestRun(
                        data.validationFiles(), data.root(), folder.validation(), false, data.resultEnding()));
            }
            if (config.output().report()
                    && !history.isEmpty()
                    && !options.stop().getAsBoolean()) {
                RunReport.write(folder, config, data, scored, history, provenance);
            }
        }
        boolean untested = config.validation().test() && !data.test().isEmpty() && test.isEmpty();
        return outcome(untested ? End.STOPPED : end, state, test);
    }

    private TrainingOutcome outcome(End end, TrainingState state, Optional<TestScores> test) {
        TrainingOutcome outcome = new TrainingOutcome(
                end,
                folder.root(),
                position.epoch(),
                position.steps(),
                history.isEmpty() ? Double.NaN : history.get(history.size() - 1).loss(),
                position.best(),
                position.best().isPresent() ? position.bestEpoch() : position.epoch() - 1,
                Files.exists(folder.bundle()) ? Optional.of(folder.bundle()) : Optional.empty(),
                test,
                state.weights().hash(),
                (System.nanoTime() - startNanos) * 1e-9);
        options.listener().finished(outcome);
        return outcome;
    }

    /** Whether the report shows validation cases, because there are no others to show. */
    private boolean showsValidation() {
        return config.output().report()
                && config.validation().test()
                && validates()
                && data.test().isEmpty()
                && !data.validationFiles().isEmpty()
                && Files.exists(folder.bundle());
    }

    /**
     * Chooses postprocessing on the validation cases, as the network alone segments them, and stores it in the bundle.
     *
     * @return how it was chosen; empty when asked to stop
     */
    private Optional<Map<String, Object>> choosePostprocessing() throws IOException {
        // A run that goes on after it was finished has a choice in its bundle already.
        ModelBundle stored = ModelBundle.read(folder.bundle());
        ModelBundle bundle = stored.withInference(stored.inference().withPostprocessing(List.of()));
        TestRun run =
                new TestRun(data.validationFiles(), data.root(), folder.postprocessing(), false, data.resultEnding());
        if (run.run(backend, Ensemble.of(bundle), provenance(), options.listener(), options.stop()) == null) {
            return Optional.empty();
        }
        PostprocessingChoice choice =
                PostprocessingChoice.of(run.evaluation(), bundle.labels(), PostprocessingChoice.CANDIDATES);
        Map<String, Object> note =
                choice.note(bundle, Map.of("chosen_on", "the validation cases, at the end of the training"));
        writing(folder.postprocessing(), () -> {
            AtomicFiles.writeString(folder.postprocessing().resolve("choice.json"), Json.pretty(choice.toMap()));
            choice.in(bundle, note).write(folder.bundle());
        });
        options.listener().message("postprocessing on the validation cases: " + choice.sentence());
        return Optional.of(note);
    }

    /** Segments cases with the bundle and scores them; empty when asked to stop. */
    private Optional<EvaluationSummary> segment(TestRun run) throws IOException {
        return Optional.ofNullable(run.run(
                backend,
                Ensemble.of(ModelBundle.read(folder.bundle())),
                provenance(),
                options.listener(),
                options.stop()));
    }

    private static EpochRecord withAverage(EpochRecord record, boolean averaged) {
        return new EpochRecord(
                record.epoch(),
                record.steps(),
                record.learningRate(),
                record.loss(),
                record.validationLoss(),
                record.dice(),
                record.dicePerClass(),
                averaged,
                record.best(),
                record.seconds(),
                record.waitSeconds());
    }

    private void closeTrackers() throws IOException {
        IOException failure = null;
        for (Tracker tracker : trackers) {
            try {
                tracker.close();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void close() {
        if (loader != null) {
            loader.close();
        }
        if (session != null) {
            session.close();
        }
    }
}
