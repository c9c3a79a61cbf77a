package org.segformer3d.data.preprocessing;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;

/**
 * What happens to a scan before a network sees it, in this order: orientation, cropping, normalisation, resampling.
 *
 * <p>Normalisation comes before resampling so that its statistics are those of measured voxels, not of interpolated ones.
 *
 * @param orientation whether the axes are brought to RAS+
 * @param spacing target distance of voxel centres in mm along the three axes after orientation; empty to keep each scan's own
 * @param interpolation how images are resampled: {@link Interpolation#LINEAR} or {@link Interpolation#CUBIC}; labels always by linear
 *     interpolation of each value's mask, the largest winning
 * @param cropping whether empty borders are cut off
 * @param normalization how intensities are scaled
 */
public record PreprocessingSpec(
        Orienting orientation,
        Optional<List<Double>> spacing,
        Interpolation interpolation,
        Cropping cropping,
        Normalization normalization) {
    /** Which way the voxel axes point. */
    public enum Orienting {
        /** As in the file. */
        AS_IS,
        /** To the right, anterior and superior, as nearly as permuting and flipping the axes can. */
        RAS
    }

    /** What is cut off. */
    public enum Cropping {
        /** Nothing. */
        NONE,
        /** What lies outside the smallest box around the voxels that aren't 0 in every channel. */
        NONZERO
    }

    private static final String WHERE = "preprocessing";
    private static final List<String> KEYS =
            List.of("orientation", "spacing", "interpolation", "cropping", "normalization");

    /** Checks the spacing. */
    public PreprocessingSpec {
        Objects.requireNonNull(orientation, "orientation");
        Objects.requireNonNull(interpolation, "interpolation");
        Objects.requireNonNull(cropping, "cropping");
        Objects.requireNonNull(normalization, "normalization");
        spacing = spacing.map(List::copyOf);
        spacing.ifPresent(mm -> {
            if (mm.size() != 3 || mm.stream().anyMatch(v -> !(v > 0) || v.isInfinite())) {
                throw ConfigException.of(WHERE + ".spacing", mm, "three positive lengths in mm");
            }
        });
        if (interpolation == Interpolation.NEAREST) {
            throw ConfigException.of(WHERE + ".interpolation", "nearest", "linear or cubic for images");
        }
    }

    /** Returns the specification with nothing but the given normalisation. */
    public static PreprocessingSpec of(Normalization normalization) {
        return new PreprocessingSpec(
                Orienting.AS_IS, Optional.empty(), Interpolation.LINEAR, Cropping.NONE, normalization);
    }

    /** Returns a copy that brings the axes to RAS+, or doesn't. */
    public PreprocessingSpec withOrientation(Orienting other) {
        return new PreprocessingSpec(other, spacing, interpolation, cropping, normalization);
    }

    /** Returns a copy that resamples to the given distances in mm. */
    public PreprocessingSpec withSpacing(Interpolation how, double first, double second, double third) {
        return new PreprocessingSpec(
                orientation, Optional.of(List.of(first, second, third)), how, cropping, normalization);
    }

    /** Returns a copy with other cropping. */
    public PreprocessingSpec withCropping(Cropping other) {
        return new PreprocessingSpec(orientation, spacing, interpolation, other, normalization);
    }

    /** Returns this specification as plain maps, lists, text and numbers; {@link #fromMap} reads it back. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("orientation", orientation.name().toLowerCase(Locale.ROOT));
        spacing.ifPresent(mm -> map.put("spacing", mm));
        map.put("interpolation", interpolation.name().toLowerCase(Locale.ROOT));
        map.put("cropping", cropping.name().toLowerCase(Locale.ROOT));
        map.put("normalization", normalization.toConfig());
        return map;
    }

    /**
     * Reads a specification from configuration.
     *
     * <p>Keys, with what holds where one is absent: {@code orientation} (ras), {@code spacing} (kept), {@code interpolation} (linear),
     * {@code cropping} (none), {@code normalization} (z_score).
     *
     * @throws ConfigException when a key is unknown or has the wrong kind of value
     */
    public static PreprocessingSpec fromMap(Map<String, ?> map) {
        for (String key : map.keySet()) {
            if (!KEYS.contains(key)) {
                throw new ConfigException(Suggestions.unknownKey(WHERE, key, KEYS));
            }
        }
        return new PreprocessingSpec(
                choice(map, "orientation", Orienting.values(), Orienting.RAS),
                map.get("spacing") == null
                        ? Optional.empty()
                        : Optional.of(ConfigValues.list(WHERE + ".spacing", map.get("spacing"))),
                choice(map, "interpolation", Interpolation.values(), Interpolation.LINEAR),
                choice(map, "cropping", Cropping.values(), Cropping.NONE),
                map.containsKey("normalization")
                        ? Normalization.fromConfig(map.get("normalization"))
                        : Normalization.zScore());
    }

    private static <E extends Enum<E>> E choice(Map<String, ?> map, String key, E[] constants, E otherwise) {
        return map.containsKey(key) ? ConfigValues.choice(WHERE + "." + key, map.get(key), constants) : otherwise;
    }
}
