package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.ImageNames;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Compares predictions with the truth. */
@Command(
        name = "evaluate",
        description =
                "Compare predicted label volumes with true ones of the same names: Dice per class and case, surface distances, mean and spread.")
public final class EvaluateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--predictions",
            paramLabel = "DIR",
            required = true,
            description = "Folder of predicted label volumes.")
    private Path predictions;

    @Option(names = "--labels", paramLabel = "DIR", required = true, description = "Folder of true label volumes.")
    private Path labels;

    @Option(names = "--output", paramLabel = "DIR", description = "Folder for evaluation.json and evaluation.csv.")
    private Optional<Path> output = Optional.empty();

    @ArgGroup
    private Classes classes = new Classes();

    @Option(
            names = "--all",
            description = "Fail for true label volumes without a prediction too; without this they are only counted.")
    private boolean all;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    /** Where the classes to score come from. */
    static final class Classes {
        @Option(
                names = "--model",
                paramLabel = "BUNDLE",
                description = "Score this model's labels (default: every value other than 0 that occurs).")
        private Optional<Path> model = Optional.empty();

        @Option(names = "--data", paramLabel = "DIR", description = "Score the labels of this data set's dataset.json.")
        private Optional<Path> data = Optional.empty();

        @Option(
                names = "--class",
                paramLabel = "NAME=V[,V…]",
                description = "Score this class or region of several values; may be repeated.")
        private Map<String, String> named = new LinkedHashMap<>();
    }

    @Override
    public Integer call() throws IOException {
        Evaluation evaluation = scoring(new Evaluation(predictions, labels));
        PrintWriter err = spec.commandLine().getErr();
        if (!all && Files.isDirectory(predictions) && Files.isDirectory(labels)) {
            TreeSet<String> ids = new TreeSet<>();
            ImageNames.list(predictions).forEach(file -> ids.add(ImageNames.stem(file)));
            long missing = ImageNames.list(labels).stream()
                    .filter(file -> !ids.contains(ImageNames.stem(file)))
                    .count();
            if (!ids.isEmpty()) {
                evaluation = evaluation.forCases(ids);
            }
            if (missing > 0) {
                err.println("segformer3d: " + missing + (missing == 1 ? " label volume has" : " label volumes have")
                        + " no prediction and " + (missing == 1 ? "isn't" : "aren't") + " scored");
            }
        }
        if (output.isPresent()) {
            Outputs.checkFolder(output.get());
        }
        EvaluationSummary summary = evaluation.run();
        Map<String, Object> provenance = new LinkedHashMap<>(Provenance.ofSoftware());
        provenance.put("predictions", predictions.toAbsolutePath().normalize().toString());
        provenance.put("labels", labels.toAbsolutePath().normalize().toString());
        if (output.isPresent()) {
            summary.write(output.get(), provenance);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(Json.pretty(summary.toMap(provenance)));
        } else {
            out.print(summary.table());
            output.ifPresent(folder -> out.println(
                    "written: " + folder.resolve("evaluation.json") + ", " + folder.resolve("evaluation.csv")));
        }
        return summary.failures().isEmpty() ? 0 : 1;
    }

    private Evaluation scoring(Evaluation evaluation) throws IOException {
        if (classes.model.isPresent()) {
            return evaluation.scoring(ModelBundle.read(classes.model.get()).labels());
        }
        if (classes.data.isPresent()) {
            return evaluation.scoring(DatasetReader.read(classes.data.get()).labels());
        }
        if (classes.named.isEmpty()) {
            return evaluation;
        }
        List<LabelClass> scored = new ArrayList<>();
        classes.named.forEach((name, text) -> scored.add(new LabelClass(name, values(name, text))));
        return evaluation.scoring(scored);
    }

    private List<Integer> values(String name, String text) {
        List<Integer> values = new ArrayList<>();
        for (String part : text.split(",", -1)) {
            try {
                values.add(Integer.parseInt(part.strip()));
            } catch (NumberFormatException e) {
                throw new ParameterException(
                        spec.commandLine(),
                        "Invalid value for option '--class': found '" + name + "=" + text
                                + "', expected NAME=V or NAME=V,V,… with whole numbers");
            }
        }
        return values;
    }
}
