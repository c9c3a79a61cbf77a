package org.segformer3d.server.http;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.DoubleSupplier;

/**
 * Numbers about the server in the text format of Prometheus, version 0.0.4.
 *
 * <p>Labels are taken from small fixed sets only, never from what clients send, so that this can't grow without bound.
 */
public final class Metrics {
    private static final double[] BUCKETS = {0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800};

    private final Map<String, Family> families = new LinkedHashMap<>();

    private static final class Family {
        private final String help;
        private final String type;
        private final Map<String, double[]> series = new TreeMap<>();
        private DoubleSupplier gauge;

        Family(String help, String type) {
            this.help = help;
            this.type = type;
        }
    }

    /** Declares a number that only grows. */
    public synchronized Metrics counter(String name, String help) {
        families.put(name, new Family(help, "counter"));
        return this;
    }

    /** Declares durations in seconds, counted in buckets. */
    public synchronized Metrics histogram(String name, String help) {
        families.put(name, new Family(help, "histogram"));
        return this;
    }

    /** Declares a number that is asked for when somebody reads the metrics. */
    public synchronized Metrics gauge(String name, String help, DoubleSupplier value) {
        Family family = new Family(help, "gauge");
        family.gauge = value;
        families.put(name, family);
        return this;
    }

    /**
     * Adds to a counter.
     *
     * @param labels names and values by turns
     */
    public synchronized void add(String name, double amount, String... labels) {
        families.get(name).series.computeIfAbsent(labels(labels), key -> new double[1])[0] += amount;
    }

    /** Counts a duration. */
    public synchronized void observe(String name, double seconds, String... labels) {
        double[] counts =
                families.get(name).series.computeIfAbsent(labels(labels), key -> new double[BUCKETS.length + 2]);
        for (int n = 0; n < BUCKETS.length; n++) {
            counts[n] += seconds <= BUCKETS[n] ? 1 : 0;
        }
        counts[BUCKETS.length]++;
        counts[BUCKETS.length + 1] += seconds;
    }

    private static String labels(String... labels) {
        List<String> pairs = new ArrayList<>();
        for (int n = 0; n < labels.length; n += 2) {
            pairs.add(labels[n] + "=\""
                    + labels[n + 1].replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"");
        }
        return String.join(",", pairs);
    }

    /** Returns all of it as text. */
    public synchronized String text() {
        StringBuilder text = new StringBuilder();
        families.forEach((name, family) -> {
            text.append("# HELP ").append(name).append(' ').append(family.help).append('\n');
            text.append("# TYPE ").append(name).append(' ').append(family.type).append('\n');
            if (family.gauge != null) {
                line(text, name, "", family.gauge.getAsDouble());
            }
            family.series.forEach((labels, values) -> {
                if (!family.type.equals("histogram")) {
                    line(text, name, labels, values[0]);
                    return;
                }
                String comma = labels.isEmpty() ? "" : ",";
                for (int n = 0; n < BUCKETS.length; n++) {
                    line(text, name + "_bucket", labels + comma + "le=\"" + number(BUCKETS[n]) + "\"", values[n]);
                }
                line(text, name + "_bucket", labels + comma + "le=\"+Inf\"", values[BUCKETS.length]);
                line(text, name + "_sum", labels, values[BUCKETS.length + 1]);
                line(text, name + "_count", labels, values[BUCKETS.length]);
            });
        });
        return text.toString();
    }

    private static void line(StringBuilder text, String name, String labels, double value) {
        text.append(name);
        if (!labels.isEmpty()) {
            text.append('{').append(labels).append('}');
        }
        text.append(' ').append(number(value)).append('\n');
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
