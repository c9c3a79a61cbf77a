package org.segformer3d.eval.metrics;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.eval.result.Json;

/**
 * Two evaluations of the same cases, case by case.
 *
 * <p>Cases are paired by id; a case counts for a score where both evaluations define it. Differences are the second minus the first.
 * The probabilities are those of single tests: with many classes and scores, some are small by chance.
 *
 * @param first name of the first evaluation
 * @param second name of the second
 * @param cases ids of the cases in both
 * @param lines a line for each class and score; the class {@code mean} is the mean over classes
 * @param unpaired what only one of both has, cases and classes, and what couldn't be scored, for people
 */
public record Comparison(String first, String second, List<String> cases, List<Line> lines, List<String> unpaired) {
    private static final int VERSION = 1;

    /** What the mean over classes is called. */
    public static final String MEAN = "mean";

    /**
     * One score of one class.
     *
     * @param className the class
     * @param score what was measured
     * @param pairs the paired values by case, the first evaluation's first
     * @param difference mean and spread of the differences
     * @param interval 95 % interval of their mean
     * @param test Wilcoxon's signed-rank test of them
     */
    public record Line(
            String className,
            Score score,
            Map<String, double[]> pairs,
            Spread difference,
            Interval interval,
            SignedRankTest test) {
        static Line of(String className, Score score, Map<String, double[]> pairs) {
            double[] differences = pairs.values().stream()
                    .mapToDouble(pair -> pair[1] - pair[0])
                    .toArray();
            return new Line(
                    className,
                    score,
                    pairs,
                    Spread.of(differences),
                    Interval.ofMean(differences),
                    SignedRankTest.of(differences));
        }

        /** Returns the mean of the first evaluation's values. */
        public double firstMean() {
            return Spread.of(
                            pairs.values().stream().mapToDouble(pair -> pair[0]).toArray())
                    .mean();
        }

        /** Returns the mean of the second evaluation's values. */
        public double secondMean() {
            return Spread.of(
                            pairs.values().stream().mapToDouble(pair -> pair[1]).toArray())
                    .mean();
        }
    }

    /** Copies the lists. */
    public Comparison {
        cases = List.copyOf(cases);
        lines = List.copyOf(lines);
        unpaired = List.copyOf(unpaired);
    }

    /**
     * Compares.
     *
     * @throws IllegalArgumentException when the evaluations have no case or no class in common; classes are the same when name and
     *     values are
     */
    public static Comparison of(String first, EvaluationSummary a, String second, EvaluationSummary b) {
        List<String> unpaired = new ArrayList<>();
        Map<LabelClass, int[]> classes = new LinkedHashMap<>();
        for (int c = 0; c < a.classes().size(); c++) {
            int other = b.classes().indexOf(a.classes().get(c));
            if (other >= 0) {
                classes.put(a.classes().get(c), new int[] {c, other});
            } else {
                unpaired.add("class " + a.classes().get(c).name() + " only in " + first);
            }
        }
        b.classes().stream()
                .filter(one -> !a.classes().contains(one))
                .forEach(one -> unpaired.add("class " + one.name() + " only in " + second));
        Map<String, CaseScores[]> cases = new TreeMap<>();
        a.cases().forEach(one -> cases.put(one.id(), new CaseScores[] {one, null}));
        b.cases().forEach(one -> cases.computeIfAbsent(one.id(), id -> new CaseScores[2])[1] = one);
        a.failures().forEach(one -> unpaired.add("case " + one.id() + " of " + first + ": " + one.reason()));
        b.failures().forEach(one -> unpaired.add("case " + one.id() + " of " + second + ": " + one.reason()));
        cases.forEach((id, both) -> {
            if (both[0] == null || both[1] == null) {
                unpaired.add("case " + id + " only in " + (both[0] == null ? second : first));
            }
        });
        cases.values().removeIf(both -> both[0] == null || both[1] == null);
        if (classes.isEmpty()) {
            throw new IllegalArgumentException("the evaluations have no class in common: " + first + " has "
                    + a.classes() + ", " + second + " has " + b.classes());
        }
        if (cases.isEmpty()) {
            throw new IllegalArgumentException("the evaluations have no case in common: " + first + " has " + ids(a)
                    + ", " + second + " has " + ids(b));
        }
        List<Line> lines = new ArrayList<>();
        List<int[]> indices = List.copyOf(classes.values());
        classes.forEach((one, index) -> {
            for (Score score : Score.all()) {
                lines.add(Line.of(
                        one.name(), score, pairs(cases, x -> x.get(score, index[0]), x -> x.get(score, index[1]))));
            }
        });
        for (Score score : Score.all()) {
            lines.add(Line.of(MEAN, score, pairs(cases, mean(score, indices, 0), mean(score, indices, 1))));
        }
        return new Comparison(first, second, List.copyOf(cases.keySet()), lines, unpaired);
    }

    private static List<String> ids(EvaluationSummary summary) {
        return summary.cases().stream().map(CaseScores::id).limit(3).toList();
    }

    private static ToDoubleFunction<CaseScores> mean(Score score, List<int[]> indices, int side) {
        return one -> Spread.of(indices.stream()
                        .mapToDouble(index -> one.get(score, index[side]))
                        .toArray())
                .mean();
    }

    private static Map<String, double[]> pairs(
            Map<String, CaseScores[]> cases, ToDoubleFunction<CaseScores> a, ToDoubleFunction<CaseScores> b) {
        Map<String, double[]> pairs = new LinkedHashMap<>();
        cases.forEach((id, both) -> {
            double[] pair = {a.applyAsDouble(both[0]), b.applyAsDouble(both[1])};
            if (!Double.isNaN(pair[0]) && !Double.isNaN(pair[1])) {
                pairs.put(id, pair);
            }
        });
        return pairs;
    }

    /** Returns the comparison as a table for people. */
    public String table() {
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("class", "score", "cases", "A", "B", "B − A", "95 % interval", "p"));
        for (Line line : lines) {
            Interval interval = line.interval();
            rows.add(List.of(
                    line.className(),
                    line.score().title(),
                    String.valueOf(line.difference().counted()),
                    EvaluationSummary.number(line.firstMean()),
                    EvaluationSummary.number(line.secondMean()),
                    signed(line.difference().mean()),
                    Double.isNaN(interval.low()) ? "–" : signed(interval.low()) + " … " + signed(interval.high()),
                    line.difference().counted() == 0
                            ? "–"
                            : probability(line.test().p())));
        }
        StringBuilder text = new StringBuilder("A  " + first + "\nB  " + second + "\n\n");
        text.append(
                EvaluationSummary.aligned(rows, 1 + lines.size() - Score.all().size(), 2));
        text.append("\ninterval: bootstrap over cases; p: Wilcoxon's signed-rank test, not corrected for many tests\n");
        unpaired.forEach(one -> text.append("left out: ").append(one).append('\n'));
        return text.toString();
    }

    private static String signed(double value) {
        return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%+.4f", value + 0.0);
    }

    private static String probability(double p) {
        return p < 0.0001 ? "< 0.0001" : String.format(Locale.ROOT, "%.4f", p);
    }

    /**
     * Returns everything as a map for JSON.
     *
     * @param provenance where the comparison came from
     */
    public Map<String, Object> toMap(Map<String, ?> provenance) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("format", "segformer3d-comparison");
        map.put("version", VERSION);
        map.put("first", first);
        map.put("second", second);
        map.put("cases", cases);
        List<Map<String, Object>> list = new ArrayList<>();
        for (Line line : lines) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("class", line.className());
            one.put("score", line.score().key());
            one.put("pairs", line.difference().counted());
            one.put("first_mean", EvaluationSummary.orNull(line.firstMean()));
            one.put("second_mean", EvaluationSummary.orNull(line.secondMean()));
            one.put("difference", EvaluationSummary.orNull(line.difference().mean()));
            one.put("difference_std", EvaluationSummary.orNull(line.difference().std()));
            one.put(
                    "difference_median",
                    EvaluationSummary.orNull(line.difference().median()));
            one.put(
                    "ci95",
                    Double.isNaN(line.interval().low())
                            ? null
                            : List.of(line.interval().low(), line.interval().high()));
            one.put("wilcoxon_statistic", line.test().statistic());
            one.put("wilcoxon_pairs", line.test().pairs());
            one.put(
                    "wilcoxon_p",
                    line.difference().counted() == 0 ? null : line.test().p());
            list.add(one);
        }
        map.put("scores", list);
        map.put("unpaired", unpaired);
        map.put("provenance", provenance);
        return map;
    }

    /** Returns one line a class and score as comma-separated values with a header; what isn't defined is empty. */
    public String csv() {
        StringBuilder text = new StringBuilder("class,score,pairs,first_mean,second_mean,difference,difference_std,"
                + "difference_median,ci95_low,ci95_high,wilcoxon_statistic,wilcoxon_pairs,wilcoxon_p\n");
        for (Line line : lines) {
            text.append(EvaluationSummary.quoted(line.className()))
                    .append(',')
                    .append(line.score().key())
                    .append(',')
                    .append(line.difference().counted());
            for (double value : new double[] {
                line.firstMean(),
                line.secondMean(),
                line.difference().mean(),
                line.difference().std(),
                line.difference().median(),
                line.interval().low(),
                line.interval().high(),
                line.test().statistic()
            }) {
                text.append(',').append(EvaluationSummary.orEmpty(value));
            }
            text.append(',')
                    .append(line.test().pairs())
                    .append(',')
                    .append(
                            line.difference().counted() == 0
                                    ? ""
                                    : String.valueOf(line.test().p()))
                    .append('\n');
        }
        return text.toString();
    }

    /**
     * Writes {@code comparison.json} and {@code comparison.csv}, each atomically.
     *
     * @param folder made when it is missing
     * @param provenance where the comparison came from
     * @throws IOException when writing fails
     */
    public void write(Path folder, Map<String, ?> provenance) throws IOException {
        Files.createDirectories(folder);
        AtomicFiles.writeString(folder.resolve("comparison.json"), Json.pretty(toMap(provenance)));
        AtomicFiles.writeString(folder.resolve("comparison.csv"), csv());
    }
}
