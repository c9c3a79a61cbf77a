package org.segformer3d.eval.metrics;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.FileFormatException;
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
 * @param leftOut cases of which only one of prediction and label is there, where that was allowed
 */
public record EvaluationSummary(
        List<LabelClass> classes,
        List<CaseScores> cases,
        List<CaseFailure> failures,
        List<Integer> unscoredValues,
        List<CaseFailure> leftOut) {
    static final String FORMAT = "segformer3d-evaluation";
    static final int VERSION = 1;

    /** A table for people; more columns than this nobody can read. */
    private static final int MOST_COLUMNS = 24;

    /** Copies the lists. */
    public EvaluationSummary {
        classes = List.copyOf(classes);
        cases = List.copyOf(cases);
        failures = List.copyOf(failures);
        unscoredValues = List.copyOf(unscoredValues);
        leftOut = List.copyOf(leftOut);
    }

    /** Creates a result that leaves nothing out. */
    public EvaluationSummary(
            List<LabelClass> classes,
            List<CaseScores> cases,
            List<CaseFailure> failures,
            List<Integer> unscoredValues) {
        this(classes, cases, failures, unscoredValues, List.of());
    }

    EvaluationSummary leavingOut(List<CaseFailure> left) {
        return new EvaluationSummary(classes, cases, failures, unscoredValues, left);
    }

    /** Returns in how many cases a score of a class is infinite, and therefore counted in no mean. */
    public int infinite(Score score, int classIndex) {
        return score.infinite(cases, classIndex);
    }

    /** Returns in how many cases a score of any class is infinite, so that its mean over classes leaves that class out. */
    public int infinite(Score score) {
        return (int) cases.stream()
                .filter(one -> IntStream.range(0, classes.size()).anyMatch(c -> score.infinite(List.of(one), c) > 0))
                .count();
    }

    /** Returns the value of one class's score in each case, NaN where it isn't defined. */
    public double[] values(Score score, int classIndex) {
        return cases.stream().mapToDouble(one -> one.get(score, classIndex)).toArray();
    }

    /** Returns the mean over classes of a score in each case, NaN where it isn't defined. */
    public double[] means(Score score) {
        return cases.stream().mapToDouble(one -> one.mean(score)).toArray();
    }

    /** Returns mean and spread over cases of one class's score. */
    public Spread spread(Score score, int classIndex) {
        return Spread.of(values(score, classIndex));
    }

    /** Returns mean and spread over cases of a score's mean over classes. */
    public Spread overall(Score score) {
        return Spread.of(means(score));
    }

    /** Returns the cases from the lowest mean Dice over classes to the highest, those without one last. */
    public List<CaseScores> worstFirst() {
        return cases.stream()
                .sorted(Comparator.comparingDouble((CaseScores one) -> one.mean(Measure.DICE))
                        .thenComparing(CaseScores::id))
                .toList();
    }

    /** Returns the mean over classes of the mean over cases, classes whose truth is always empty left out. */
    public double meanOfClasses(Score score) {
        double[] means = new double[classes.size()];
        for (int c = 0; c < means.length; c++) {
            means[c] = spread(score, c).mean();
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
     * Returns Dice as a table for people: a line a case, the worst first, a column a class; then mean ± standard deviation, the mean's
     * 95 % interval and the median, mean ± standard deviation of the other scores, each with the number of cases it counts and of those
     * where it is infinite, and the failures. Of very many classes only the first have a column.
     */
    public String table() {
        int columns = classes.size() <= MOST_COLUMNS ? classes.size() : MOST_COLUMNS;
        List<List<String>> rows = new ArrayList<>();
        List<String> head = new ArrayList<>(List.of("case, worst first"));
        classes.subList(0, columns).forEach(one -> head.add(one.name()));
        head.add("mean");
        rows.add(head);
        for (CaseScores one : worstFirst()) {
            List<String> row = new ArrayList<>(List.of(one.id()));
            for (int c = 0; c < columns; c++) {
                row.add(number(one.get(Measure.DICE, c)));
            }
            row.add(number(one.mean(Measure.DICE)));
            rows.add(row);
        }
        int ruleBefore = rows.size();
        rows.add(row(columns, "Dice, mean ± std (cases)", c -> meanAndStd(Measure.DICE, c)));
        rows.add(row(columns, "95 % interval", c -> text(Interval.ofMean(of(Measure.DICE, c)))));
        rows.add(row(
                columns, "median", c -> number(Spread.of(of(Measure.DICE, c)).median())));
        boolean infinite = false;
        for (Score score : Score.all()) {
            if (score != Measure.DICE) {
                rows.add(row(columns, score.title(), c -> meanAndStd(score, c)));
                infinite |= infinite(score) > 0;
            }
        }
        StringBuilder text = new StringBuilder(aligned(rows, ruleBefore, 1));
        text.append("(n): n of ")
                .append(cases.size())
                .append(cases.size() == 1 ? " case is" : " cases are")
                .append(" counted, those that have the class")
                .append(
                        infinite
                                ? "; +n ∞: n more, where only one of prediction and truth has it, are in no mean\n"
                                : "\n");
        if (columns < classes.size()) {
            text.append(classes.size() - columns).append(" more classes are in evaluation.json (--output or --json)\n");
        }
        if (!unscoredValues.isEmpty()) {
            text.append("label values that belong to no class: ")
                    .append(unscoredValues)
                    .append('\n');
        }
        append(text, leftOut, "left out");
        append(text, failures, "could not be compared");
        return text.toString();
    }

    private static void append(StringBuilder text, List<CaseFailure> list, String what) {
        if (list.isEmpty()) {
            return;
        }
        text.append(list.size())
                .append(list.size() == 1 ? " case " : " cases ")
                .append(what)
                .append(":\n");
        list.forEach(one -> text.append("  ")
                .append(one.id())
                .append(": ")
                .append(one.reason())
                .append('\n'));
    }

    /** Returns a score's value in each case: of a class, or, for the number of classes, its mean over classes. */
    private double[] of(Score score, int classIndex) {
        return classIndex < classes.size() ? values(score, classIndex) : means(score);
    }

    private List<String> row(int columns, String name, IntFunction<String> cell) {
        List<String> row = new ArrayList<>(List.of(name));
        for (int c = 0; c < columns; c++) {
            row.add(cell.apply(c));
        }
        row.add(cell.apply(classes.size()));
        return row;
    }

    private static String text(Interval interval) {
        return Double.isNaN(interval.low()) ? "–" : number(interval.low()) + " – " + number(interval.high());
    }

    static String aligned(List<List<String>> rows, int ruleBefore, int textColumns) {
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
                text.append(c == 0 ? "" : "  ").append(c < textColumns ? cell + pad : pad + cell);
            }
            text.append('\n');
        }
        return text.toString();
    }

    private String meanAndStd(Score score, int classIndex) {
        Spread spread = Spread.of(of(score, classIndex));
        int infinite = classIndex < classes.size() ? infinite(score, classIndex) : infinite(score);
        return (spread.counted() == 0 ? "–" : number(spread.mean()) + " ± " + number(spread.std())) + " ("
                + spread.counted() + (infinite == 0 ? "" : " +" + infinite + " ∞") + ")";
    }

    static String number(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.4f", value);
    }

    /**
     * Returns everything as a map for JSON. What isn't defined is {@code null}; {@code truth_empty} and {@code prediction_empty} say why.
     *
     * @param provenance where the result came from
     */
    public Map<String, Object> toMap(Map<String, ?> provenance) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("format", FORMAT);
        map.put("version", VERSION);
        List<Map<String, Object>> classMaps = new ArrayList<>();
        for (int c = 0; c < classes.size(); c++) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("name", classes.get(c).name());
            one.put("values", classes.get(c).values());
            one.put("both_empty", bothEmpty(c));
            for (Score score : Score.all()) {
                Map<String, Object> spread = spreadMap(values(score, c));
                spread.put("infinite", infinite(score, c));
                one.put(score.key(), spread);
            }
            classMaps.add(one);
        }
        Map<String, Object> overall = new LinkedHashMap<>();
        for (Score score : Score.all()) {
            Map<String, Object> spread = spreadMap(means(score));
            spread.put("infinite", infinite(score));
            spread.put("mean_of_classes", orNull(meanOfClasses(score)));
            overall.put(score.key(), spread);
        }
        map.put("overall", overall);
        map.put("classes", classMaps);
        map.put("cases", cases.stream().map(this::caseMap).toList());
        map.put("worst_first", worstFirst().stream().map(CaseScores::id).toList());
        List<Map<String, Object>> failed = new ArrayList<>();
        failures.forEach(failure -> failed.add(Map.of("case", failure.id(), "reason", failure.reason())));
        map.put("failures", failed);
        List<Map<String, Object>> left = new ArrayList<>();
        leftOut.forEach(one -> left.add(Map.of("case", one.id(), "reason", one.reason())));
        map.put("left_out", left);
        map.put("unscored_values", unscoredValues);
        map.put("provenance", provenance);
        return map;
    }

    private Map<String, Object> caseMap(CaseScores scores) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("case", scores.id());
        map.put("mean_dice", orNull(scores.mean(Measure.DICE)));
        map.put("voxel_ml", scores.voxelMillilitres());
        if (scores.resampled()) {
            map.put("resampled", true);
        }
        List<Map<String, Object>> list = new ArrayList<>();
        for (int c = 0; c < classes.size(); c++) {
            OverlapCounts counts = scores.counts().get(c);
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("name", classes.get(c).name());
            for (Score score : Score.all()) {
                one.put(score.key(), orNull(scores.get(score, c)));
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

    private static Map<String, Object> spreadMap(double... values) {
        Spread spread = Spread.of(values);
        Interval interval = Interval.ofMean(values);
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("mean", orNull(spread.mean()));
        map.put("std", orNull(spread.std()));
        map.put("median", orNull(spread.median()));
        map.put("ci95", Double.isNaN(interval.low()) ? null : List.of(interval.low(), interval.high()));
        map.put("counted", spread.counted());
        map.put("undefined", spread.skipped());
        return map;
    }

    static Double orNull(double value) {
        return Double.isNaN(value) ? null : value;
    }

    /** Returns one line a case and class as comma-separated values with a header, the worst cases first; what isn't defined is empty. */
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
        for (CaseScores one : worstFirst()) {
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

    /**
     * Returns one line a class and score as comma-separated values with a header: mean, standard deviation, median and the mean's 95 %
     * interval over cases. The class {@code mean} is the mean over classes of each case.
     */
    public String summaryCsv() {
        StringBuilder text =
                new StringBuilder("class,score,mean,std,median,ci95_low,ci95_high,counted,undefined,infinite\n");
        for (int c = 0; c <= classes.size(); c++) {
            for (Score score : Score.all()) {
                double[] values = c < classes.size() ? values(score, c) : means(score);
                Spread spread = Spread.of(values);
                Interval interval = Interval.ofMean(values);
                text.append(c < classes.size() ? quoted(classes.get(c).name()) : "mean")
                        .append(',')
                        .append(score.key());
                for (double value :
                        new double[] {spread.mean(), spread.std(), spread.median(), interval.low(), interval.high()}) {
                    text.append(',').append(orEmpty(value));
                }
                text.append(',')
                        .append(spread.counted())
                        .append(',')
                        .append(spread.skipped())
                        .append(',')
                        .append(c < classes.size() ? infinite(score, c) : infinite(score))
                        .append('\n');
            }
        }
        return text.toString();
    }

    static String orEmpty(double value) {
        return Double.isNaN(value) ? "" : String.valueOf(value);
    }

    static String quoted(String text) {
        return text.matches("[^\",\\r\\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
    }

    /**
     * Writes {@code evaluation.json}, {@code evaluation.csv} (cases) and {@code summary.csv} (over cases), each atomically.
     *
     * @param folder made when it is missing
     * @param provenance where the result came from
     * @throws IOException when writing fails
     */
    public void write(Path folder, Map<String, ?> provenance) throws IOException {
        Files.createDirectories(folder);
        AtomicFiles.writeString(folder.resolve("evaluation.json"), Json.pretty(toMap(provenance)));
        AtomicFiles.writeString(folder.resolve("evaluation.csv"), csv());
        AtomicFiles.writeString(folder.resolve("summary.csv"), summaryCsv());
    }

    /**
     * Reads what {@link #write} wrote.
     *
     * @param file an {@code evaluation.json}
     * @throws FileFormatException when it isn't one, is damaged, or comes from a newer version
     * @throws IOException when reading fails
     */
    public static EvaluationSummary read(Path file) throws IOException {
        return EvaluationReader.read(file);
    }
}
