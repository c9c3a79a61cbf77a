package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.cli.console.Table;
import org.segformer3d.cli.console.TrainingProgress;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.eval.metrics.Spread;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.CrossValidation;
import org.segformer3d.train.run.ProgressListener;
import org.segformer3d.train.run.TrainerOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Trains the folds of a cross-validation and gathers what they predict. */
@Command(
        name = "cross-validate",
        description =
                "Train an experiment once for each fold of its cases, score every case by the network that has not seen it, choose"
                        + " postprocessing on all of these predictions and make an ensemble of the folds' models.")
public final class CrossValidateCommand implements Callable<Integer> {
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
            names = "--folds",
            paramLabel = "K",
            defaultValue = "5",
            description = "Number of folds (default: ${DEFAULT-VALUE}).")
    private int folds;

    @Option(
            names = "--fold",
            paramLabel = "N",
            description =
                    "Train only this fold, counted from 0; may be repeated. Other machines can train the others; whoever finds all"
                            + " of them in the folder gathers.")
    private List<Integer> only = new ArrayList<>();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description = "Folder for all of it (default: the experiment's run folder with -folds behind its name).")
    private Optional<Path> output = Optional.empty();

    @Option(
            names = "--resume",
            description = "Go on: finished folds stay, begun ones continue from their last checkpoints.")
    private boolean resume;

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print the outcome as JSON.")
    private boolean json;

    @Mixin
    private BackendSelection backend;

    @Override
    public Integer call() throws IOException {
        if (folds < 2) {
            throw new ParameterException(
                    spec.commandLine(), "Invalid value for option '--folds': found " + folds + ", expected 2 or more");
        }
        for (int fold : only) {
            if (fold < 0 || fold >= folds) {
                throw new ParameterException(
                        spec.commandLine(),
                        "Invalid value for option '--fold': found " + fold + ", expected 0 to " + (folds - 1));
            }
        }
        List<String> changes = new ArrayList<>(assignments);
        changes.addAll(backend.overrides());
        ExperimentConfig experiment = ExperimentConfig.read(config).withOverrides(changes);
        PrintWriter err = spec.commandLine().getErr();
        PrintWriter out = spec.commandLine().getOut();
        CrossValidation validation = CrossValidation.of(experiment, folds, folder(experiment));
        List<Integer> which = only.isEmpty() ? IntStream.range(0, folds).boxed().toList() : only;
        try (Interruption interruption = new Interruption()) {
            CrossValidation.Outcome outcome = validation.run(
                    which,
                    TrainerOptions.defaults()
                            .resuming(resume)
                            .listenedBy(
                                    quiet ? ProgressListener.NONE : new TrainingProgress(err, Progress.Kind.detect()))
                            .stoppingWhen(interruption::isRequested));
            if (json) {
                out.print(Json.pretty(map(outcome)));
            } else {
                print(outcome, out);
            }
            out.flush();
            return 0;
        } catch (CancellationException e) {
            err.println("segformer3d: " + e.getMessage());
            return 1;
        }
    }

    private Path folder(ExperimentConfig experiment) {
        return output.orElseGet(() -> experiment
                .output()
                .runFolder()
                .map(run -> run.resolveSibling(run.getFileName() + "-folds"))
                .orElseThrow(() -> new ParameterException(
                        spec.commandLine(),
                        "Missing required option: '--output=DIR', as the experiment names no output.run_dir")));
    }

    private void print(CrossValidation.Outcome outcome, PrintWriter out) throws IOException {
        if (!outcome.complete()) {
            out.println("trained; still missing: "
                    + String.join(
                            ", ",
                            outcome.missing().stream().map(n -> "fold " + n).toList())
                    + " (train them with --fold N --resume)");
            return;
        }
        Table table = new Table("held out", ">Dice", ">spread");
        EvaluationSummary scores = outcome.scores().orElseThrow();
        for (int c = 0; c < scores.classes().size(); c++) {
            Spread spread = scores.spread(Measure.DICE, c);
            table.row(
                    scores.classes().get(c).name(),
                    TrainCommand.score(spread.mean()),
                    TrainCommand.score(spread.std()));
        }
        table.row("mean", TrainCommand.score(scores.meanOfClasses(Measure.DICE)), "");
        for (int fold = 0; fold < folds; fold++) {
            table.row("fold " + fold, TrainCommand.score(outcome.foldDice().get(fold)), "");
        }
        table.lines().forEach(out::println);
        out.println(scores.cases().size() + " cases, each segmented by a network that has not seen it");
        out.println("postprocessing: " + outcome.choice().orElseThrow().sentence());
        outcome.test()
                .ifPresent(test -> out.println("ensemble on " + test.cases().size() + " test cases: mean Dice "
                        + TrainCommand.score(test.meanOfClasses(Measure.DICE))));
        out.println("ensemble  " + outcome.ensemble().orElseThrow());
    }

    private static Map<String, Object> map(CrossValidation.Outcome outcome) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("complete", outcome.complete());
        map.put("missing", outcome.missing());
        map.put("mean_dice", outcome.scores().map(CrossValidateCommand::dice).orElse(null));
        map.put(
                "mean_dice_by_fold",
                outcome.foldDice().stream().map(CrossValidateCommand::number).toList());
        map.put("postprocessing", outcome.choice().map(choice -> choice.toMap()).orElse(null));
        map.put("ensemble", outcome.ensemble().map(Path::toString).orElse(null));
        map.put(
                "test_mean_dice_of_the_ensemble",
                outcome.test().map(CrossValidateCommand::dice).orElse(null));
        return map;
    }

    private static Double dice(EvaluationSummary summary) {
        return number(summary.meanOfClasses(Measure.DICE));
    }

    /** JSON has no NaN. */
    private static Double number(double value) {
        return Double.isFinite(value) ? value : null;
    }
}
