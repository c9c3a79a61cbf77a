package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.HomeFolder;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.Comparison;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.Evaluation.Grids;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.result.CaseFailure;
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
                "Compare predicted label volumes with true ones of the same names: overlap and surface distances per class and case, mean, spread and 95 %% interval; or compare two evaluations, case by case.")
public final class EvaluateCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(names = "--predictions", paramLabel = "DIR", description = "Folder of predicted label volumes.")
    private Optional<Path> predictions = Optional.empty();

    @Option(names = "--labels", paramLabel = "DIR", description = "Folder of true label volumes.")
    private Optional<Path> labels = Optional.empty();

    @Option(
            names = "--compare",
            paramLabel = "RUN",
            arity = "2",
            description =
                    "Two runs to compare case by case, instead of --predictions: each an evaluation.json, a folder with one (also in its folder test or evaluation), or, with --labels, a folder of predictions.")
    private List<Path> compared = new ArrayList<>();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description =
                    "Folder for evaluation.json, evaluation.csv and summary.csv; with --compare for comparison.json and comparison.csv.")
    private Optional<Path> output = Optional.empty();

    @ArgGroup
    private Classes classes = new Classes();

    @Option(
            names = "--ignore",
            paramLabel = "V",
            split = ",",
            description =
                    "True values whose voxels count nowhere, beside those that --model or --data name (by default those that dataset.json beside --labels names).")
    private List<Integer> ignored = new ArrayList<>();

    @Option(
            names = "--report",
            paramLabel = "FILE",
            arity = "0..1",
            fallbackValue = "",
            description =
                    "Write one HTML page with scores, plots, pictures and an interactive viewer (without FILE: report.html in the --output folder).")
    private Optional<String> report = Optional.empty();

    @Option(
            names = "--images",
            paramLabel = "DIR",
            description =
                    "The scans, for the report: a folder of images, or a data set (default: where the predictions' descriptions say they were).")
    private Optional<Path> images = Optional.empty();

    @Option(
            names = "--run",
            paramLabel = "DIR",
            description =
                    "The training run whose learning curves and configuration the report shows (default: the one around --model or --predictions, if any).")
    private Optional<Path> run = Optional.empty();

    @ArgGroup
    private OtherGrids other = new OtherGrids();

    @Option(
            names = "--allow-missing",
            description =
                    "Leave label volumes without a prediction and predictions without a label out, naming them; without this each is a failure.")
    private boolean allowMissing;

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    /** What to do with predictions that lie elsewhere. */
    static final class OtherGrids {
        @Option(
                names = "--resample",
                description =
                        "Bring a prediction on another grid to the truth's (nearest label) before it is scored; without this such a case fails.")
        private boolean resample;

        @Option(
                names = "--ignore-geometry",
                description =
                        "Compare voxel by voxel wherever the files say that they lie, with a warning; sizes must agree.")
        private boolean ignoreGeometry;
    }

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
                names = "--regions",
                paramLabel = "CODING",
                description =
                        "Score BraTS's regions WT, TC and ET; the coding says which value is enhancing tumour: brats2017 (the Decathlon's, 3), brats2021 (4) or brats2023 (3).")
        private Optional<String> regions = Optional.empty();

        @Option(
                names = "--class",
                paramLabel = "NAME=V[,V…]",
                description = "Score this class or region of several values; may be repeated.")
        private Map<String, String> named = new LinkedHashMap<>();

        /** Returns whether a model or a data set says what is scored, and what isn't. */
        boolean isNamed() {
            return model.isPresent() || data.isPresent();
        }
    }

    @Override
    public Integer call() throws IOException {
        if (output.isPresent()) {
            Outputs.checkFolder(output.get());
        }
        return compared.isEmpty() ? evaluate() : compare();
    }

    private int evaluate() throws IOException {
        Path predicted = required(predictions, "--predictions");
        Path truth = required(labels, "--labels");
        Optional<Path> page = page();
        Evaluation evaluation = evaluation(predicted, truth);
        ReportSources sources = new ReportSources(images, run, classes.model);
        sources.check();
        EvaluationSummary summary = run(evaluation);
        Map<String, Object> provenance = evaluation.provenance();
        if (output.isPresent()) {
            summary.write(output.get(), provenance);
        }
        if (page.isPresent()) {
            sources.report(evaluation, summary, provenance).write(page.get());
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(Json.pretty(summary.toMap(provenance)));
        } else {
            out.print(summary.table());
            output.ifPresent(folder -> out.println("written: " + folder.resolve("evaluation.json") + ", "
                    + folder.resolve("evaluation.csv") + ", " + folder.resolve("summary.csv")));
            page.ifPresent(file -> out.println("report:  " + file));
        }
        if (summary.failures().isEmpty()) {
            return 0;
        }
        CaseFailure first = summary.failures().get(0);
        spec.commandLine()
                .getErr()
                .println("segformer3d: " + summary.failures().size() + " of "
                        + (summary.failures().size() + summary.cases().size())
                        + " cases could not be compared"
                        + (summary.failures().size() == 1
                                ? ": '"
                                : " ("
                                        + summary.failures().stream()
                                                .map(CaseFailure::id)
                                                .collect(Collectors.joining(", "))
                                        + "), the first '")
                        + first.id() + "': " + first.reason());
        return 1;
    }

    /** Returns where the report goes, if there is to be one. */
    private Optional<Path> page() throws IOException {
        if (report.isEmpty()) {
            return Optional.empty();
        }
        if (!report.get().isEmpty()) {
            Path file = HomeFolder.expand(report.get());
            Outputs.checkFile(file, List.of());
            return Optional.of(file);
        }
        return Optional.of(output.orElseThrow(() ->
                        new ParameterException(spec.commandLine(), "--report needs a file (--report=FILE) or --output"))
                .resolve("report.html"));
    }

    private Path required(Optional<Path> folder, String option) {
        return folder.orElseThrow(() -> new ParameterException(
                spec.commandLine(),
                "Missing required option: '" + option + "=DIR' (or --compare with two evaluations)"));
    }

    private Evaluation evaluation(Path predicted, Path truth) throws IOException {
        Evaluation evaluation = ignoring(scoring(new Evaluation(
                        predicted.toAbsolutePath().normalize(),
                        truth.toAbsolutePath().normalize())))
                .with(other.resample ? Grids.RESAMPLED : other.ignoreGeometry ? Grids.IGNORED : Grids.REQUIRED);
        return allowMissing ? evaluation.allowingMissing() : evaluation;
    }

    /** Names the cases that only one of the folders has, where that is allowed. */
    private EvaluationSummary run(Evaluation evaluation) throws IOException {
        EvaluationSummary summary = evaluation.run();
        for (CaseFailure one : summary.leftOut()) {
            spec.commandLine()
                    .getErr()
                    .println("segformer3d: case '" + one.id() + "' " + one.reason() + " and isn't scored");
        }
        return summary;
    }

    private int compare() throws IOException {
        if (report.isPresent()) {
            throw new ParameterException(
                    spec.commandLine(), "--report shows one evaluation; remove it, or evaluate with --predictions");
        }
        if (predictions.isPresent()) {
            throw new ParameterException(spec.commandLine(), "--compare names both runs itself; remove --predictions");
        }
        List<EvaluationSummary> summaries = new ArrayList<>();
        for (Path run : compared) {
            summaries.add(summary(run));
        }
        Comparison comparison = Comparison.of(
                compared.get(0).toString(), summaries.get(0), compared.get(1).toString(), summaries.get(1));
        Map<String, Object> provenance = Provenance.ofSoftware();
        labels.ifPresent(folder -> provenance.put("labels", folder.toString()));
        if (output.isPresent()) {
            comparison.write(output.get(), provenance);
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.print(Json.pretty(comparison.toMap(provenance)));
        } else {
            out.print(comparison.table());
            output.ifPresent(folder -> out.println(
                    "written: " + folder.resolve("comparison.json") + ", " + folder.resolve("comparison.csv")));
        }
        return 0;
    }

    /** Returns the scores of a run: those it has, or, where there are only predictions, new ones. */
    private EvaluationSummary summary(Path run) throws IOException {
        if (Files.isRegularFile(run)) {
            return EvaluationSummary.read(run);
        }
        for (String place : List.of("evaluation.json", "test/evaluation.json", "evaluation/evaluation.json")) {
            if (Files.isRegularFile(run.resolve(place))) {
                return EvaluationSummary.read(run.resolve(place));
            }
        }
        if (labels.isPresent() && Files.isDirectory(run)) {
            return run(evaluation(run, labels.get()).allowingMissing());
        }
        throw new NoSuchFileException(
                run.toString(),
                null,
                Files.exists(run)
                        ? "holds no evaluation.json, neither itself nor in test or evaluation; run 'evaluate --output' first, or add --labels to score a folder of predictions"
                        : "no such file or folder, expected an evaluation.json or a folder with one");
    }

    /** Leaves out the voxels that are to be ignored: those asked for, and those that the labels' own data set names. */
    private Evaluation ignoring(Evaluation evaluation) throws IOException {
        Path json = evaluation.labels().resolveSibling("dataset.json");
        if (!ignored.isEmpty() || classes.isNamed() || !Files.isRegularFile(json)) {
            return evaluation.ignoring(ignored);
        }
        List<Integer> named = List.of();
        try {
            named = DatasetReader.labels(json).stream()
                    .filter(LabelClass::isIgnore)
                    .flatMap(label -> label.values().stream())
                    .toList();
        } catch (DatasetException e) {
            // Nobody asked for this file: what it can't tell mustn't stop the comparison.
            spec.commandLine().getErr().println("segformer3d: " + e.getMessage());
        }
        if (!named.isEmpty()) {
            spec.commandLine()
                    .getErr()
                    .println("segformer3d: voxels of label "
                            + named.stream().map(String::valueOf).collect(Collectors.joining(", "))
                            + " aren't scored: " + json + " calls it ignore");
        }
        return evaluation.ignoring(named);
    }

    private Evaluation scoring(Evaluation evaluation) throws IOException {
        if (classes.model.isPresent()) {
            return evaluation.scoring(ModelBundle.read(classes.model.get()).labels());
        }
        if (classes.data.isPresent()) {
            Path data = classes.data.get();
            return evaluation.scoring(
                    DatasetLayout.of(data).read(data, new IncompleteCases()).labels());
        }
        if (classes.regions.isPresent()) {
            return evaluation.scoring(LabelSpec.preset(classes.regions.get()));
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
