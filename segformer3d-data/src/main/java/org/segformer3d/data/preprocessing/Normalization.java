package org.segformer3d.data.preprocessing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/**
 * How intensities are brought to a common scale, each channel by itself.
 *
 * @param rules one for all channels, or one for each of several channels that don't all have the same
 */
public record Normalization(List<Rule> rules) {
    /** The rules. μ and σ are a channel's mean and population standard deviation; where σ is 0 the quotient is 0. */
    public enum Kind {
        /** (x − μ) / σ over all voxels. */
        Z_SCORE,
        /** (x − μ) / σ over the voxels that aren't 0; those that are stay 0. */
        Z_SCORE_NONZERO,
        /** (x − min) / (max − min); 0 everywhere where the channel is constant. */
        MIN_MAX,
        /** As {@link #MIN_MAX}, but each slice along the last axis of the file by itself, before anything else is done to the scan. */
        MIN_MAX_SLICES,
        /** (clip(x, lower, upper) − mean) / std with figures of the whole data set, for CT. */
        CLIP_Z_SCORE,
        /** x / 255, for colours of 0 … 255. */
        RGB_TO_0_1,
        /** x. */
        NONE
    }

    /**
     * The figures of {@link Kind#CLIP_Z_SCORE}, usually the 0.5th and 99.5th percentile, mean and standard deviation of the
     * foreground over a training set.
     *
     * @param lower smallest value kept
     * @param upper largest value kept, above {@code lower}
     * @param mean what becomes 0
     * @param std what becomes 1 above it, positive
     */
    public record ClipRange(double lower, double upper, double mean, double std) {
        /** Checks the figures. */
        public ClipRange {
            if (!(lower < upper) || Double.isInfinite(lower) || Double.isInfinite(upper)) {
                throw ConfigException.of(WHERE + ".lower and upper", lower + " and " + upper, "lower < upper");
            }
            if (!(std > 0) || Double.isInfinite(std)) {
                throw ConfigException.of(WHERE + ".std", std, "a positive number");
            }
            if (!Double.isFinite(mean)) {
                throw ConfigException.of(WHERE + ".mean", mean, "a number");
            }
        }
    }

    /**
     * What happens to one channel.
     *
     * @param kind which rule, never {@code null}
     * @param range the figures of {@link Kind#CLIP_Z_SCORE}; empty for all other kinds
     */
    public record Rule(Kind kind, Optional<ClipRange> range) {
        /** Checks that there are figures where the kind needs them and none elsewhere. */
        public Rule {
            Objects.requireNonNull(kind, "kind");
            if ((kind == Kind.CLIP_Z_SCORE) != range.isPresent()) {
                throw ConfigException.of(
                        WHERE,
                        text(kind) + (range.isPresent() ? " with figures" : " without figures"),
                        "lower, upper, mean and std for clip_z_score, and only for that");
            }
        }
    }

    private static final String WHERE = "preprocessing.normalization";
    private static final List<String> RANGE_KEYS = List.of("lower", "upper", "mean", "std");
    private static final List<String> KEYS = List.of("kind", "lower", "upper", "mean", "std");

    /** Checks that there is a rule; equal ones become one. */
    public Normalization {
        if (rules.isEmpty()) {
            throw ConfigException.of(WHERE, "no rule", "one for all channels, or one for each");
        }
        rules = rules.stream().distinct().count() == 1 ? List.of(rules.get(0)) : List.copyOf(rules);
    }

    /**
     * Returns one of the rules without figures for all channels.
     *
     * @throws ConfigException for {@link Kind#CLIP_Z_SCORE}
     */
    public static Normalization of(Kind kind) {
        return new Normalization(List.of(new Rule(kind, Optional.empty())));
    }

    /** Returns (x − μ) / σ over all voxels. */
    public static Normalization zScore() {
        return of(Kind.Z_SCORE);
    }

    /** Returns (x − μ) / σ over the voxels that aren't 0. */
    public static Normalization zScoreNonzero() {
        return of(Kind.Z_SCORE_NONZERO);
    }

    /** Returns (x − min) / (max − min). */
    public static Normalization minMax() {
        return of(Kind.MIN_MAX);
    }

    /** Returns (x − min) / (max − min) for each slice of the file. */
    public static Normalization minMaxSlices() {
        return of(Kind.MIN_MAX_SLICES);
    }

    /** Returns (clip(x, lower, upper) − mean) / std for one range, or one per channel. */
    public static Normalization clipZScore(ClipRange... ranges) {
        return new Normalization(Arrays.stream(ranges)
                .map(range -> new Rule(Kind.CLIP_Z_SCORE, Optional.of(range)))
                .toList());
    }

    /** Returns the rule that changes nothing. */
    public static Normalization none() {
        return of(Kind.NONE);
    }

    /**
     * Returns whether {@link #applyToSlices} is to be used on a channel as it is in its file, rather than {@link #apply}.
     *
     * @param channel its number, from 0
     */
    public boolean isOfSlices(int channel) {
        return rule(channel).kind() == Kind.MIN_MAX_SLICES;
    }

    /**
     * Checks that there are rules for all channels of a scan and for no others.
     *
     * @param channels how many the scan has
     * @throws ConfigException when there are several rules, but not as many
     */
    public void requireFor(int channels) {
        if (rules.size() > 1 && rules.size() != channels) {
            throw ConfigException.of(
                    WHERE, "rules for " + rules.size() + " channels", "one for all channels or " + channels);
        }
    }

    /**
     * Normalises one channel in place.
     *
     * @param values an array that holds the channel, never {@code null}; finite values
     * @param from index of the channel's first value
     * @param count number of its values
     * @param channel which channel it is, for rules of its own
     * @throws IllegalArgumentException when there are several rules but none for this channel
     * @throws IllegalStateException when slices are to be normalised
     */
    public void apply(float[] values, int from, int count, int channel) {
        Objects.checkFromIndexSize(from, count, values.length);
        Rule rule = rule(channel);
        switch (rule.kind()) {
            case Z_SCORE -> zScore(values, from, count, false);
            case Z_SCORE_NONZERO -> zScore(values, from, count, true);
            case MIN_MAX -> minMax(values, from, count);
            case CLIP_Z_SCORE -> clip(values, from, count, rule.range().orElseThrow());
            case RGB_TO_0_1 -> {
                for (int i = from; i < from + count; i++) {
                    values[i] /= 255;
                }
            }
            case MIN_MAX_SLICES -> throw new IllegalStateException("slices are those of the file; use applyToSlices");
            case NONE -> {}
        }
    }

    private Rule rule(int channel) {
        if (rules.size() > 1 && channel >= rules.size()) {
            throw new IllegalArgumentException(WHERE + ": found rules for " + rules.size()
                    + " channels, expected one or one per channel; there is a channel " + (channel + 1));
        }
        return rules.get(rules.size() == 1 ? 0 : channel);
    }

    /**
     * Scales each slice along the last axis to 0 … 1 in place; a constant slice becomes 0.
     *
     * @param values an array that holds a channel as it is in its file, never {@code null}; finite values
     * @param from index of the channel's first value
     * @param count number of its values, a multiple of {@code slices}
     * @param slices size of the last axis
     */
    static void applyToSlices(float[] values, int from, int count, int slices) {
        Objects.checkFromIndexSize(from, count, values.length);
        double[] low = new double[slices];
        double[] high = new double[slices];
        Arrays.fill(low, Double.POSITIVE_INFINITY);
        Arrays.fill(high, Double.NEGATIVE_INFINITY);
        for (int row = from; row < from + count; row += slices) {
            for (int s = 0; s < slices; s++) {
                low[s] = Math.min(low[s], values[row + s]);
                high[s] = Math.max(high[s], values[row + s]);
            }
        }
        double[] factor = new double[slices];
        double[] offset = new double[slices];
        for (int s = 0; s < slices; s++) {
            double range = high[s] - low[s];
            factor[s] = range == 0 ? 1 : 1 / range;
            offset[s] = -low[s] * factor[s];
        }
        for (int row = from; row < from + count; row += slices) {
            for (int s = 0; s < slices; s++) {
                values[row + s] = (float) (values[row + s] * factor[s] + offset[s]);
            }
        }
    }

    private static void zScore(float[] values, int from, int count, boolean nonzero) {
        double sum = 0;
        int n = 0;
        float smallest = Float.POSITIVE_INFINITY;
        float largest = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + count; i++) {
            float value = values[i];
            if (value != 0 || !nonzero) {
                sum += value;
                n++;
                smallest = Math.min(smallest, value);
                largest = Math.max(largest, value);
            }
        }
        if (n == 0) {
            return;
        }
        double mean = sum / n;
        double squares = 0;
        for (int i = from; i < from + count; i++) {
            float value = values[i];
            if (value != 0 || !nonzero) {
                squares += (value - mean) * (value - mean);
            }
        }
        // A constant channel is recognised by its extremes: its rounded mean may miss the constant, and σ wouldn't be
        // exactly 0.
        boolean constant = smallest == largest;
        double factor = constant ? 0 : 1 / Math.sqrt(squares / n);
        for (int i = from; i < from + count; i++) {
            float value = values[i];
            if (value != 0 || !nonzero) {
                values[i] = (float) ((value - mean) * factor);
            }
        }
    }

    private static void minMax(float[] values, int from, int count) {
        float smallest = Float.POSITIVE_INFINITY;
        float largest = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + count; i++) {
            smallest = Math.min(smallest, values[i]);
            largest = Math.max(largest, values[i]);
        }
        double offset = smallest;
        double factor = smallest < largest ? 1 / ((double) largest - smallest) : 0;
        for (int i = from; i < from + count; i++) {
            values[i] = (float) ((values[i] - offset) * factor);
        }
    }

    private static void clip(float[] values, int from, int count, ClipRange range) {
        double factor = 1 / range.std();
        for (int i = from; i < from + count; i++) {
            double clipped = Math.min(range.upper(), Math.max(range.lower(), values[i]));
            values[i] = (float) ((clipped - range.mean()) * factor);
        }
    }

    /** Returns the form {@link #fromConfig} reads: a kind's name, a map with figures, or a list with one of these per channel. */
    public Object toConfig() {
        if (rules.stream().allMatch(rule -> rule.kind() == Kind.CLIP_Z_SCORE)) {
            return figures(
                    rules.stream().map(rule -> rule.range().orElseThrow()).toList());
        }
        List<Object> list = rules.stream()
                .map(rule -> rule.range()
                        .<Object>map(range -> figures(List.of(range)))
                        .orElse(text(rule.kind())))
                .toList();
        return list.size() == 1 ? list.get(0) : list;
    }

    private static Map<String, Object> figures(List<ClipRange> ranges) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("kind", text(Kind.CLIP_Z_SCORE));
        map.put("lower", ranges.stream().map(ClipRange::lower).toList());
        map.put("upper", ranges.stream().map(ClipRange::upper).toList());
        map.put("mean", ranges.stream().map(ClipRange::mean).toList());
        map.put("std", ranges.stream().map(ClipRange::std).toList());
        return map;
    }

    /**
     * Reads a normalisation from configuration.
     *
     * @param found {@code z_score}, {@code z_score_nonzero}, {@code min_max}, {@code min_max_slices}, {@code rgb_to_0_1}, {@code none}, or
     *     a map with {@code kind} and, for {@code clip_z_score}, {@code lower}, {@code upper}, {@code mean} and {@code std}, each a number
     *     or a list of one per channel; or a list with one of these, without lists in it, for each channel
     * @throws ConfigException when a key is unknown, missing or has the wrong kind of value
     */
    public static Normalization fromConfig(Object found) {
        if (!(found instanceof List<?> list)) {
            return new Normalization(rules(WHERE, found));
        }
        List<Rule> rules = new ArrayList<>();
        for (int n = 0; n < list.size(); n++) {
            List<Rule> own = rules(WHERE + "[" + n + "]", list.get(n));
            if (own.size() != 1) {
                throw ConfigException.of(
                        WHERE + "[" + n + "]", "figures for " + own.size() + " channels", "one channel's");
            }
            rules.addAll(own);
        }
        return new Normalization(rules);
    }

    private static List<Rule> rules(String where, Object found) {
        if (!(found instanceof Map<?, ?> map)) {
            return List.of(new Rule(kind(where, found), Optional.empty()));
        }
        for (Object key : map.keySet()) {
            if (!KEYS.contains(String.valueOf(key))) {
                throw new ConfigException(Suggestions.unknownKey(where, String.valueOf(key), KEYS));
            }
        }
        Kind kind = kind(where, map.get("kind"));
        if (map.size() == 1) {
            return List.of(new Rule(kind, Optional.empty()));
        }
        List<List<Double>> columns = new ArrayList<>();
        for (String key : RANGE_KEYS) {
            columns.add(ConfigValues.list(where + "." + key, map.get(key)));
        }
        List<Rule> rules = new ArrayList<>();
        int channels = columns.get(0).size();
        for (int k = 0; k < RANGE_KEYS.size(); k++) {
            if (columns.get(k).size() != channels) {
                throw ConfigException.of(
                        where + "." + RANGE_KEYS.get(k),
                        columns.get(k).size() + " numbers",
                        channels + " as for " + RANGE_KEYS.get(0));
            }
        }
        for (int c = 0; c < channels; c++) {
            rules.add(new Rule(
                    kind,
                    Optional.of(new ClipRange(
                            columns.get(0).get(c),
                            columns.get(1).get(c),
                            columns.get(2).get(c),
                            columns.get(3).get(c)))));
        }
        return rules;
    }

    private static Kind kind(String where, Object found) {
        return ConfigValues.choice(where, found, Kind.values());
    }

    private static String text(Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT);
    }
}
