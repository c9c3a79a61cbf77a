package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.result.Json;

class HtmlReportTests {
    private static final Geometry BOX = Geometry.of(new Grid(6, 5, 4), Affine.scaling(2, 2, 3));

    @TempDir
    private Path folder;

    private Path predictions;
    private Path labels;
    private final List<ReportCase> cases = new ArrayList<>();
    private List<String> channels = List.of();

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
            cases.add(new ReportCase(name, List.of(image), truthFile, predictionFile));
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
                        channels,
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
        Files.writeString(cases.get(3).images().get(0), "broken");
        assertThat(page(Optional.of(summary), Optional.empty()))
                .contains("This case can't be shown: ", "case3.nii.gz")
                .contains("<span class=\"rank\">best</span>");
    }

    @Test
    void doesWithoutScansScoresOrCurves() throws IOException {
        cases.replaceAll(one -> new ReportCase(one.id(), List.of(), one.truth(), one.prediction()));
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

    /** Returns the channels of the scan of the first case that the viewer gets, with their files in the page. */
    private Map<String, Volume> viewedChannels(String page) throws IOException {
        Map<String, Volume> volumes = new LinkedHashMap<>();
        String specification = between(page, "id=\"viewer-specification\">", "</script>");
        Map<?, ?> first = (Map<?, ?>) ((List<?>) Json.parse(specification).get("cases")).get(0);
        Map<?, ?> scan = (Map<?, ?>) ((List<?>) first.get("layers")).get(0);
        for (Object one : (List<?>) scan.get("channels")) {
            Map<?, ?> channel = (Map<?, ?>) one;
            Object element = ((Map<?, ?>) channel.get("source")).get("element");
            Path file = folder.resolve(channel.get("file").toString());
            Files.write(file, Base64.getDecoder().decode(between(page, "id=\"" + element + "\">", "</script>")));
            volumes.put(channel.get("name").toString(), NiftiReader.read(file));
        }
        return volumes;
    }

    private static String between(String text, String before, String after) {
        int start = text.indexOf(before) + before.length();
        assertThat(start).as(before).isGreaterThanOrEqualTo(before.length());
        return text.substring(start, text.indexOf(after, start));
    }

    /** Gives the worst case a scan that is bright at another voxel in each channel. */
    private List<Path> channelsBrightAt(boolean together, int... voxels) throws IOException {
        int size = BOX.size().tokens();
        float[] all = new float[voxels.length * size];
        List<Path> files = new ArrayList<>();
        for (int c = 0; c < voxels.length; c++) {
            float[] one = new float[size];
            one[voxels[c]] = 9;
            System.arraycopy(one, 0, all, c * size, size);
            files.add(folder.resolve("channel" + c + ".nii.gz"));
            NiftiWriter.write(files.get(c), Volume.of(one, 1, BOX));
        }
        Path whole = folder.resolve("whole.nii.gz");
        NiftiWriter.write(whole, Volume.of(all, voxels.length, BOX));
        return together ? List.of(whole) : files;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void holdsEveryChannelOfAScan(boolean together) throws IOException {
        assumeTrue(Viewer.library().isPresent(), "built without npm");
        EvaluationSummary summary = summary();
        List<Path> images = channelsBrightAt(together, 3, 50, 7);
        cases.replaceAll(one -> new ReportCase(one.id(), images, one.truth(), one.prediction()));
        channels = List.of("FLAIR", "T1", "<T2>");
        String page = page(Optional.of(summary), Optional.empty());
        Map<String, Volume> viewed = viewedChannels(page);
        assertThat(viewed).containsOnlyKeys("FLAIR", "T1", "<T2>");
        assertThat(viewed.values())
                .extracting(volume -> brightest(volume.values()))
                .containsExactly(3, 50, 7);
        assertThat(page)
                .contains("The slices show the first of 3 channels, FLAIR; the viewer has all.")
                .doesNotContain("<T2>");
    }

    private static int brightest(float... values) {
        int best = 0;
        for (int n = 0; n < values.length; n++) {
            best = values[n] > values[best] ? n : best;
        }
        return best;
    }

    @Test
    void numbersChannelsWithoutNames() throws IOException {
        assumeTrue(Viewer.library().isPresent(), "built without npm");
        EvaluationSummary summary = summary();
        List<Path> images = channelsBrightAt(true, 3, 50);
        cases.replaceAll(one -> new ReportCase(one.id(), images, one.truth(), one.prediction()));
        channels = List.of("of another model");
        assertThat(viewedChannels(page(Optional.of(summary), Optional.empty())))
                .containsOnlyKeys("Channel 1", "Channel 2");
    }

    @Test
    void isWrittenWhole() throws IOException {
        Path file = folder.resolve("report.html");
        new HtmlReport("t", "", Optional.of(summary()), cases, List.of(), Optional.empty(), Map.of(), Map.of())
                .write(file);
        assertThat(Files.readString(file)).startsWith("<!doctype html>").endsWith("</html>\n");
    }
}
