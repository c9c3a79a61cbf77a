package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.MemoryBudget;
import org.segformer3d.eval.inference.SegmentationRequest;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.eval.metrics.CaseScores;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.Evaluation.Grids;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.train.run.ProgressListener.Validating;
import org.segformer3d.train.run.TrainingOutcome.CaseScore;
import org.segformer3d.train.run.TrainingOutcome.TestScores;

/**
 * Segments cases with one model or several, as a user would, and scores the written files against the truth in the scans' own geometry.
 *
 * @param cases the cases, all with label files
 * @param root folder of the data set they are from
 * @param folder where predictions and scores go
 * @param test whether these are test cases; the other ones there are are validation cases
 * @param ending what the names of predictions end in
 */
record TestRun(List<Case> cases, Path root, Path folder, boolean test, String ending) {
    /**
     * Segments and scores.
     *
     * @param stop asked after every batch of windows
     * @return {@code null} when it was told to stop
     */
    EvaluationSummary run(
            Backend backend,
            Ensemble models,
            Map<String, Object> provenance,
            ProgressListener listener,
            BooleanSupplier stop)
            throws IOException {
        Path predictions = Files.createDirectories(folder.resolve("predictions"));
        try (Segmenter segmenter = Segmenter.open(backend, models, MemoryBudget.AVAILABLE)) {
            for (int n = 0; n < cases.size(); n++) {
                Case one = cases.get(n);
                SegmentationRequest request = SegmentationRequest.of(one).toldTo(Validation.stopping(stop));
                VolumeFiles.writeLabels(
                        predictions.resolve(one.id() + ending),
                        segmenter.segment(request).labels());
                listener.validating(new Validating(one.id(), n + 1, cases.size(), test));
            }
        } catch (CancellationException e) {
            return null;
        }
        EvaluationSummary summary = evaluation().scoring(models.labels()).run();
        summary.write(folder, provenance);
        if (!summary.failures().isEmpty()) {
            throw new IOException(
                    folder + ": " + summary.failures().size() + " cases couldn't be scored, the first being "
                            + summary.failures().get(0).id() + ": "
                            + summary.failures().get(0).reason());
        }
        return summary;
    }

    /** Returns the comparison of what was segmented with the truth. */
    Evaluation evaluation() throws IOException {
        // A folder with one label file a case, or a data set whose labels lie in the patients' folders.
        boolean together = DatasetLayout.of(root) == DatasetLayout.FOLDERS;
        Path labels = together ? cases.get(0).label().orElseThrow().getParent() : root;
        return new Evaluation(folder.resolve("predictions"), labels)
                .forCases(cases.stream().map(Case::id).toList())
                .with(cases.stream().anyMatch(Case::ignoresGeometry) ? Grids.IGNORED : Grids.REQUIRED);
    }

    /** Returns the scores as a run's outcome has them. */
    static TestScores scores(EvaluationSummary summary) {
        Map<String, Double> mean = new LinkedHashMap<>();
        Map<String, Double> spread = new LinkedHashMap<>();
        for (int c = 0; c < summary.classes().size(); c++) {
            String name = summary.classes().get(c).name();
            mean.put(name, summary.spread(Measure.DICE, c).mean());
            spread.put(name, summary.spread(Measure.DICE, c).std());
        }
        List<CaseScore> all = new ArrayList<>();
        for (CaseScores one : summary.cases()) {
            Map<String, Double> dice = new LinkedHashMap<>();
            for (int c = 0; c < summary.classes().size(); c++) {
                dice.put(summary.classes().get(c).name(), one.get(Measure.DICE, c));
            }
            all.add(new CaseScore(one.id(), dice));
        }
        return new TestScores(summary.meanOfClasses(Measure.DICE), mean, spread, all);
    }
}
