package org.segformer3d.eval.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Lines over epochs as a drawing with a legend. */
final class CurvePlot {
    private static final int WIDTH = 340;
    private static final int HEIGHT = 200;
    private static final int LEFT = 40;
    private static final int RIGHT = 334;
    private static final int TOP = 8;
    private static final int BOTTOM = 176;

    /** How many colours the style sheet has for series. */
    private static final int COLOURS = 6;

    private final String name;
    private final double[] epochs;
    private final Map<String, double[]> series = new LinkedHashMap<>();

    /** Starts a drawing. */
    CurvePlot(String name, double... epochs) {
        this.name = name;
        this.epochs = epochs.clone();
    }

    /** Adds a line; NaN where an epoch has no value. */
    CurvePlot line(String title, double... values) {
        series.put(title, values.clone());
        return this;
    }

    String svg() {
        double[] all = series.values().stream()
                .flatMapToDouble(Arrays::stream)
                .filter(Double::isFinite)
                .toArray();
        if (all.length == 0) {
            return "";
        }
        double low = Arrays.stream(all).min().orElseThrow();
        double high = Arrays.stream(all).max().orElseThrow();
        Axis y = Axis.of(low, high, BOTTOM, TOP, 4);
        Axis x = Axis.of(epochs[0], Math.max(epochs[epochs.length - 1], epochs[0] + 1), LEFT, RIGHT, 5);
        x = new Axis(
                epochs[0],
                Math.max(epochs[epochs.length - 1], epochs[0] + 1),
                LEFT,
                RIGHT,
                x.ticks().stream()
                        .filter(t -> t >= epochs[0] && t <= epochs[epochs.length - 1] && t == Math.rint(t))
                        .toList(),
                0);
        StringBuilder svg = new StringBuilder();
        svg.append("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s over epochs\">"
                .formatted(WIDTH, HEIGHT, Html.escape(name)));
        for (double tick : y.ticks()) {
            String at = Html.coordinate(y.at(tick));
            svg.append("<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%s\" y2=\"%s\"/>".formatted(LEFT, RIGHT, at, at));
            svg.append("<text x=\"%d\" y=\"%s\" text-anchor=\"end\">%s</text>"
                    .formatted(LEFT - 6, Html.coordinate(y.at(tick) + 4), y.label(tick)));
        }
        for (double tick : x.ticks()) {
            svg.append("<text x=\"%s\" y=\"%d\" text-anchor=\"middle\">%s</text>"
                    .formatted(Html.coordinate(x.at(tick)), BOTTOM + 18, x.label(tick)));
        }
        svg.append("<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>"
                .formatted(LEFT, RIGHT, BOTTOM, BOTTOM));
        int n = 0;
        for (double[] values : series.values()) {
            svg.append(path(values, x, y, n++));
        }
        svg.append("</svg>");
        if (series.size() > 1) {
            svg.append("<ul class=\"legend\">");
            n = 0;
            for (String title : series.keySet()) {
                svg.append(("<li><svg viewBox=\"0 0 24 12\" aria-hidden=\"true\"><path class=\"curve\" d=\"M1 6H23\" "
                                + "style=\"%s\"/></svg>%s</li>")
                        .formatted(style(n++), Html.escape(title)));
            }
            svg.append("</ul>");
        }
        return svg.toString();
    }

    private String path(double[] values, Axis x, Axis y, int index) {
        StringBuilder path = new StringBuilder();
        List<double[]> points = new ArrayList<>();
        for (int i = 0; i < epochs.length; i++) {
            if (Double.isFinite(values[i])) {
                points.add(new double[] {x.at(epochs[i]), y.at(values[i])});
            }
        }
        for (int i = 0; i < points.size(); i++) {
            path.append(i == 0 ? "M" : "L")
                    .append(Html.coordinate(points.get(i)[0]))
                    .append(' ')
                    .append(Html.coordinate(points.get(i)[1]));
        }
        if (points.size() == 1) {
            return "<circle cx=\"%s\" cy=\"%s\" r=\"2.5\" style=\"fill:var(--c%d)\"/>"
                    .formatted(Html.coordinate(points.get(0)[0]), Html.coordinate(points.get(0)[1]), index % COLOURS);
        }
        return "<path class=\"curve\" d=\"" + path + "\" style=\"" + style(index) + "\"/>";
    }

    /** Further lines are dashed too, so that they can be told apart without colours. */
    private static String style(int index) {
        String[] dashes = {"", ";stroke-dasharray:6 3", ";stroke-dasharray:2 3", ";stroke-dasharray:8 3 2 3"};
        return "stroke:var(--c" + index % COLOURS + ")" + dashes[index % dashes.length];
    }
}
