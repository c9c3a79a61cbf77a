package org.segformer3d.eval.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.metrics.CaseScores;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Interval;
import org.segformer3d.eval.metrics.Measure;
import org.segformer3d.eval.metrics.Score;
import org.segformer3d.eval.metrics.Spread;
import org.segformer3d.eval.metrics.SurfaceMeasure;
import org.segformer3d.eval.result.Hardware;

/**
 * An evaluation, a training, or both, as one page that needs nothing else: scores and their distributions, learning curves, the worst, the
 * median and the best case as slices and in an interactive viewer, configuration, provenance and hardware.
 *
 * <p>The page asks no network for anything and forbids it to itself. Parts for which there is nothing are left out.
 *
 * @param title what the page is about, for example the model's name
 * @param subject what was scored, for example {@code 34 test cases}
 * @param summary the scores
 * @param cases files of the cases, those that may be shown
 * @param channels names of the scans' channels, empty where they have none
 * @param curve how the training went
 * @param configuration nested maps of plain values, empty for none
 * @param provenance where all this came from
 */
public record HtmlReport(
        String title,
        String subject,
        Optional<EvaluationSummary> summary,
        List<ReportCase> cases,
        List<String> channels,
        Optional<LearningCurve> curve,
        Map<String, Object> configuration,
        Map<String, Object> provenance) {
    private static final List<Score> SHOWN = List.of(
            Measure.IOU,
            Measure.SENSITIVITY,
            Measure.PRECISION,
            SurfaceMeasure.HD95_MM,
            SurfaceMeasure.ASSD_MM,
            SurfaceMeasure.NSD_1MM,
            Measure.RELATIVE_VOLUME_DIFFERENCE);
    private static final List<Score> PLOTTED = List.of(Measure.DICE, SurfaceMeasure.HD95_MM, SurfaceMeasure.NSD_1MM);

    /** How many cases a table shows at once; the others can be unfolded. */
    private static final int ROWS = 10;

    /** Copies lists and maps. */
    public HtmlReport {
        Objects.requireNonNull(title, "title");
        Objects.requireNonNull(subject, "subject");
        Objects.requireNonNull(summary, "summary");
        Objects.requireNonNull(curve, "curve");
        cases = List.copyOf(cases);
        channels = List.copyOf(channels);
        configuration = Collections.unmodifiableMap(new LinkedHashMap<>(configuration));
        provenance = Collections.unmodifiableMap(new LinkedHashMap<>(provenance));
    }

    /**
     * Writes the page, atomically.
     *
     * @param file replaced when it exists; its folder must exist
     * @throws IOException when writing fails; a case whose files can't be read is named on the page instead
     */
    public void write(Path file) throws IOException {
        AtomicFiles.writeString(file, html());
    }

    /** Returns the page. */
    String html() throws IOException {
        StringBuilder page = new StringBuilder();
        page.append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
                .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
                .append(
                        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data: blob:; ")
                .append("style-src 'unsafe-inline'; script-src 'unsafe-inline' blob:; connect-src data: blob:\">\n")
                .append("<meta name=\"generator\" content=\"SegFormer3D for Java\">\n<title>")
                .append(Html.escape(title))
                .append("</title>\n<style>\n")
                .append(Viewer.style())
                .append("</style>\n</head>\n<body>\n<main>\n");
        header(page);
        summary.ifPresent(scores -> scores(page, scores));
        boolean viewer = false;
        if (summary.isPresent()) {
            viewer = new ReportExamples(cases, channels).write(page, summary.get());
        }
        curve.filter(one -> !one.points().isEmpty()).ifPresent(one -> curves(page, one));
        particulars(page);
        page.append("</main>\n");
        footer(page, viewer);
        if (viewer) {
            page.append("<script>\n")
                    .append(Viewer.script())
                    .append("segformerViewer(document.getElementById('viewer'), ")
                    .append("JSON.parse(document.getElementById('viewer-specification').textContent));\n</script>\n");
        }
        // What is folded away belongs on paper too.
        page.append("<script>\naddEventListener('beforeprint', () => document.querySelectorAll('details.printed')")
                .append(".forEach((one) => { one.open = true; }));\n</script>\n</body>\n</html>\n");
        return page.toString();
    }

    private void header(StringBuilder page) {
        page.append("<header>\n<h1>").append(Html.escape(title)).append("</h1>\n<p class=\"quiet\">");
        List<String> facts = new ArrayList<>();
        if (!subject.isEmpty()) {
            facts.add(Html.escape(subject));
        }
        if (provenance.get("created") instanceof String created) {
            facts.add(Html.escape(created.replace('T', ' ').replace("Z", " UTC")));
        }
        page.append(String.join(" · ", facts)).append("</p>\n");
        if (summary.isPresent() && !summary.get().cases().isEmpty()) {
            key(page, summary.get());
        } else if (curve.isPresent() && !curve.get().points().isEmpty()) {
            int last = curve.get().points().size() - 1;
            page.append("<dl class=\"key\">");
            curve.get().bestDice().ifPresent(dice -> figure(page, "Best validation Dice", Html.number(dice, 3), ""));
            figure(page, "Last loss", Html.number(curve.get().points().get(last).loss(), 4), "");
            figure(page, "Epochs", String.valueOf(curve.get().points().get(last).epoch()), "");
            page.append(
                    "</dl>\n<p class=\"quiet\">No scans were segmented at the end of this run, so there are no scores of whole scans here.</p>\n");
        }
        page.append("</header>\n");
    }

    private static void key(StringBuilder page, EvaluationSummary scores) {
        page.append("<dl class=\"key\">");
        double[] dice = scores.means(Measure.DICE);
        Interval interval = Interval.ofMean(dice);
        figure(
                page,
                "Mean Dice",
                Html.number(Spread.of(dice).mean(), 3),
                Double.isNaN(interval.low())
                        ? ""
                        : "95 %: " + Html.number(interval.low(), 3) + " to " + Html.number(interval.high(), 3));
        Spread distance = scores.overall(SurfaceMeasure.HD95_MM);
        figure(
                page,
                "Median HD95",
                Double.isNaN(distance.median()) ? Html.NOTHING : Html.number(distance.median(), 1) + " mm",
                distance.skipped() > 0 ? distance.skipped() + " cases without" : "");
        CaseScores worst = scores.worstFirst().get(0);
        figure(page, "Lowest Dice", Html.number(worst.mean(Measure.DICE), 3), Html.escape(worst.id()));
        figure(
                page,
                "Cases",
                String.valueOf(scores.cases().size()),
                scores.failures().isEmpty() ? "" : scores.failures().size() + " could not be compared");
        page.append("</dl>\n");
    }

    private static void figure(StringBuilder page, String name, String value, String note) {
        page.append("<div><dt>%s</dt><dd class=\"figure\">%s</dd>".formatted(name, value));
        page.append(note.isEmpty() ? "" : "<dd class=\"quiet\">" + note + "</dd>");
        page.append("</div>");
    }

    private static void scores(StringBuilder page, EvaluationSummary scores) {
        page.append("<section>\n<h2>Scores</h2>\n");
        if (scores.cases().isEmpty()) {
            page.append("<p>No case could be compared.</p>\n");
        } else {
            table(page, scores);
            page.append("<div class=\"plots\">");
            for (Score score : PLOTTED) {
                page.append("<figure class=\"plot\"><h3>")
                        .append(Html.escape(score.title()))
                        .append("</h3>")
                        .append(new DistributionPlot(scores, score).svg())
                        .append("</figure>");
            }
            page.append(
                    "</div>\n<p class=\"quiet\" style=\"margin-top:.75rem\">A dot is a case. Box: middle half and median. Above it: mean and its 95 % interval.</p>\n");
            page.append("<h3>Cases, the worst first</h3>\n");
            caseTable(page, scores);
        }
        if (!scores.failures().isEmpty()) {
            page.append("<h3>Cases that could not be compared</h3>\n");
            Map<String, String> failures = new LinkedHashMap<>();
            scores.failures().forEach(one -> failures.put(one.id(), one.reason()));
            page.append(Html.rows(failures));
        }
        if (!scores.leftOut().isEmpty()) {
            page.append("<h3>Cases left out</h3>\n");
            Map<String, String> leftOut = new LinkedHashMap<>();
            scores.leftOut().forEach(one -> leftOut.put(one.id(), one.reason()));
            page.append(Html.rows(leftOut));
        }
        if (!scores.unscoredValues().isEmpty()) {
            page.append("<p class=\"quiet\">Label values that belong to no class: ")
                    .append(Html.escape(scores.unscoredValues()))
                    .append("</p>\n");
        }
        page.append("</section>\n");
    }

    private static void table(StringBuilder page, EvaluationSummary scores) {
        page.append(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Scores by class\"><table class=\"wide\">");
        page.append(
                        "<thead><tr><th scope=\"col\">Class</th><th scope=\"col\">Dice</th><th scope=\"col\">95 % interval</th>")
                .append("<th scope=\"col\">median</th><th scope=\"col\">cases</th>");
        SHOWN.forEach(score ->
                page.append("<th scope=\"col\">").append(heading(score)).append("</th>"));
        page.append("</tr></thead><tbody>");
        int classes = scores.classes().size();
        for (int c = 0; c <= classes; c++) {
            if (c == classes && classes == 1) {
                break;
            }
            double[] dice = c < classes ? scores.values(Measure.DICE, c) : scores.means(Measure.DICE);
            Spread spread = Spread.of(dice);
            Interval interval = Interval.ofMean(dice);
            page.append("<tr><th scope=\"row\">")
                    .append(c < classes ? Html.escape(scores.classes().get(c).name()) : "Mean of classes")
                    .append("</th><td>")
                    .append(withSpread(spread, 3))
                    .append("</td><td>")
                    .append(
                            Double.isNaN(interval.low())
                                    ? Html.NOTHING
                                    : Html.number(interval.low(), 3) + " to " + Html.number(interval.high(), 3))
                    .append("</td><td>")
                    .append(Html.number(spread.median(), 3))
                    .append("</td><td>")
                    .append(spread.counted())
                    .append("</td>");
            for (Score score : SHOWN) {
                Spread other = Spread.of(c < classes ? scores.values(score, c) : scores.means(score));
                int infinite = c < classes ? scores.infinite(score, c) : scores.infinite(score);
                page.append("<td>")
                        .append(withSpread(other, decimals(score)))
                        .append(counts(other, spread, infinite))
                        .append("</td>");
            }
            page.append("</tr>");
        }
        page.append(
                "</tbody></table></div>\n<p class=\"quiet\" style=\"margin-top:.5rem\">Means over the cases that have the class, ± standard deviation. Where another number of them is counted than for Dice, it stands in brackets; of ∞ cases only one of prediction and truth has the class, so that no mean counts them.</p>\n");
    }

    /** Returns how many cases a score counts where they aren't those that Dice counts. */
    private static String counts(Spread spread, Spread dice, int infinite) {
        return spread.counted() == dice.counted() && infinite == 0
                ? ""
                : " <small>(" + spread.counted() + (infinite == 0 ? "" : " +" + infinite + " ∞") + ")</small>";
    }

    private static String heading(Score score) {
        return score == Measure.RELATIVE_VOLUME_DIFFERENCE ? "volume diff." : Html.escape(score.title());
    }

    private static int decimals(Score score) {
        return score == SurfaceMeasure.HD95_MM || score == SurfaceMeasure.ASSD_MM ? 2 : 3;
    }

    private static String withSpread(Spread spread, int decimals) {
        return spread.counted() == 0
                ? Html.NOTHING
                : Html.number(spread.mean(), decimals) + " <small>± " + Html.number(spread.std(), decimals)
                        + "</small>";
    }

    private static void caseTable(StringBuilder page, EvaluationSummary scores) {
        List<CaseScores> ordered = scores.worstFirst();
        page.append(caseRows(scores, ordered.subList(0, Math.min(ROWS, ordered.size()))));
        if (ordered.size() > ROWS) {
            page.append("<details class=\"printed\"><summary>The other ")
                    .append(ordered.size() - ROWS)
                    .append(" cases</summary>")
                    .append(caseRows(scores, ordered.subList(ROWS, ordered.size())))
                    .append("</details>\n");
        }
    }

    private static String caseRows(EvaluationSummary scores, List<CaseScores> shown) {
        StringBuilder table = new StringBuilder(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Scores by case\"><table><thead><tr><th scope=\"col\">Case</th><th scope=\"col\">mean Dice</th>");
        scores.classes()
                .forEach(one -> table.append("<th scope=\"col\">Dice ")
                        .append(Html.escape(one.name()))
                        .append("</th>"));
        table.append(
                "<th scope=\"col\">HD95 mm</th><th scope=\"col\">ASSD mm</th><th scope=\"col\">NSD 1 mm</th></tr></thead><tbody>");
        for (CaseScores one : shown) {
            table.append("<tr><th scope=\"row\">")
                    .append(Html.escape(one.id()))
                    .append(one.resampled() ? " <small>resampled</small>" : "")
                    .append("</th><td>")
                    .append(Html.number(one.mean(Measure.DICE), 3))
                    .append("</td>");
            for (int c = 0; c < scores.classes().size(); c++) {
                table.append("<td>")
                        .append(Html.number(one.get(Measure.DICE, c), 3))
                        .append("</td>");
            }
            for (Score score : List.of(SurfaceMeasure.HD95_MM, SurfaceMeasure.ASSD_MM, SurfaceMeasure.NSD_1MM)) {
                table.append("<td>")
                        .append(Html.number(one.mean(score), decimals(score)))
                        .append("</td>");
            }
            table.append("</tr>");
        }
        return table.append("</tbody></table></div>\n").toString();
    }

    private static void curves(StringBuilder page, LearningCurve curve) {
        List<LearningCurve.Point> points = curve.points();
        double[] epochs =
                points.stream().mapToDouble(LearningCurve.Point::epoch).toArray();
        page.append("<section>\n<h2>Learning curves</h2>\n<p class=\"quiet\">")
                .append(points.size())
                .append(" epochs");
        points.stream()
                .filter(LearningCurve.Point::best)
                .reduce((a, b) -> b)
                .ifPresent(best -> page.append("; the weights of epoch ")
                        .append(best.epoch())
                        .append(", with the best validation Dice (")
                        .append(Html.number(best.dice().orElse(Double.NaN), 4))
                        .append("), were kept"));
        page.append("</p>\n<div class=\"plots\">");
        plot(
                page,
                "Training loss",
                new CurvePlot("Training loss", epochs)
                        .line(
                                "loss",
                                points.stream()
                                        .mapToDouble(LearningCurve.Point::loss)
                                        .toArray()));
        CurvePlot dice = new CurvePlot("Validation Dice", epochs)
                .line(
                        "mean",
                        points.stream()
                                .mapToDouble(one -> one.dice().orElse(Double.NaN))
                                .toArray());
        points.stream()
                .flatMap(one -> one.dicePerClass().keySet().stream())
                .distinct()
                .forEach(name -> dice.line(
                        name,
                        points.stream()
                                .mapToDouble(one -> one.dicePerClass().getOrDefault(name, Double.NaN))
                                .toArray()));
        plot(page, "Validation Dice", dice);
        plot(
                page,
                "Learning rate",
                new CurvePlot("Learning rate", epochs)
                        .line(
                                "rate",
                                points.stream()
                                        .mapToDouble(LearningCurve.Point::learningRate)
                                        .toArray()));
        page.append("</div>\n</section>\n");
    }

    private static void plot(StringBuilder page, String name, CurvePlot plot) {
        String svg = plot.svg();
        if (!svg.isEmpty()) {
            page.append("<figure class=\"plot\"><h3>%s</h3>%s</figure>".formatted(name, svg));
        }
    }

    private void particulars(StringBuilder page) {
        page.append("<section>\n<h2>Provenance</h2>\n").append(Html.facts(plain(provenance)));
        provenance.forEach((name, value) -> {
            if (isNested(value)) {
                page.append("<details class=\"printed\"><summary>")
                        .append(Html.escape(Html.title(name)))
                        .append("</summary>")
                        .append(Html.facts(value instanceof Map<?, ?> map ? map : Map.of(name, value)))
                        .append("</details>\n");
            }
        });
        page.append("</section>\n");
        page.append("<section>\n<h2>Hardware</h2>\n<p class=\"quiet\">The machine that wrote this page.</p>\n")
                .append(Html.facts(Hardware.describe()))
                .append("</section>\n");
        if (!configuration.isEmpty()) {
            page.append(
                            "<section>\n<h2>Configuration</h2>\n<details class=\"printed\"><summary>Every setting</summary><pre>")
                    .append(Html.escape(Html.outline(configuration)))
                    .append("</pre></details>\n</section>\n");
        }
    }

    /** Whether a value is too long to be shown unfolded. */
    private static boolean isNested(Object value) {
        return value instanceof Map<?, ?> map && !map.isEmpty()
                || value instanceof Collection<?> list && list.stream().anyMatch(one -> one instanceof Map<?, ?>);
    }

    private static Map<String, Object> plain(Map<String, Object> map) {
        Map<String, Object> plain = new LinkedHashMap<>(map);
        plain.values().removeIf(value -> isNested(value) || value instanceof Collection<?> list && list.isEmpty());
        return plain;
    }

    private static void footer(StringBuilder page, boolean viewer) throws IOException {
        page.append(
                "<footer>\n<p>Written by SegFormer3D for Java. Not a medical device. This page is complete in itself and loads nothing from any network.</p>\n");
        if (viewer) {
            page.append("<details><summary>Licence of the viewer, NiiVue</summary><pre>")
                    .append(Html.escape(Viewer.licence()))
                    .append("</pre></details>\n");
        }
        page.append("</footer>\n");
    }

    /** Returns a number of things in words, for example {@code 1 test case}. */
    public static String counted(int count, String thing) {
        return String.format(Locale.ROOT, "%d %s%s", count, thing, count == 1 ? "" : "s");
    }
}
