package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.report.HtmlReport;
import org.segformer3d.eval.report.LearningCurve;
import org.segformer3d.eval.report.ReportCase;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.tracking.EpochRecord;
import org.segformer3d.train.tracking.HistoryFiles;

/** What a run folder tells for a report, and the report that a run ends with. */
public final class RunReport {
    private static final String HISTORY = "history.jsonl";

    private RunReport() {}

    /** Returns whether a folder looks like that of a run. */
    public static boolean isRunFolder(Path folder) {
        return Files.isRegularFile(folder.resolve(RunFolder.CONFIGURATION));
    }

    /**
     * Returns how a run went, empty when it kept no {@code history.jsonl}.
     *
     * @throws IOException when it can't be read
     */
    public static Optional<LearningCurve> curve(Path runFolder) throws IOException {
        Path file = runFolder.resolve(HISTORY);
        return Files.isRegularFile(file) ? Optional.of(curve(HistoryFiles.readJsonLines(file))) : Optional.empty();
    }

    /** Returns all settings of a run. */
    public static Map<String, Object> configuration(Path runFolder) throws IOException {
        return ExperimentConfig.read(runFolder.resolve(RunFolder.CONFIGURATION)).toMap();
    }

    private static LearningCurve curve(List<EpochRecord> history) {
        return new LearningCurve(history.stream()
                .map(one -> new LearningCurve.Point(
                        one.epoch() + 1, one.loss(), one.learningRate(), one.dice(), one.dicePerClass(), one.best()))
                .toList());
    }

    /** Writes the page of a run that is at its end. */
    static void write(
            RunFolder folder,
            ExperimentConfig config,
            TrainingData data,
            Optional<EvaluationSummary> scored,
            List<EpochRecord> history,
            Map<String, Object> provenance)
            throws IOException {
        boolean test = !data.test().isEmpty();
        List<Case> cases = scored.isEmpty() ? List.of() : test ? data.test() : data.validationFiles();
        Path predictions = (test ? folder.test() : folder.validation()).resolve("predictions");
        String subject = cases.isEmpty()
                ? ""
                : HtmlReport.counted(cases.size(), test ? "test case" : "validation case")
                        + (test
                                ? ""
                                : ", by which the weights "
                                        + (provenance.containsKey(PostprocessingChoice.PROVENANCE)
                                                ? "and the postprocessing "
                                                : "")
                                        + "were chosen too")
                        + ", " + data.name();
        page(
                        config,
                        subject,
                        scored,
                        cases,
                        predictions,
                        data.resultEnding(),
                        data.channels(),
                        Optional.of(curve(history)),
                        provenance)
                .write(folder.report());
    }

    /** Writes the page of a cross-validation, whose held-out predictions lie in the folder. */
    static void writeCrossValidation(
            Path folder,
            ExperimentConfig config,
            SegmentationDataset dataset,
            List<Case> cases,
            EvaluationSummary scores,
            Map<String, Object> provenance)
            throws IOException {
        String subject = HtmlReport.counted(cases.size(), "case") + " of " + dataset.name()
                + ", each segmented by a network that has not seen it";
        page(
                        config,
                        subject,
                        Optional.of(scores),
                        cases,
                        folder.resolve("predictions"),
                        dataset.resultEnding(),
                        dataset.channels(),
                        Optional.empty(),
                        provenance)
                .write(folder.resolve("report.html"));
    }

    private static HtmlReport page(
            ExperimentConfig config,
            String subject,
            Optional<EvaluationSummary> scored,
            List<Case> cases,
            Path predictions,
            String ending,
            List<String> channels,
            Optional<LearningCurve> curve,
            Map<String, Object> provenance) {
        return new HtmlReport(
                config.project(),
                subject,
                scored,
                cases.stream()
                        .map(one -> new ReportCase(
                                one.id(),
                                one.images(),
                                one.label().orElseThrow(),
                                predictions.resolve(one.id() + ending)))
                        .toList(),
                channels,
                curve,
                config.toMap(),
                provenance);
    }
}
