package org.segformer3d.eval.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Numbers from low to high laid along a line of a drawing, with round ticks. */
record Axis(double low, double high, double from, double to, List<Double> ticks, int decimals) {
    /**
     * Returns an axis that holds certain numbers.
     *
     * @param from coordinate of the low end
     * @param to coordinate of the high end
     * @param most about how many ticks there may be
     */
    static Axis of(double low, double high, double from, double to, int most) {
        double span = high > low ? high - low : Math.max(1e-6, Math.abs(high) * 0.1);
        double rough = span / most;
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        double step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
        double first = Math.floor(low / step + 1e-9) * step;
        double last = Math.ceil((low + span) / step - 1e-9) * step;
        List<Double> ticks = new ArrayList<>();
        int count = (int) Math.round((last - first) / step);
        for (int n = 0; n <= count; n++) {
            ticks.add(first + n * step);
        }
        int decimals = (int) Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
        return new Axis(first, last, from, to, ticks, decimals);
    }

    double at(double value) {
        return from + (value - low) / (high - low) * (to - from);
    }

    String label(double tick) {
        double size = Math.max(Math.abs(low), Math.abs(high));
        if (size != 0 && size < 0.001) {
            return tick == 0 ? "0" : String.format(Locale.ROOT, "%.1e", tick).replace("e-0", "e-");
        }
        return Html.number(tick, decimals);
    }
}
