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
import org.segformer3d.data.dataset.CaseFiles;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.SegmentationDataset;
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
        Optional<ModelBundle> bundle = bundle(training);
        Optional<SegmentationDataset> dataset = dataset();
        Map<String, Object> provenance = new LinkedHashMap<>(evaluated);
        Map<String, Object> configuration = Map.of();
        String title = "Evaluation of " + evaluation.predictions().getFileName();
        if (model.isPresent()) {
            ModelBundle named = bundle.orElseThrow();
            title = named.name();
            Map<String, Object> made = new LinkedHashMap<>(named.provenance());
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
                cases(evaluation, summary, dataset),
                channels(evaluation, summary, bundle, dataset),
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

    /** Returns the model that is named, or that of the run. */
    private Optional<ModelBundle> bundle(Optional<Path> training) throws IOException {
        Optional<Path> place =
                model.or(() -> training.map(folder -> folder.resolve("bundle")).filter(Files::exists));
        return place.isPresent() ? Optional.of(ModelBundle.read(place.get())) : Optional.empty();
    }

    /** Returns the data set that the scans are, nothing where they are just files. */
    private Optional<SegmentationDataset> dataset() throws IOException {
        if (images.isEmpty()) {
            return Optional.empty();
        }
        DatasetLayout layout = DatasetLayout.of(images.get());
        return layout != DatasetLayout.FOLDERS || Files.exists(images.get().resolve("dataset.json"))
                ? Optional.of(layout.readComplete(images.get()))
                : Optional.empty();
    }

    private List<ReportCase> cases(
            Evaluation evaluation, EvaluationSummary summary, Optional<SegmentationDataset> dataset)
            throws IOException {
        Map<String, Path> predicted = evaluation.predictionFiles();
        Map<String, Path> truth = evaluation.labelFiles();
        Map<String, List<Path>> scans = new HashMap<>();
        if (dataset.isPresent()) {
            dataset.get().cases().forEach(one -> scans.put(one.id(), one.images()));
        } else if (images.isPresent()) {
            scans.putAll(CaseFiles.imagesOf(predicted.keySet(), images.get()));
        }
        List<ReportCase> cases = new ArrayList<>();
        for (CaseScores one : summary.cases()) {
            List<Path> scan = images.isPresent()
                    ? scans.getOrDefault(one.id(), List.of())
                    : described(evaluation.predictions().resolve(one.id() + ".json"));
            cases.add(new ReportCase(one.id(), scan, truth.get(one.id()), predicted.get(one.id())));
        }
        return cases;
    }

    /**
     * Returns what the channels are called: by the model or the bundle of the run, else by the predictions' descriptions, else by the
     * data set of the scans.
     */
    private static List<String> channels(
            Evaluation evaluation,
            EvaluationSummary summary,
            Optional<ModelBundle> bundle,
            Optional<SegmentationDataset> dataset) {
        List<String> known = bundle.map(ModelBundle::channelNames).orElse(List.of());
        if (!known.isEmpty()) {
            return known;
        }
        for (CaseScores one : summary.cases()) {
            List<String> names = describedChannels(evaluation.predictions().resolve(one.id() + ".json"));
            if (!names.isEmpty()) {
                return names;
            }
        }
        return dataset.map(SegmentationDataset::channels).orElse(List.of());
    }

    /** Returns the scan that the description beside a prediction names, nothing when it is no longer there. */
    private static List<Path> described(Path description) {
        List<Path> files = new ArrayList<>();
        try {
            if (provenance(description).get("inputs") instanceof List<?> inputs) {
                for (Object one : inputs) {
                    if (one instanceof Map<?, ?> input && input.get("file") instanceof String file) {
                        files.add(Path.of(file));
                    }
                }
            }
        } catch (InvalidPathException e) {
            // Somebody else's file; the scan just isn't known then.
            return List.of();
        }
        return files.stream().allMatch(Files::isRegularFile) ? files : List.of();
    }

    /** Returns what a prediction's description says that the model called the channels, nothing where it doesn't. */
    private static List<String> describedChannels(Path description) {
        if (provenance(description).get("model") instanceof Map<?, ?> model) {
            Object first =
                    model.get("members") instanceof List<?> members && !members.isEmpty() ? members.get(0) : model;
            if (first instanceof Map<?, ?> member
                    && member.get("provenance") instanceof Map<?, ?> made
                    && made.get(ModelBundle.CHANNELS) instanceof List<?> names) {
                return names.stream().map(String::valueOf).toList();
            }
        }
        return List.of();
    }

    private static Map<?, ?> provenance(Path description) {
        if (!Files.isRegularFile(description)) {
            return Map.of();
        }
        try {
            return Json.parse(Files.readString(description)).get("provenance") instanceof Map<?, ?> map
                    ? map
                    : Map.of();
        } catch (IOException e) {
            // Somebody else's file.
            return Map.of();
        }
    }
}
