package org.segformer3d.eval.postprocessing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.data.volume.Volume;

/**
 * One step of cleaning a label map. It treats each label on its own, and what it takes away becomes background.
 *
 * @param kind what it does, never {@code null}
 * @param labels values it treats; empty for every label of the map
 * @param cubicMillimetres for {@link Kind#REMOVE_SMALL}, components smaller than this go; 0 otherwise
 */
public record PostprocessingStep(Kind kind, List<Integer> labels, double cubicMillimetres) {
    private static final List<String> KEYS = List.of("type", "labels", "mm3");

    /** What a step does. Components touch at faces, edges or corners, holes at faces. */
    public enum Kind {
        /** Keeps a label's largest component. */
        KEEP_LARGEST,
        /** Removes a label's components below a volume. */
        REMOVE_SMALL,
        /** Gives background that a label encloses on all sides to the label. */
        FILL_HOLES;

        String key() {
            return name().toLowerCase(Locale.ROOT);
        }

        static Kind parse(String text) {
            for (Kind kind : values()) {
                if (kind.key().equals(text)) {
                    return kind;
                }
            }
            throw ConfigException.of("postprocessing", "'" + text + "'", "keep_largest, remove_small or fill_holes");
        }
    }

    /** Validates. */
    public PostprocessingStep {
        Objects.requireNonNull(kind, "kind");
        labels = List.copyOf(labels);
        if (labels.stream().anyMatch(label -> label < 1)) {
            throw ConfigException.of("postprocessing." + kind.key() + ".labels", labels, "labels of at least 1");
        }
        boolean needsVolume = kind == Kind.REMOVE_SMALL;
        if (needsVolume ? !(cubicMillimetres > 0 && cubicMillimetres < Double.MAX_VALUE) : cubicMillimetres != 0) {
            throw ConfigException.of(
                    "postprocessing." + kind.key() + ".mm3",
                    cubicMillimetres,
                    needsVolume ? "a volume in mm³ above 0" : "none; it is for remove_small");
        }
    }

    /**
     * Parses {@code keep_largest}, {@code keep_largest@1+2}, {@code remove_small=50@3} (in mm³) or {@code fill_holes}.
     *
     * @throws ConfigException when it is another text
     */
    public static PostprocessingStep parse(String text) {
        String[] of = text.strip().split("@", 2);
        String[] what = of[0].split("=", 2);
        Kind kind = Kind.parse(what[0]);
        try {
            List<Integer> labels = new ArrayList<>();
            if (of.length == 2) {
                for (String label : of[1].split("\\+", -1)) {
                    labels.add(Integer.parseInt(label));
                }
            }
            return new PostprocessingStep(kind, labels, what.length == 2 ? Double.parseDouble(what[1]) : 0);
        } catch (NumberFormatException e) {
            throw ConfigException.of(
                    "postprocessing",
                    "'" + text + "'",
                    "for example keep_largest@1+2, remove_small=50 (mm³) or fill_holes");
        }
    }

    /** Returns keys and values as {@link #fromMap} reads them. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", kind.key());
        if (!labels.isEmpty()) {
            map.put("labels", labels);
        }
        if (kind == Kind.REMOVE_SMALL) {
            map.put("mm3", cubicMillimetres);
        }
        return map;
    }

    /**
     * Reads a step.
     *
     * @throws ConfigException naming an unknown key or a value of the wrong kind or range
     */
    public static PostprocessingStep fromMap(Map<?, ?> map) {
        for (Object key : map.keySet()) {
            if (!KEYS.contains(String.valueOf(key))) {
                throw new ConfigException(Suggestions.unknownKey("postprocessing", String.valueOf(key), KEYS));
            }
        }
        Kind kind = Kind.parse(String.valueOf(map.get("type")));
        List<Integer> labels = new ArrayList<>();
        if (map.get("labels") != null) {
            if (!(map.get("labels") instanceof List<?> values)
                    || !values.stream().allMatch(value -> value instanceof Integer)) {
                throw ConfigException.of(
                        "postprocessing." + kind.key() + ".labels", map.get("labels"), "a list of labels");
            }
            values.forEach(value -> labels.add((Integer) value));
        }
        Object volume = map.get("mm3");
        if (volume != null && !(volume instanceof Number)) {
            throw ConfigException.of("postprocessing." + kind.key() + ".mm3", volume, "a number");
        }
        return new PostprocessingStep(kind, labels, volume == null ? 0 : ((Number) volume).doubleValue());
    }

    /** Applies steps one after the other. */
    public static Volume applyAll(List<PostprocessingStep> steps, Volume labels) {
        Volume result = labels;
        for (PostprocessingStep step : steps) {
            result = step.apply(result);
        }
        return result;
    }

    /**
     * Returns a cleaned label map; the given one stays as it is.
     *
     * @param volume one channel of labels ≥ 0, never {@code null}
     */
    public Volume apply(Volume volume) {
        int[] values = volume.toLabels();
        TreeSet<Integer> treated = new TreeSet<>(labels);
        if (labels.isEmpty()) {
            for (int value : values) {
                if (value != 0) {
                    treated.add(value);
                }
            }
        }
        double[] spacing = volume.geometry().spacing();
        double voxel = spacing[0] * spacing[1] * spacing[2];
        for (int label : treated) {
            treat(values, volume.geometry().size(), label, voxel);
        }
        return Volume.ofLabels(values, volume.geometry());
    }

    private void treat(int[] values, Grid size, int label, double voxel) {
        if (kind == Kind.FILL_HOLES) {
            fill(values, size, label);
            return;
        }
        Components components = Components.of(size, n -> values[n] == label, Components.Neighbours.CORNERS);
        int largest = components.largest();
        for (int n = 0; n < values.length; n++) {
            int component = components.of(n);
            if (component >= 0
                    && (kind == Kind.KEEP_LARGEST
                            ? component != largest
                            : components.size(component) * voxel < cubicMillimetres)) {
                values[n] = 0;
            }
        }
    }

    /** A hole is a component of everything else that nowhere reaches the volume's edge. */
    private static void fill(int[] values, Grid size, int label) {
        Components rest = Components.of(size, n -> values[n] != label, Components.Neighbours.FACES);
        boolean[] open = new boolean[rest.count()];
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                for (int w = 0; w < size.width(); w++, n++) {
                    boolean edge = d == 0
                            || h == 0
                            || w == 0
                            || d == size.depth() - 1
                            || h == size.height() - 1
                            || w == size.width() - 1;
                    if (edge && rest.of(n) >= 0) {
                        open[rest.of(n)] = true;
                    }
                }
            }
        }
        for (n = 0; n < values.length; n++) {
            if (values[n] == 0 && rest.of(n) >= 0 && !open[rest.of(n)]) {
                values[n] = label;
            }
        }
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(kind.key());
        if (kind == Kind.REMOVE_SMALL) {
            text.append('=').append(cubicMillimetres);
        }
        for (int i = 0; i < labels.size(); i++) {
            text.append(i == 0 ? '@' : '+').append(labels.get(i));
        }
        return text.toString();
    }
}
