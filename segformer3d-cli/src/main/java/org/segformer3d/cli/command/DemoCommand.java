package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Need;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.PredictionProgress;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.console.TrainingProgress;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.PredictionJob;
import org.segformer3d.eval.inference.PredictionOutput;
import org.segformer3d.eval.inference.PredictionReport;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.eval.metrics.CaseScores;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.eval.report.Overlay;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;
import org.segformer3d.train.run.Trainer;
import org.segformer3d.train.run.TrainerOptions;
import org.segformer3d.train.run.TrainingOutcome;
import org.segformer3d.train.run.TrainingOutcome.End;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Does the whole job once on synthetic scans. */
@Command(
        name = "demo",
        description =
                "Make a small synthetic data set, train on it, segment held-out scans and compare them with the truth.")
public final class DemoCommand implements Callable<Integer> {
    private static final String DEFAULT_FOLDER = "demo-output";

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description = "Folder to create; an existing one must be empty (default: " + DEFAULT_FOLDER
                    + ", or the next free number after it).")
    private Optional<Path> output = Optional.empty();

    @Option(
            names = "--epochs",
            paramLabel = "N",
            description = "Train for this many epochs instead of the demonstration's own number.")
    private Optional<Integer> epochs = Optional.empty();

    @Mixin
    private BackendSelection selection;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Path folder = createFolder();

        PhantomDataset phantom = PhantomDataset.demo();
        Path data = folder.resolve("data");
        out.println("1. Making " + phantom.cases() + " synthetic scans in " + data);
        out.flush();
        phantom.write(data);
        SegmentationDataset dataset = DatasetReader.read(data);

        Path splitFile = folder.resolve("split.json");
        Split split = Split.trainValidationTest(dataset.ids(), 0.75, 0.15, phantom.seed());
        split.write(splitFile);
        ExperimentConfig experiment =
                phantom.experiment(data, folder.resolve("run")).withOverrides(overrides(splitFile));
        AtomicFiles.writeString(folder.resolve("experiment.yaml"), experiment.toYaml());
        out.println("2. Training on " + split.train().size() + " of them, "
                + split.validation().size() + " for validation, as " + folder.resolve("experiment.yaml") + " says");
        out.flush();
        ModelBundle bundle;
        Path curve;
        try (Interruption interruption = new Interruption()) {
            TrainingOutcome outcome = Trainer.run(
                    experiment,
                    TrainerOptions.defaults()
                            .listenedBy(new TrainingProgress(err, Progress.Kind.detect()))
                            .stoppingWhen(interruption::isRequested));
            if (outcome.end() == End.STOPPED) {
                err.println("segformer3d: stopped");
                return 1;
            }
            bundle = ModelBundle.read(outcome.bundle().orElseThrow());
            curve = outcome.runFolder().resolve("curve.png");
        }

        List<Case> cases = dataset.select(split.test());
        Path predictions = folder.resolve("predictions");
        out.println("3. Segmenting " + cases.size() + " scans that training has not seen");
        out.flush();
        PredictionReport report;
        try (Backend backend = selection.open(Need.prediction(bundle.network()));
                Segmenter segmenter = Segmenter.open(backend, bundle)) {
            report = PredictionJob.run(
                    segmenter,
                    cases,
                    PredictionOutput.labelsIn(predictions),
                    new PredictionProgress(null, err, Progress.Kind.detect()));
        }
        if (!report.isComplete()) {
            throw new IOException(report.summary());
        }

        out.println("4. Comparing them with the truth");
        Evaluation comparison = new Evaluation(predictions, data.resolve("labelsTr"))
                .forCases(split.test())
                .scoring(bundle.labels());
        EvaluationSummary summary = comparison.run();
        Path evaluation = folder.resolve("evaluation");
        summary.write(evaluation, Provenance.ofSoftware());
        Path overlays = Files.createDirectories(folder.resolve("overlays"));
        for (Case one : cases) {
            draw(one, dataset, predictions, summary, overlays);
        }
        Path page = folder.resolve("report.html");
        Path run = folder.resolve("run");
        new ReportSources(Optional.of(data), Optional.of(run), Optional.of(run.resolve("bundle")))
                .report(comparison, summary, comparison.provenance())
                .write(page);
        out.println();
        out.print(summary.table());
        out.println();
        out.println("predictions     " + predictions);
        out.println("overlays        " + overlays + "/*.png (areas: prediction, outlines: truth)");
        out.println("training curve  " + curve);
        out.println("scores          " + evaluation.resolve("evaluation.json"));
        out.println("model bundle    " + folder.resolve("run").resolve("bundle"));
        out.println("report          " + page + " (open it in a browser)");
        out.println("Took " + Quantity.duration(Duration.ofNanos(System.nanoTime() - start)) + ".");
        return summary.failures().isEmpty() ? 0 : 1;
    }

    private Path createFolder() throws IOException {
        Path folder = output.orElse(Path.of(DEFAULT_FOLDER));
        for (int number = 2; output.isEmpty() && !isFree(folder); number++) {
            folder = Path.of(DEFAULT_FOLDER + "-" + number);
        }
        if (!isFree(folder)) {
            throw new FileAlreadyExistsException(
                    folder.toString(), null, "exists and isn't an empty folder; choose another --output or remove it");
        }
        return Files.createDirectories(folder);
    }

    private static boolean isFree(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return !Files.exists(folder);
        }
        try (Stream<Path> inside = Files.list(folder)) {
            return inside.findAny().isEmpty();
        }
    }

    private List<String> overrides(Path splitFile) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put(
                "dataset_parameters.split.file",
                TrainCommand.quoted(splitFile.toAbsolutePath().toString()));
        // The demonstration shows how to segment and compare by itself.
        values.put("validation.test", false);
        epochs.ifPresent(n -> values.put("training_parameters.num_epochs", n));
        List<String> changes = new ArrayList<>();
        values.forEach((key, value) -> changes.add(key + "=" + value));
        changes.addAll(selection.overrides());
        return changes;
    }

    private static void draw(
            Case one, SegmentationDataset dataset, Path predictions, EvaluationSummary summary, Path overlays)
            throws IOException {
        Volume image = CaseReader.readImage(one, dataset.channels().size());
        Volume truth = CaseReader.readLabel(one, image.geometry());
        Volume prediction = CaseReader.read(predictions.resolve(one.id() + dataset.resultEnding()));
        StringBuilder title = new StringBuilder(one.id());
        for (CaseScores scores : summary.cases()) {
            if (scores.id().equals(one.id())) {
                for (int c = 0; c < summary.classes().size(); c++) {
                    title.append("  ")
                            .append(summary.classes().get(c).name())
                            .append(' ')
                            .append(TrainCommand.score(scores.get(Measure.DICE, c)));
                }
            }
        }
        new Overlay(title.toString(), image, Optional.of(truth), Optional.of(prediction), summary.classes())
                .write(overlays.resolve(one.id() + ".png"));
    }
}
