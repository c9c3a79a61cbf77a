package org.segformer3d.eval.metrics;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.result.CaseFailure;
import org.segformer3d.eval.result.Json;

/**
 * The result of comparing predictions with the truth.
 *
 * <p>Means leave out what isn't defined: a class whose truth is empty in a case has no Dice there. How often prediction and truth were
 * both empty is counted apart ({@link #bothEmpty}).
 *
 * @param classes what was scored
 * @param cases the cases that could be compared, each with one count per class
 * @param failures the cases that couldn't
 * @param unscoredValues label values that occur but belong to no class
 */
public record EvaluationSummary(
        List<LabelClass> classes, List<CaseScores> cases, List<CaseFailure> failures, List<Integer> unscoredValues) {
    private static final int VERSION = 1;

    /** Copies the lists. */
    public EvaluationSummary {
        classes = List.copyOf(classes);
        cases = List.copyOf(cases);
        failures = List.copyOf(failures);
        unscoredValues = List.copyOf(unscoredValues);
    }

    /** Returns mean and spread over cases of one class's measure. */
    public Spread spread(Measure measure, int classIndex) {
        return Spread.of(
                cases.stream().mapToDouble(one -> one.get(measure, classIndex)).toArray());
    }

    /** Returns mean and spread over cases of a measure's mean over classes. */
    public Spread overall(Measure measure) {
        return Spread.of(cases.stream().mapToDouble(one -> one.mean(measure)).toArray());
    }

    /** Returns mean and spread over cases of one class's surface measure. */
    public Spread spread(SurfaceMeasure measure, int classIndex) {
        return Spread.of(
                cases.stream().mapToDouble(one -> one.get(measure, classIndex)).toArray());
    }

    /** Returns mean and spread over cases of a surface measure's mean over classes. */
    public Spread overall(SurfaceMeasure measure) {
        return Spread.of(cases.stream().mapToDouble(one -> one.mean(measure)).toArray());
    }

    /** Returns the mean over classes of the mean over cases, classes whose truth is always empty left out. */
    public double meanOfClasses(Measure measure) {
        double[] means = new double[classes.size()];
        for (int c = 0; c < means.length; c++) {
            means[c] = spread(measure, c).mean();
        }
        return Spread.of(means).mean();
    }

    /** Returns in how many cases a class is empty in both prediction and truth. */
    public int bothEmpty(int classIndex) {
        return (int) cases.stream()
                .filter(one -> one.counts().get(classIndex).bothEmpty())
                .count();
    }

    /**
     * Returns Dice as a table for people: a line a case, a column a class, then mean ± standard deviation, the same of the surface
     * measures, and the failures.
     */
    public String table() {
        List<List<String>> rows = new ArrayList<>();
        List<String> head = new ArrayList<>(List.of("case"));
        classes.forEach(one -> head.add(one.name()));
        head.add("mean");
        rows.add(head);
        for (CaseScores one : cases) {
            List<String> row = new ArrayList<>(List.of(one.id()));
            for (int c = 0; c < classes.size(); c++) {
                row.add(number(one.get(Measure.DICE, c)));
            }
            row.add(number(one.mean(Measure.DICE)));
            rows.add(row);
        }
        List<String> mean = new ArrayList<>(List.of("Dice, mean ± std"));
        List<String> median = new ArrayList<>(List.of("median"));
        List<String> counted = new ArrayList<>(List.of("cases counted"));
        for (int c = 0; c <= classes.size(); c++) {
            Spread spread = c < classes.size() ? spread(Measure.DICE, c) : overall(Measure.DICE);
            mean.add(meanAndStd(spread));
            median.add(number(spread.median()));
            counted.add(String.valueOf(spread.counted()));
        }
        rows.add(mean);
        rows.add(median);
        rows.add(counted);
        int summaryRows = 3;
        for (SurfaceMeasure measure : SurfaceMeasure.values()) {
            List<String> row =
                    new ArrayList<>(List.of(measure.name().replace("_", " ").replace("MM", "mm")));
            for (int c = 0; c <= classes.size(); c++) {
                row.add(meanAndStd(c < classes.size() ? spread(measure, c) : overall(measure)));
            }
            rows.add(row);
            summaryRows++;
        }
        StringBuilder text = new StringBuilder(aligned(rows, rows.size() - summaryRows));
        if (!unscoredValues.isEmpty()) {
            text.append("label values that belong to no class: ")
                    .append(unscoredValues)
                    .append('\n');
        }
        if (!failures.isEmpty()) {
            text.append(failures.size())
                    .append(failures.size() == 1 ? " case" : " cases")
                    .append(" could not be compared:\n");
            failures.forEach(failure -> text.append("  ")
                    .append(failure.id())
                    .append(": ")
                    .append(failure.reason())
                    .append('\n'));
        }
        return text.toString();
    }

    private static String aligned(List<List<String>> rows, int ruleBefore) {
        int columns = rows.get(0).size();
        int[] widths = new int[columns];
        rows.forEach(row -> {
            for (int c = 0; c < columns; c++) {
                widths[c] = Math.max(widths[c], row.get(c).length());
            }
        });
        StringBuilder text = new StringBuilder();
        for (int r = 0; r < rows.size(); r++) {
            if (r == 1 || r == ruleBefore) {
                for (int c = 0; c < columns; c++) {
                    text.append(c == 0 ? "" : "  ").append("─".repeat(widths[c]));
                }
                text.append('\n');
            }
            for (int c = 0; c < columns; c++) {
                String cell = rows.get(r).get(c);
                String pad = " ".repeat(widths[c] - cell.length());
                text.append(c == 0 ? cell + pad : "  " + pad + cell);
            }
            text.append('\n');
        }
        return text.toString();
    }

    private static String meanAndStd(Spread spread) {
        return spread.counted() == 0 ? "–" : number(spread.mean()) + " ± " + number(spread.std());
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.4f", value);
    }

    /**
     * Returns everything as a map for JSON. What isn't defined is {@code null}; {@code truth_empty} and {@code prediction_empty} say why.
     *
     * @param provenance where the result came from
     */
    public Map<String, Object> toMap(Map<String, ?> provenance) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("format", "segformer3d-evaluation");
        map.put("version", VERSION);
        List<Map<String, Object>> classMaps = new ArrayList<>();
        for (int c = 0; c < classes.size(); c++) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("name", classes.get(c).name());
            one.put("values", classes.get(c).values());
            one.put("both_empty", bothEmpty(c));
            for (Measure measure : Measure.values()) {
                one.put(measure.key(), spreadMap(spread(measure, c)));
            }
            for (SurfaceMeasure measure : SurfaceMeasure.values()) {
                one.put(measure.key(), spreadMap(spread(measure, c)));
            }
            classMaps.add(one);
        }
        Map<String, Object> overall = new LinkedHashMap<>();
        for (Measure measure : Measure.values()) {
            Map<String, Object> spread = spreadMap(overall(measure));
            spread.put("mean_of_classes", orNull(meanOfClasses(measure)));
            overall.put(measure.key(), spread);
        }
        for (SurfaceMeasure measure : SurfaceMeasure.values()) {
            overall.put(measure.key(), spreadMap(overall(measure)));
        }
        map.put("overall", overall);
        map.put("classes", classMaps);
        map.put("cases", cases.stream().map(this::caseMap).toList());
        List<Map<String, Object>> failed = new ArrayList<>();
        failures.forEach(failure -> failed.add(Map.of("case", failure.id(), "reason", failure.reason())));
        map.put("failures", failed);
        map.put("unscored_values", unscoredValues);
        map.put("provenance", provenance);
        return map;
    }

    private Map<String, Object> caseMap(CaseScores scores) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("case", scores.id());
        map.put("mean_dice", orNull(scores.mean(Measure.DICE)));
        List<Map<String, Object>> list = new ArrayList<>();
        for (int c = 0; c < classes.size(); c++) {
            OverlapCounts counts = scores.counts().get(c);
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("name", classes.get(c).name());
            for (Measure measure : Measure.values()) {
                one.put(measure.key(), orNull(measure.of(counts)));
            }
            for (SurfaceMeasure measure : SurfaceMeasure.values()) {
                one.put(measure.key(), orNull(scores.get(measure, c)));
            }
            one.put("truth_empty", counts.truth() == 0);
            one.put("prediction_empty", counts.predicted() == 0);
            one.put("true_positives", counts.truePositives());
            one.put("false_positives", counts.falsePositives());
            one.put("false_negatives", counts.falseNegatives());
            one.put("true_negatives", counts.trueNegatives());
            one.put("predicted_ml", scores.predictedMillilitres(c));
            one.put("truth_ml", scores.truthMillilitres(c));
            one.put("volume_difference_ml", scores.volumeDifferenceMillilitres(c));
            list.add(one);
        }
        map.put("classes", list);
        return map;
    }

    private static Map<String, Object> spreadMap(Spread spread) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("mean", orNull(spread.mean()));
        map.put("std", orNull(spread.std()));
        map.put("median", orNull(spread.median()));
        map.put("counted", spread.counted());
        map.put("undefined", spread.skipped());
        return map;
    }

    private static Double orNull(double value) {
        return Double.isNaN(value) ? null : value;
    }

    /** Returns one line a case and class as comma-separated values with a header; what isn't defined is empty. */
    public String csv() {
        StringBuilder text = new StringBuilder("case,class");
        for (Measure measure : Measure.values()) {
            text.append(',').append(measure.key());
        }
        text.append(",true_positives,false_positives,false_negatives,true_negatives,predicted_ml,truth_ml"
                + ",volume_difference_ml");
        for (SurfaceMeasure measure : SurfaceMeasure.values()) {
            text.append(',').append(measure.key());
        }
        text.append('\n');
        for (CaseScores one : cases) {
            for (int c = 0; c < classes.size(); c++) {
                OverlapCounts counts = one.counts().get(c);
                text.append(quoted(one.id()))
                        .append(',')
                        .append(quoted(classes.get(c).name()));
                for (Measure measure : Measure.values()) {
                    text.append(',').append(orEmpty(measure.of(counts)));
                }
                text.append(',').append(counts.truePositives());
                text.append(',').append(counts.falsePositives());
                text.append(',').append(counts.falseNegatives());
                text.append(',').append(counts.trueNegatives());
                text.append(',').append(one.predictedMillilitres(c));
                text.append(',').append(one.truthMillilitres(c));
                text.append(',').append(one.volumeDifferenceMillilitres(c));
                for (SurfaceMeasure measure : SurfaceMeasure.values()) {
                    text.append(',').append(orEmpty(one.get(measure, c)));
                }
                text.append('\n');
            }
        }
        return text.toString();
    }

    private static String orEmpty(double value) {
        return Double.isNaN(value) ? "" : String.valueOf(value);
    }

    private static String quoted(String text) {
        return text.matches("[^\",\\r\\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
    }

    /**
     * Writes {@code evaluation.json} and {@code evaluation.csv}, each atomically.
     *
     * @param folder made when it is missing
     * @param provenance where the result came from
     * @throws IOException when writing fails
     */
    public void write(Path folder, Map<String, ?> provenance) throws IOException {
        Files.createDirectories(folder);
        AtomicFiles.writeString(folder.resolve("evaluation.json"), Json.pretty(toMap(provenance)));
        AtomicFiles.writeString(folder.resolve("evaluation.csv"), csv());
    }
}
