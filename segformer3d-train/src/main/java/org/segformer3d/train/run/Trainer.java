package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.PlanFile;
import org.segformer3d.train.parallel.LostProcessException;
import org.segformer3d.train.parallel.ProcessTeam;

/**
 * Carries out an experiment: data → steps → validation → checkpoints → bundle.
 *
 * <pre>{@code
 * ExperimentConfig config = ExperimentConfig.read(Path.of("examples/hippocampus.yaml"));
 * TrainingOutcome outcome = Trainer.run(config, TrainerOptions.defaults());
 * }</pre>
 *
 * <p>A run depends on the experiment, its data and the seed only: on the CPU, stopping and resuming gives the same bits as running
 * through, wherever it was stopped.
 */
public final class Trainer {
    static final String PLAN = "plan.yaml";

    /** How long after an operation of several processes failed it is known at the latest which one is gone. */
    private static final Duration MOMENT = Duration.ofSeconds(5);

    private Trainer() {}

    /**
     * Trains to the end, or until asked to stop, on the backend that the experiment or the options name.
     *
     * @param config the experiment, never {@code null}
     * @param options how it is carried out here, never {@code null}
     * @return what came of it
     * @throws ConfigException when the experiment doesn't suit its data
     * @throws LostProcessException when another process of the options' team is gone or has failed
     * @throws RunFolderException when the run folder isn't empty, can't be resumed, or is being written to
     * @throws CancellationException when asked to stop before the run folder was made
     * @throws TrainingDivergedException when loss or gradients stop being numbers; the last good checkpoint stays
     * @throws IOException when data can't be read or results can't be written
     */
    public static TrainingOutcome run(ExperimentConfig config, TrainerOptions options) throws IOException {
        Objects.requireNonNull(config, "config");
        return together(options, () -> {
            Planning planning = planning(options.applyTo(config), options);
            ExperimentConfig effective = planning.config();
            // Data and folder come before the backend: what is misspelt shows before natives are loaded.
            TrainingData data = TrainingData.open(effective);
            if (options.team().leads()) {
                RunFolder.check(folder(effective), options.resume());
            }
            try (Backend backend = BackendChoice.open(effective)) {
                return run(planning, options, data, backend);
            }
        });
    }

    /** A run, or the beginning of one. */
    private interface Body {
        TrainingOutcome run() throws IOException;
    }

    /** Tells the other processes of a failure; one that shows that another is gone becomes a message about that. */
    private static TrainingOutcome together(TrainerOptions options, Body body) throws IOException {
        ProcessTeam team = options.team();
        if (team.size() == 1) {
            return body.run();
        }
        try {
            return body.run();
        } catch (LostProcessException | ConfigException e) {
            team.fail("rank " + team.rank() + " failed: " + e.getMessage());
            throw e;
        } catch (IOException | RuntimeException | OutOfMemoryError | LinkageError e) {
            Optional<String> reason = team.reasonWithin(e instanceof BackendException ? MOMENT : Duration.ZERO);
            if (reason.isPresent()) {
                throw new LostProcessException(reason.get(), e);
            }
            team.fail("rank " + team.rank() + " failed: "
                    + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()));
            throw e;
        }
    }

    /**
     * Trains on a backend that is open already, whatever the experiment says about backends.
     *
     * @param backend stays the caller's, never {@code null}
     * @see #run(ExperimentConfig, TrainerOptions)
     */
    public static TrainingOutcome run(ExperimentConfig config, TrainerOptions options, Backend backend)
            throws IOException {
        Objects.requireNonNull(config, "config");
        Objects.requireNonNull(options, "options");
        Objects.requireNonNull(backend, "backend");
        return together(options, () -> {
            Planning planning = planning(config, options);
            return run(planning, options, TrainingData.open(planning.config()), backend);
        });
    }

    private static TrainingOutcome run(Planning planning, TrainerOptions options, TrainingData data, Backend backend)
            throws IOException {
        if (!backend.supportsTraining()) {
            throw ConfigException.of(
                    "backend.name", "'" + backend.name() + "', which can't train", "one that can, such as libtorch");
        }
        ExperimentConfig config = planning.config();
        if (!options.team().leads()) {
            try (TrainingRun run = new TrainingRun(config, options, data, null, backend)) {
                return run.run();
            }
        }
        // Only now is anything written.
        try (RunFolder folder = RunFolder.open(folder(config), options.resume());
                TrainingRun run = new TrainingRun(config, options, data, folder, backend)) {
            // A resumed run keeps the plan it started with: going on with another one is refused later.
            boolean kept = options.resume() && isPlanned(folder.root());
            if (planning.plan().isPresent() && !kept) {
                PlanFile.write(folder.file(PLAN), planning.plan().get());
            }
            return run.run();
        }
    }

    private static Planning planning(ExperimentConfig config, TrainerOptions options) throws IOException {
        Optional<Path> made = options.resume()
                ? config.output().runFolder().filter(Trainer::isPlanned).map(folder -> folder.resolve(PLAN))
                : Optional.empty();
        int cases = made.isPresent() ? 0 : Planning.casesToLookAt(config);
        return Planning.of(config, made, done -> {
            if (options.stop().getAsBoolean()) {
                throw new CancellationException("stopped while looking at the cases for a plan; nothing was written");
            }
            options.listener().planning(done, cases);
        });
    }

    /** Whether a folder's run has saved what it did by its plan; one that has saved nothing yet is planned anew. */
    private static boolean isPlanned(Path run) {
        return Files.isRegularFile(run.resolve(PLAN)) && Files.isDirectory(run.resolve(RunFolder.CHECKPOINTS));
    }

    private static Path folder(ExperimentConfig config) {
        return config.output()
                .runFolder()
                .orElseThrow(() -> ConfigException.of(
                        "output.run_dir",
                        "null",
                        "the folder of the run (or training_parameters.checkpoint_save_dir)"));
    }
}
