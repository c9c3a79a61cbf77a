package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.cli.console.Table;
import org.segformer3d.cli.console.TrainingProgress;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.cli.option.Processes;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.parallel.ProcessTeam;
import org.segformer3d.train.run.ProgressListener;
import org.segformer3d.train.run.Trainer;
import org.segformer3d.train.run.TrainerOptions;
import org.segformer3d.train.run.TrainingOutcome;
import org.segformer3d.train.run.TrainingOutcome.End;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a network. */
@Command(
        name = "train",
        description =
                "Train a network as an experiment file says; writes checkpoints, history, curve and a model bundle.")
public final class TrainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--config", paramLabel = "FILE", required = true, description = "The experiment, in YAML.")
    private Path config;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description =
                    "Use another value for a key, for example training_parameters.num_epochs=20; may be repeated.")
    private List<String> assignments = new ArrayList<>();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description = "Folder of the run, instead of the experiment's output.run_dir.")
    private Optional<Path> output = Optional.empty();

    @Option(
            names = "--skip-incomplete",
            description =
                    "Leave cases out, naming them, that lack a file; the same as --set dataset_parameters.skip_incomplete=true.")
    private boolean skipIncomplete;

    @Option(names = "--resume", description = "Go on from the last checkpoint in the run folder.")
    private boolean resume;

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print the outcome as JSON.")
    private boolean json;

    @Mixin
    private BackendSelection backend;

    @Mixin
    private Processes processes;

    @Override
    public Integer call() throws IOException {
        List<String> changes = new ArrayList<>(assignments);
        output.ifPresent(folder ->
                changes.add("output.run_dir=" + quoted(folder.toAbsolutePath().toString())));
        if (skipIncomplete) {
            changes.add("dataset_parameters.skip_incomplete=true");
        }
        changes.addAll(backend.overrides());
        ExperimentConfig experiment =
                processes.divide(ExperimentConfig.read(config).withOverrides(changes));
        PrintWriter err = spec.commandLine().getErr();
        PrintWriter out = spec.commandLine().getOut();
        // Before interruptions are noted: nothing is lost by ending while others are waited for.
        ProcessTeam joined = processes.start(experiment, err);
        // Open until everything is printed: an interrupted process ends as soon as this is closed.
        try (Interruption interruption = new Interruption();
                ProcessTeam team = joined) {
            TrainingOutcome outcome;
            try {
                outcome = Trainer.run(
                        experiment,
                        options(team.leads() ? err : null)
                                .stoppingWhen(interruption::isRequested)
                                .in(team));
            } catch (CancellationException e) {
                err.println("segformer3d: " + e.getMessage());
                return 1;
            } catch (IOException | RuntimeException e) {
                if (processes.isSpokenFor(team)) {
                    return 1;
                }
                throw e;
            }
            if (!team.leads()) {
                return outcome.end() == End.STOPPED ? 1 : 0;
            }
            if (json) {
                out.print(Json.pretty(map(outcome)));
            } else {
                print(outcome, out);
            }
            out.flush();
            if (outcome.end() == End.STOPPED) {
                err.println("segformer3d: stopped after " + outcome.epochs()
                        + " epochs; the same command with --resume goes on");
                return 1;
            }
            return 0;
        }
    }

    /** @param err {@code null} to show no progress */
    private TrainerOptions options(PrintWriter err) {
        return TrainerOptions.defaults()
                .resuming(resume)
                .listenedBy(
                        quiet || err == null
                                ? ProgressListener.NONE
                                : new TrainingProgress(err, Progress.Kind.detect()));
    }

    /** Returns text as a YAML scalar. */
    static String quoted(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    static void print(TrainingOutcome outcome, PrintWriter out) {
        outcome.test().ifPresent(test -> {
            Table table = new Table("test", ">Dice", ">spread");
            test.dicePerClass()
                    .forEach((name, dice) -> table.row(
                            name, score(dice), score(test.spreadPerClass().get(name))));
            table.row("mean", score(test.meanDice()), "");
            table.lines().forEach(out::println);
        });
        outcome.bestDice()
                .ifPresent(dice ->
                        out.println("best validation Dice " + score(dice) + " in epoch " + (outcome.bestEpoch() + 1)));
        out.printf(
                Locale.ROOT,
                "%d epochs, %d steps, %.0f s, last loss %.4f%n",
                outcome.epochs(),
                outcome.steps(),
                outcome.seconds(),
                outcome.lastLoss());
        out.println("run     " + outcome.runFolder());
        outcome.bundle().ifPresent(bundle -> out.println("bundle  " + bundle));
        outcome.report().ifPresent(report -> out.println("report  " + report));
    }

    static String score(Double value) {
        return value == null || value.isNaN() ? "-" : String.format(Locale.ROOT, "%.4f", value);
    }

    private static Map<String, Object> map(TrainingOutcome outcome) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("end", outcome.end().name().toLowerCase(Locale.ROOT));
        map.put("run", outcome.runFolder().toString());
        map.put("bundle", outcome.bundle().map(Path::toString).orElse(null));
        map.put("report", outcome.report().map(Path::toString).orElse(null));
        map.put("epochs", outcome.epochs());
        map.put("steps", outcome.steps());
        map.put("last_loss", number(outcome.lastLoss()));
        map.put(
                "best_dice",
                outcome.bestDice().isPresent() ? number(outcome.bestDice().getAsDouble()) : null);
        map.put("best_epoch", outcome.bestEpoch() + 1);
        map.put("weights_sha256", outcome.weightsHash());
        map.put("seconds", outcome.seconds());
        outcome.test().ifPresent(test -> {
            Map<String, Object> scores = new LinkedHashMap<>();
            scores.put("mean_dice", number(test.meanDice()));
            scores.put("dice", numbers(test.dicePerClass()));
            scores.put("spread", numbers(test.spreadPerClass()));
            Map<String, Object> cases = new LinkedHashMap<>();
            test.cases().forEach(one -> cases.put(one.caseId(), numbers(one.dice())));
            scores.put("cases", cases);
            map.put("test", scores);
        });
        return map;
    }

    /** JSON has no NaN. */
    private static Double number(double value) {
        return Double.isFinite(value) ? value : null;
    }

    private static Map<String, Double> numbers(Map<String, Double> values) {
        Map<String, Double> numbers = new LinkedHashMap<>();
        values.forEach((name, value) -> numbers.put(name, number(value)));
        return numbers;
    }
}
