package org.segformer3d.cli.command;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.ImageNames;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.CaseScores;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.report.HtmlReport;
import org.segformer3d.eval.report.LearningCurve;
import org.segformer3d.eval.report.ReportCase;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.run.RunReport;

/**
 * Finds what the report of an evaluation shows beside the scores.
 *
 * @param images the scans, when they are named
 * @param run the training run, when it is named
 * @param model the model, when it is named
 */
record ReportSources(Optional<Path> images, Optional<Path> run, Optional<Path> model) {
    /**
     * Checks what is named before anything long is started.
     *
     * @throws IOException when there is no such run or no such folder of scans
     */
    void check() throws IOException {
        if (run.isPresent() && !RunReport.isRunFolder(run.get())) {
            throw new NoSuchFileException(
                    run.get().toString(), null, "found no config.resolved.yaml, expected the folder of a training run");
        }
        if (images.isPresent() && !Files.isDirectory(images.get())) {
            throw new NotDirectoryException(images.get().toString());
        }
    }

    HtmlReport report(Evaluation evaluation, EvaluationSummary summary, Map<String, Object> evaluated)
            throws IOException {
        Optional<Path> training = training(evaluation.predictions());
        Map<String, Object> provenance = new LinkedHashMap<>(evaluated);
        Map<String, Object> configuration = Map.of();
        String title = "Evaluation of " + evaluation.predictions().getFileName();
        if (model.isPresent()) {
            ModelBundle bundle = ModelBundle.read(model.get());
            title = bundle.name();
            Map<String, Object> made = new LinkedHashMap<>(bundle.provenance());
            Object experiment = made.remove("experiment");
            if (experiment instanceof Map<?, ?> settings) {
                Map<String, Object> copy = new LinkedHashMap<>();
                settings.forEach((key, value) -> copy.put(String.valueOf(key), value));
                configuration = copy;
            }
            provenance.put("model", made);
        }
        Optional<LearningCurve> curve = Optional.empty();
        if (training.isPresent()) {
            curve = RunReport.curve(training.get());
            configuration = RunReport.configuration(training.get());
            provenance.put("run", training.get().toString());
            title = model.isPresent() ? title : String.valueOf(configuration.getOrDefault("project", title));
        }
        return new HtmlReport(
                title,
                HtmlReport.counted(summary.cases().size(), "case"),
                Optional.of(summary),
                cases(evaluation, summary),
                curve,
                configuration,
                provenance);
    }

    /** Returns the run that is named, or the one whose folder the model or the predictions lie in. */
    private Optional<Path> training(Path predictions) {
        if (run.isPresent()) {
            return run;
        }
        List<Path> around = new ArrayList<>();
        model.map(path -> path.toAbsolutePath().normalize().getParent()).ifPresent(around::add);
        around.add(predictions.getParent());
        around.add(
                predictions.getParent() == null ? null : predictions.getParent().getParent());
        return around.stream()
                .filter(folder -> folder != null && RunReport.isRunFolder(folder))
                .findFirst();
    }

    private List<ReportCase> cases(Evaluation evaluation, EvaluationSummary summary) throws IOException {
        Map<String, Path> predicted = evaluation.predictionFiles();
        Map<String, Path> truth = evaluation.labelFiles();
        Map<String, Path> scans = images.isPresent() ? scans(images.get()) : Map.of();
        List<ReportCase> cases = new ArrayList<>();
        for (CaseScores one : summary.cases()) {
            Optional<Path> scan = Optional.ofNullable(scans.get(one.id()));
            if (images.isEmpty()) {
                scan = described(evaluation.predictions().resolve(one.id() + ".json"));
            }
            cases.add(new ReportCase(one.id(), scan, truth.get(one.id()), predicted.get(one.id())));
        }
        return cases;
    }

    private static Map<String, Path> byStem(Path folder) throws IOException {
        Map<String, Path> files = new HashMap<>();
        ImageNames.list(folder).forEach(file -> files.put(ImageNames.stem(file), file));
        return files;
    }

    /** Returns each case's scan, or its first channel. */
    private static Map<String, Path> scans(Path folder) throws IOException {
        Map<String, Path> scans = new HashMap<>();
        DatasetLayout layout = DatasetLayout.detect(folder).orElse(DatasetLayout.FOLDERS);
        if (layout != DatasetLayout.FOLDERS || Files.exists(folder.resolve("dataset.json"))) {
            layout.read(folder)
                    .cases()
                    .forEach(one -> scans.put(one.id(), one.images().get(0)));
            return scans;
        }
        byStem(folder).forEach((stem, file) -> {
            if (stem.endsWith("_0000")) {
                scans.put(stem.substring(0, stem.length() - "_0000".length()), file);
            }
            scans.putIfAbsent(stem, file);
        });
        return scans;
    }

    /** Returns the scan that the description beside a prediction names, when it is still there. */
    private static Optional<Path> described(Path description) {
        if (!Files.isRegularFile(description)) {
            return Optional.empty();
        }
        try {
            if (Json.parse(Files.readString(description)).get("provenance") instanceof Map<?, ?> provenance
                    && provenance.get("inputs") instanceof List<?> inputs
                    && !inputs.isEmpty()
                    && inputs.get(0) instanceof Map<?, ?> first
                    && first.get("file") instanceof String file) {
                return Optional.of(Path.of(file)).filter(Files::isRegularFile);
            }
        } catch (IOException | InvalidPathException e) {
            // Somebody else's file; the scan just isn't known then.
            return Optional.empty();
        }
        return Optional.empty();
    }
}
