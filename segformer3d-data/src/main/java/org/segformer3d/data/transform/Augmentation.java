package org.segformer3d.data.transform;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/**
 * Reads random transforms from configuration: the name of a preset, or a list of steps.
 *
 * <pre>{@code
 * augmentation: standard          # or none, light, strong, official
 *
 * augmentation:
 *   - {type: flip, probability: 0.5, axes: [0, 1, 2]}
 *   - {type: affine, probability: 0.2, max_angle: 0.26, scale: [0.85, 1.2], padding: border}
 * }</pre>
 *
 * <p>The steps and their keys, with what holds where a key is absent:
 *
 * <ul>
 *   <li>{@code flip} (also {@code mirroring}): probability 0.5 for each axis, axes [0, 1, 2]
 *   <li>{@code rotate90}: probability 0.5
 *   <li>{@code rotate}: probability 0.2, max_angles [0.26, 0.26, 0.26] (radians), padding border (or zeros)
 *   <li>{@code scaling}: probability 0.2, factor [0.85, 1.2], padding border
 *   <li>{@code affine}: both in one: probability 0.2, max_angle 0.26, scale [0.85, 1.2], padding border, around [0, 1, 2] and
 *       scaled [0, 1, 2] (which axes)
 *   <li>{@code elastic}: probability 0.2, spacing 16 (voxels), max 4 (voxels), padding border
 *   <li>{@code intensity_scale} (also {@code brightness}): probability 0.15, factor [0.75, 1.25]
 *   <li>{@code intensity_shift}: probability 0.15, max 0.1
 *   <li>{@code contrast}: probability 0.15, factor [0.75, 1.25]
 *   <li>{@code gamma}: probability 0.15, gamma [0.7, 1.5]
 *   <li>{@code gaussian_noise}: probability 0.1, max_std 0.1
 *   <li>{@code gaussian_smooth} (also {@code blur}): probability 0.1, sigma [0.5, 1]
 *   <li>{@code low_resolution}: probability 0.1, factor [0.5, 1]
 *   <li>{@code gibbs_noise}: probability 0.1, alpha [0, 0.5]
 *   <li>{@code coarse_dropout}: probability 0.1, holes 8, size [8, 8, 8] (−1: the whole axis), fill 0, labels false (true: what was
 *       labelled there becomes background)
 * </ul>
 */
public final class Augmentation {
    private static final String WHERE = "augmentation";
    private static final Map<String, Function<Step, RandomTransform>> TYPES = types();
    private static final Map<String, List<RandomTransform>> PRESETS = presets();

    private Augmentation() {}

    private static Map<String, Function<Step, RandomTransform>> types() {
        Map<String, Function<Step, RandomTransform>> types = new LinkedHashMap<>();
        types.put("flip", s -> new RandomFlip(s.number("probability", 0.5), s.axes("axes")));
        types.put("rotate90", s -> new RandomRotate90(s.number("probability", 0.5)));
        types.put(
                "rotate",
                s -> new RandomRotate(
                        s.number("probability", 0.2), s.list("max_angles", 0.26, 0.26, 0.26), s.padding("padding")));
        types.put("scaling", s -> {
            double[] factor = s.range("factor", 0.85, 1.2);
            return new RandomAffine(s.number("probability", 0.2), 0, factor[0], factor[1], s.padding("padding"));
        });
        types.put(
                "elastic",
                s -> new RandomElastic(
                        s.number("probability", 0.2),
                        s.whole("spacing", s.number("spacing", 16)),
                        s.number("max", 4),
                        s.padding("padding")));
        types.put("affine", s -> {
            double[] scale = s.range("scale", 0.85, 1.2);
            return new RandomAffine(
                    s.number("probability", 0.2),
                    s.number("max_angle", 0.26),
                    scale[0],
                    scale[1],
                    s.padding("padding"),
                    s.axes("around"),
                    s.axes("scaled"));
        });
        types.put("intensity_scale", s -> {
            double[] factor = s.range("factor", 0.75, 1.25);
            return new RandomIntensityScale(s.number("probability", 0.15), factor[0], factor[1]);
        });
        types.put(
                "intensity_shift", s -> new RandomIntensityShift(s.number("probability", 0.15), s.number("max", 0.1)));
        types.put("contrast", s -> {
            double[] factor = s.range("factor", 0.75, 1.25);
            return new RandomContrast(s.number("probability", 0.15), factor[0], factor[1]);
        });
        types.put("gamma", s -> {
            double[] gamma = s.range("gamma", 0.7, 1.5);
            return new RandomGamma(s.number("probability", 0.15), gamma[0], gamma[1]);
        });
        types.put(
                "gaussian_noise", s -> new RandomGaussianNoise(s.number("probability", 0.1), s.number("max_std", 0.1)));
        types.put("gaussian_smooth", s -> {
            double[] sigma = s.range("sigma", 0.5, 1);
            return new RandomGaussianSmooth(s.number("probability", 0.1), sigma[0], sigma[1]);
        });
        types.put("low_resolution", s -> {
            double[] factor = s.range("factor", 0.5, 1);
            return new RandomLowResolution(s.number("probability", 0.1), factor[0], factor[1]);
        });
        types.put("gibbs_noise", s -> {
            double[] alpha = s.range("alpha", 0, 0.5);
            return new RandomGibbsNoise(s.number("probability", 0.1), alpha[0], alpha[1]);
        });
        types.put("coarse_dropout", s -> {
            double[] size = s.numbers("size", 8, 8, 8);
            return new RandomCoarseDropout(
                    s.number("probability", 0.1),
                    s.whole("holes", s.number("holes", 8)),
                    new Grid(s.extent("size", size[0]), s.extent("size", size[1]), s.extent("size", size[2])),
                    s.number("fill", 0),
                    s.flag("labels"));
        });
        types.put("mirroring", types.get("flip"));
        types.put("brightness", types.get("intensity_scale"));
        types.put("blur", types.get("gaussian_smooth"));
        return types;
    }

    private static Map<String, List<RandomTransform>> presets() {
        Map<String, List<RandomTransform>> presets = new LinkedHashMap<>();
        presets.put("none", List.of());
        presets.put(
                "light",
                fromConfig(
                        List.of(Map.of("type", "flip"), Map.of("type", "intensity_scale"), Map.of("type", "gamma"))));
        presets.put(
                "standard",
                fromConfig(List.of(
                        Map.of("type", "affine"),
                        Map.of("type", "flip"),
                        Map.of("type", "gaussian_noise"),
                        Map.of("type", "gaussian_smooth"),
                        Map.of("type", "intensity_scale"),
                        Map.of("type", "contrast"),
                        Map.of("type", "gamma"))));
        presets.put(
                "strong",
                fromConfig(List.of(
                        Map.of("type", "affine", "max_angle", 0.52, "scale", List.of(0.7, 1.4)),
                        Map.of("type", "elastic"),
                        Map.of("type", "gaussian_noise"),
                        Map.of("type", "blur", "probability", 0.2),
                        Map.of("type", "brightness"),
                        Map.of("type", "contrast"),
                        Map.of("type", "low_resolution", "probability", 0.25),
                        Map.of("type", "gamma", "probability", 0.3),
                        Map.of("type", "mirroring"))));
        presets.put(
                "official",
                fromConfig(List.of(
                        Map.of("type", "flip", "probability", 0.3, "axes", List.of(1)),
                        Map.of("type", "rotate", "probability", 0.5, "max_angles", List.of(0.36, 0, 0)),
                        Map.of(
                                "type",
                                "coarse_dropout", //
                                "probability",
                                0.5,
                                "holes",
                                20,
                                "size",
                                List.of(-1, 7, 7),
                                "labels",
                                true),
                        Map.of("type", "gibbs_noise", "probability", 1, "alpha", List.of(0.5, 0.5)))));
        return presets;
    }

    /**
     * Reads random transforms from configuration.
     *
     * @param found a preset's name, a list of maps, or {@code null} for none
     * @throws ConfigException when a name or key is unknown or a value is of the wrong kind
     */
    public static List<RandomTransform> fromConfig(Object found) {
        if (found == null) {
            return List.of();
        }
        if (found instanceof String name) {
            List<RandomTransform> preset = PRESETS.get(name.toLowerCase(Locale.ROOT));
            if (preset == null) {
                throw ConfigException.of(
                        WHERE,
                        "'" + name + "'",
                        "one of " + String.join(", ", PRESETS.keySet()) + ", or a list of steps");
            }
            return preset;
        }
        if (!(found instanceof List<?> list)) {
            throw ConfigException.of(WHERE, found, "the name of a preset or a list of steps");
        }
        List<RandomTransform> steps = new ArrayList<>();
        for (int n = 0; n < list.size(); n++) {
            steps.add(step(WHERE + "[" + n + "]", list.get(n)));
        }
        return List.copyOf(steps);
    }

    private static RandomTransform step(String where, Object found) {
        if (!(found instanceof Map<?, ?> map)) {
            throw ConfigException.of(where, found, "{type: …}");
        }
        String type = String.valueOf(map.get("type"));
        Function<Step, RandomTransform> make = TYPES.get(type);
        if (make == null) {
            throw ConfigException.of(
                    where + ".type",
                    map.get("type") == null ? "nothing" : "'" + type + "'",
                    "one of " + String.join(", ", TYPES.keySet())
                            + Suggestions.nearest(type, TYPES.keySet())
                                    .filter(near -> map.get("type") != null)
                                    .map(near -> "; did you mean '" + near + "'?")
                                    .orElse(""));
        }
        Step step = new Step(where, map);
        RandomTransform made;
        try {
            made = make.apply(step);
        } catch (ConfigException e) {
            throw e.getMessage().startsWith(WHERE) ? e : new ConfigException(where + ": " + e.getMessage());
        }
        step.requireAllRead();
        return made;
    }

    /** One entry of the list, which remembers the keys it was asked for: whatever else it holds is misspelt. */
    private static final class Step {
        private final String where;
        private final Map<?, ?> map;
        private final Set<String> known = new LinkedHashSet<>(List.of("type"));

        Step(String where, Map<?, ?> map) {
            this.where = where;
            this.map = map;
        }

        double number(String key, double otherwise) {
            return numbers(key, otherwise)[0];
        }

        double[] range(String key, double low, double high) {
            return numbers(key, low, high);
        }

        double[] numbers(String key, double... otherwise) {
            Object found = get(key);
            if (found == null) {
                return otherwise;
            }
            List<?> list = found instanceof List<?> several ? several : List.of(found);
            double[] numbers = new double[otherwise.length];
            if (list.size() != numbers.length) {
                throw ConfigException.of(
                        where + "." + key, found, numbers.length == 1 ? "a number" : numbers.length + " numbers");
            }
            for (int n = 0; n < numbers.length; n++) {
                if (!(list.get(n) instanceof Number number)) {
                    throw ConfigException.of(where + "." + key, found, "numbers");
                }
                numbers[n] = number.doubleValue();
            }
            return numbers;
        }

        int whole(String key, double number) {
            if (number != (int) number || number < 1) {
                throw ConfigException.of(where + "." + key, number, "a whole number from 1 on");
            }
            return (int) number;
        }

        /** A whole number of voxels, or −1 for all there are. */
        int extent(String key, double number) {
            return number == -1 ? Integer.MAX_VALUE : whole(key, number);
        }

        boolean flag(String key) {
            Object found = get(key);
            if (found != null && !(found instanceof Boolean)) {
                throw ConfigException.of(where + "." + key, found, "true or false");
            }
            return Boolean.TRUE.equals(found);
        }

        List<Double> list(String key, double... otherwise) {
            return Arrays.stream(numbers(key, otherwise)).boxed().toList();
        }

        List<Integer> axes(String key) {
            Object found = get(key);
            if (found == null) {
                return List.of(0, 1, 2);
            }
            List<Integer> axes = new ArrayList<>();
            for (Object axis : found instanceof List<?> several ? several : List.of(found)) {
                if (!(axis instanceof Integer number)) {
                    throw ConfigException.of(where + "." + key, found, "some of 0, 1, 2");
                }
                axes.add(number);
            }
            return axes;
        }

        Padding padding(String key) {
            Object found = get(key);
            if (found == null) {
                return Padding.BORDER;
            }
            for (Padding padding : Padding.values()) {
                if (padding.name().equalsIgnoreCase(String.valueOf(found))) {
                    return padding;
                }
            }
            throw ConfigException.of(where + "." + key, found, "border or zeros");
        }

        private Object get(String key) {
            known.add(key);
            return map.get(key);
        }

        void requireAllRead() {
            for (Object key : map.keySet()) {
                if (!known.contains(String.valueOf(key))) {
                    throw new ConfigException(Suggestions.unknownKey(where, String.valueOf(key), known));
                }
            }
        }
    }
}
