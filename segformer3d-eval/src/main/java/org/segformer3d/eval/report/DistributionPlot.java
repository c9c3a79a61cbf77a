package org.segformer3d.eval.report;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.Interval;
import org.segformer3d.eval.metrics.Score;
import org.segformer3d.eval.metrics.Spread;

/** A score's values as a drawing: a row a class, a dot a case, quartiles as a box, the median as a bar, the mean's 95 % interval above. */
record DistributionPlot(EvaluationSummary summary, Score score) {
    private static final int WIDTH = 340;
    private static final int ROW = 62;
    private static final int LEFT = 6;
    private static final int RIGHT = 334;
    private static final double RADIUS = 3;

    String svg() {
        List<LabelClass> classes = summary.classes();
        double[] all = IntStream.range(0, classes.size())
                .mapToObj(c -> summary.values(score, c))
                .flatMapToDouble(Arrays::stream)
                .filter(v -> !Double.isNaN(v))
                .sorted()
                .toArray();
        if (all.length == 0) {
            return "<p class=\"quiet\">Not defined for any case.</p>";
        }
        double low = score.isBestHigh() ? Math.max(0, all[0]) : Math.min(0, all[0]);
        double high = score.isBestHigh() ? 1 : all[all.length - 1];
        Axis axis = Axis.of(low, high, LEFT, RIGHT, 5);
        int bottom = ROW * classes.size() + 4;
        StringBuilder svg = new StringBuilder();
        svg.append("<svg viewBox=\"0 0 ")
                .append(WIDTH)
                .append(' ')
                .append(bottom + 20)
                .append("\" role=\"img\" aria-label=\"")
                .append(Html.escape(score.title()))
                .append(" of each case by class\">");
        for (double tick : axis.ticks()) {
            String x = Html.coordinate(axis.at(tick));
            svg.append("<line class=\"grid\" x1=\"%s\" x2=\"%s\" y1=\"4\" y2=\"%d\"/>".formatted(x, x, bottom));
            String anchor = tick == axis.ticks().get(0)
                    ? "start"
                    : tick == axis.ticks().get(axis.ticks().size() - 1) ? "end" : "middle";
            svg.append("<text x=\"%s\" y=\"%d\" text-anchor=\"%s\">%s</text>"
                    .formatted(
                            anchor.equals("start") ? "0" : anchor.equals("end") ? String.valueOf(WIDTH) : x,
                            bottom + 15,
                            anchor,
                            axis.label(tick)));
        }
        for (int c = 0; c < classes.size(); c++) {
            row(svg, axis, c);
        }
        return svg.append("</svg>").toString();
    }

    private void row(StringBuilder svg, Axis axis, int classIndex) {
        double[] values = summary.values(score, classIndex);
        int top = ROW * classIndex;
        double middle = top + 42;
        svg.append("<text class=\"name\" x=\"0\" y=\"%d\">%s</text>"
                .formatted(
                        top + 16, Html.escape(summary.classes().get(classIndex).name())));
        double[] sorted =
                Arrays.stream(values).filter(v -> !Double.isNaN(v)).sorted().toArray();
        if (sorted.length == 0) {
            svg.append("<text x=\"%d\" y=\"%s\">not defined</text>".formatted(LEFT, Html.coordinate(middle)));
            return;
        }
        dots(svg, axis, values, middle);
        Spread spread = Spread.of(sorted);
        Interval interval = Interval.ofMean(sorted);
        if (sorted.length >= 4) {
            double q1 = axis.at(quartile(sorted, 0.25));
            double q3 = axis.at(quartile(sorted, 0.75));
            svg.append("<rect class=\"box\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"24\"/>"
                    .formatted(Html.coordinate(q1), Html.coordinate(middle - 12), Html.coordinate(q3 - q1)));
        }
        String median = Html.coordinate(axis.at(spread.median()));
        svg.append("<line class=\"median\" x1=\"%s\" x2=\"%s\" y1=\"%s\" y2=\"%s\"/>"
                .formatted(median, median, Html.coordinate(middle - 12), Html.coordinate(middle + 12)));
        if (!Double.isNaN(interval.low())) {
            String y = Html.coordinate(middle - 17);
            svg.append("<line class=\"mean\" x1=\"%s\" x2=\"%s\" y1=\"%s\" y2=\"%s\"/>"
                    .formatted(
                            Html.coordinate(axis.at(interval.low())), Html.coordinate(axis.at(interval.high())), y, y));
            svg.append("<circle cx=\"%s\" cy=\"%s\" r=\"2.5\" fill=\"currentColor\"/>"
                    .formatted(Html.coordinate(axis.at(spread.mean())), y));
        }
    }

    /** Draws each case; those that would cover each other are spread up and down around the middle. */
    private void dots(StringBuilder svg, Axis axis, double[] values, double middle) {
        Integer[] order = IntStream.range(0, values.length)
                .filter(i -> !Double.isNaN(values[i]))
                .boxed()
                .sorted((a, b) -> Double.compare(values[a], values[b]))
                .toArray(Integer[]::new);
        double lastX = Double.NEGATIVE_INFINITY;
        int inRow = 0;
        for (int i : order) {
            double x = axis.at(values[i]);
            inRow = x - lastX < 1.2 * RADIUS ? inRow + 1 : 0;
            if (inRow == 0) {
                lastX = x;
            }
            int lane = inRow % 5;
            double y = middle + (lane % 2 == 0 ? 1 : -1) * ((lane + 1) / 2) * 4.0;
            svg.append("<circle class=\"dot\" cx=\"%s\" cy=\"%s\" r=\"%s\"><title>%s: %s</title></circle>"
                    .formatted(
                            Html.coordinate(x),
                            Html.coordinate(y),
                            Html.coordinate(RADIUS),
                            Html.escape(summary.cases().get(i).id()),
                            Html.number(values[i], 4)));
        }
    }

    private static double quartile(double[] sorted, double share) {
        double rank = share * (sorted.length - 1);
        int below = (int) rank;
        double above = sorted[Math.min(below + 1, sorted.length - 1)];
        return sorted[below] + (above - sorted[below]) * (rank - below);
    }
}
