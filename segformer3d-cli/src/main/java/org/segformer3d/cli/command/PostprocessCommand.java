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
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.cli.console.Table;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.metrics.PostprocessingChoice.Trial;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Chooses postprocessing on validation cases and stores it in the bundle. */
@Command(
        name = "postprocess",
        description =
                "Try steps of postprocessing on predictions of validation cases (made with --postprocess none), take"
                        + " those that raise the mean Dice and lower that of no class, and store them in the bundle.")
public final class PostprocessCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "BUNDLE",
            required = true,
            description = "The bundle that predicted; gets the choice unless --output is given.")
    private Path model;

    @Option(names = "--predictions", paramLabel = "DIR", required = true, description = "Predicted label volumes.")
    private Path predictions;

    @Option(
            names = "--labels",
            paramLabel = "DIR",
            required = true,
            description = "True label volumes, named alike, or a data set; those without prediction are left alone.")
    private Path labels;

    @Option(
            names = "--candidate",
            paramLabel = "STEP",
            arity = "1..*",
            description =
                    "Steps to try, in order: keep_largest, remove_small=MM3, fill_holes, each for all labels together and for"
                            + " each by itself, or for some with @1+2 (default: keep_largest remove_small=10 remove_small=100"
                            + " remove_small=1000 fill_holes).")
    private List<String> candidates = new ArrayList<>();

    @Option(
            names = "--output",
            paramLabel = "BUNDLE",
            description = "Bundle to write instead of changing the model; a folder or a name ending in .zip.")
    private Optional<Path> output = Optional.empty();

    @Option(names = "--json", description = "Print what was tried and taken as JSON.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        List<PostprocessingStep> steps;
        try {
            steps = candidates.isEmpty()
                    ? PostprocessingChoice.CANDIDATES
                    : candidates.stream().map(PostprocessingStep::parse).toList();
        } catch (ConfigException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
        ModelBundle bundle = ModelBundle.read(model);
        PostprocessingChoice choice =
                PostprocessingChoice.of(new Evaluation(predictions, labels), bundle.labels(), steps);
        Path target = output.orElse(model);
        ModelBundle chosen = with(bundle, choice);
        chosen.write(target);
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Map<String, Object> map = new LinkedHashMap<>(choice.toMap());
            map.put("output", target.toString());
            map.put("configuration_hash", chosen.configurationHash());
            out.print(Json.pretty(map));
        } else {
            table(choice).lines().forEach(out::println);
            out.println((choice.steps().isEmpty() ? "no step helps" : "taken: " + words(choice.steps())) + "; written: "
                    + target + ", configuration hash " + chosen.configurationHash());
        }
        return 0;
    }

    private ModelBundle with(ModelBundle bundle, PostprocessingChoice choice) {
        Map<String, Object> made = new LinkedHashMap<>();
        made.put("predictions", predictions.toString());
        made.put("labels", labels.toString());
        return choice.in(bundle, choice.note(bundle, made));
    }

    private static Table table(PostprocessingChoice choice) {
        List<String> headings = new ArrayList<>(List.of("step", "mean Dice", "gain"));
        headings.addAll(choice.classes());
        headings.add("taken");
        Table table = new Table(headings.toArray(String[]::new));
        table.row(row("none (" + choice.cases() + " cases)", choice.before(), "", ""));
        for (Trial trial : choice.trials()) {
            table.row(row(
                    trial.step().toString(),
                    trial.dice(),
                    String.format(Locale.ROOT, "%+.5f", trial.gain()),
                    trial.taken() ? "yes" : ""));
        }
        table.row(row("all that were taken", choice.after(), "", ""));
        return table;
    }

    private static String[] row(String name, List<Double> dice, String gain, String taken) {
        List<String> cells = new ArrayList<>(List.of(name, number(PostprocessingChoice.mean(dice)), gain));
        dice.forEach(value -> cells.add(number(value)));
        cells.add(taken);
        return cells.toArray(String[]::new);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.5f", value);
    }

    private static String words(List<PostprocessingStep> steps) {
        return String.join(" ", steps.stream().map(PostprocessingStep::toString).toList());
    }
}
