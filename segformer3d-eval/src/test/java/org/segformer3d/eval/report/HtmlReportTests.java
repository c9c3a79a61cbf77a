package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.EvaluationSummary;

class HtmlReportTests {
    private static final Geometry BOX = Geometry.of(new Grid(6, 5, 4), Affine.scaling(2, 2, 3));

    @TempDir
    private Path folder;

    private Path predictions;
    private Path labels;
    private final List<ReportCase> cases = new ArrayList<>();

    /** Four cases whose prediction lacks ever more of the truth. */
    @BeforeEach
    void writeCases() throws IOException {
        predictions = Files.createDirectory(folder.resolve("predictions"));
        labels = Files.createDirectory(folder.resolve("labels"));
        for (int n = 0; n < 4; n++) {
            int[] truth = new int[BOX.size().tokens()];
            int[] predicted = new int[truth.length];
            float[] scan = new float[truth.length];
            for (int v = 40; v < 80; v++) {
                truth[v] = v < 60 ? 1 : 2;
                predicted[v] = v < 44 + 5 * n || v > 79 - 3 * n ? 0 : truth[v];
                scan[v] = v;
            }
            String name = "case" + n;
            Path truthFile = labels.resolve(name + ".nii.gz");
            Path predictionFile = predictions.resolve(name + ".nii.gz");
            Path image = folder.resolve(name + ".nii.gz");
            NiftiWriter.writeLabels(truthFile, Volume.ofLabels(truth, BOX));
            NiftiWriter.writeLabels(predictionFile, Volume.ofLabels(predicted, BOX));
            NiftiWriter.write(image, Volume.of(scan, 1, BOX));
            cases.add(new ReportCase(name, Optional.of(image), truthFile, predictionFile));
        }
    }

    private EvaluationSummary summary() throws IOException {
        return new Evaluation(predictions, labels)
                .scoring(List.of(LabelClass.of(1, "<one>"), LabelClass.of(2, "two")))
                .run();
    }

    private static LearningCurve curve() {
        return new LearningCurve(List.of(
                new LearningCurve.Point(1, 0.9, 1e-4, OptionalDouble.of(0.2), Map.of("two", 0.2), true),
                new LearningCurve.Point(2, 0.5, 1e-3, OptionalDouble.empty(), Map.of(), false),
                new LearningCurve.Point(3, 0.4, 5e-4, OptionalDouble.of(0.6125), Map.of("two", Double.NaN), true)));
    }

    private String page(Optional<EvaluationSummary> summary, Optional<LearningCurve> curve) throws IOException {
        return new HtmlReport(
                        "A & B",
                        "4 cases",
                        summary,
                        cases,
                        curve,
                        Map.of("model", Map.of("depths", List.of(1, 2))),
                        Map.of("seed", 7))
                .html();
    }

    @Test
    void hasAPartForEverythingThereIs() throws IOException {
        assertThat(page(Optional.of(summary()), Optional.of(curve())))
                .contains(
                        "<h2>Scores</h2>",
                        "<h2>Worst, median and best case</h2>",
                        "<h2>Learning curves</h2>",
                        "<h2>Provenance</h2>",
                        "<h2>Hardware</h2>",
                        "<h2>Configuration</h2>",
                        "the weights of epoch 3, with the best validation Dice (0.6125), were kept",
                        "depths: [1, 2]",
                        "<th scope=\"row\">Seed</th><td>7</td>");
    }

    @Test
    void showsTheWorstTheMedianAndTheBestCase() throws IOException {
        String page = page(Optional.of(summary()), Optional.empty());
        assertThat(page)
                .contains("<h3>case3 <span class=\"rank\">worst</span>")
                .contains("<h3>case2 <span class=\"rank\">median</span>")
                .contains("<h3>case0 <span class=\"rank\">best</span>");
        assertThat(page.split("<svg viewBox[^>]*slice\">", -1)).hasSize(10);
        assertThat(page.split("class=\"contour prediction\"", -1)).hasSizeGreaterThan(9);
    }

    @Test
    void escapesWhatOthersNamed() throws IOException {
        assertThat(page(Optional.of(summary()), Optional.of(curve())))
                .contains("<h1>A &amp; B</h1>", "&lt;one&gt;", "\\u003cone>")
                .doesNotContain("<one>");
    }

    @Test
    void namesACaseThatCannotBeShownAndShowsTheOthers() throws IOException {
        EvaluationSummary summary = summary();
        Files.writeString(cases.get(3).image().orElseThrow(), "broken");
        assertThat(page(Optional.of(summary), Optional.empty()))
                .contains("This case can't be shown: ", "case3.nii.gz")
                .contains("<span class=\"rank\">best</span>");
    }

    @Test
    void doesWithoutScansScoresOrCurves() throws IOException {
        cases.replaceAll(one -> new ReportCase(one.id(), Optional.empty(), one.truth(), one.prediction()));
        assertThat(page(Optional.of(summary()), Optional.empty()))
                .contains("The scan itself isn't at hand")
                .doesNotContain("Learning curves");
        assertThat(page(Optional.empty(), Optional.of(curve())))
                .contains("Best validation Dice", "0.613", "No scans were segmented")
                .doesNotContain("<h2>Scores</h2>", "segformerViewer(");
    }

    @Test
    void refersToNothingOutside() throws IOException {
        assertThat(page(Optional.of(summary()), Optional.of(curve())))
                .doesNotContainPattern("(src|href)=\"(?!data:)")
                .contains("default-src 'none'");
    }

    @Test
    void isWrittenWhole() throws IOException {
        Path file = folder.resolve("report.html");
        new HtmlReport("t", "", Optional.of(summary()), cases, Optional.empty(), Map.of(), Map.of()).write(file);
        assertThat(Files.readString(file)).startsWith("<!doctype html>").endsWith("</html>\n");
    }
}
