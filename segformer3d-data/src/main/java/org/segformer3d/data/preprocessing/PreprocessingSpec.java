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
 * What happens to a scan before a network sees it, in this order: orientation and order of axes, cropping, normalisation, resampling.
 *
 * <p>Normalisation comes before resampling so that its statistics are those of measured voxels, not of interpolated ones.
 *
 * @param orientation whether the axes are brought to RAS+
 * @param spacing target distance of voxel centres in mm along the three axes after orientation and {@code axes}; empty to keep each scan's own
 * @param interpolation how images are resampled: {@link Interpolation#LINEAR} or {@link Interpolation#CUBIC}; labels always by linear
 *     interpolation of each value's mask, the largest winning
 * @param cropping whether empty borders are cut off
 * @param normalization how intensities are scaled
 * @param axes which axis after orientation becomes the first, second and third, a permutation of 0, 1, 2; (2, 1, 0) puts axial slices
 *     first, as arrays of slices do
 * @param betweenSlices how images and labels are resampled along an axis whose voxels are more than three times as long as the shortest,
 *     in the scan or in the target
 */
public record PreprocessingSpec(
        Orienting orientation,
        Optional<List<Double>> spacing,
        Interpolation interpolation,
        Cropping cropping,
        Normalization normalization,
        List<Integer> axes,
        BetweenSlices betweenSlices) {
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

    /** How values between slices far apart are found. */
    public enum BetweenSlices {
        /** By linear interpolation, images and masks of labels alike. */
        LINEAR,
        /** From the nearest slice, so that each slice is resampled by itself and none is a blend of two, as nnU-Net does. */
        NEAREST
    }

    private static final String WHERE = "preprocessing";
    private static final List<Integer> SAME_AXES = List.of(0, 1, 2);
    private static final List<String> KEYS =
            List.of("orientation", "axes", "spacing", "interpolation", "between_slices", "cropping", "normalization");

    /** Checks spacing and axes. */
    public PreprocessingSpec {
        Objects.requireNonNull(orientation, "orientation");
        Objects.requireNonNull(interpolation, "interpolation");
        Objects.requireNonNull(cropping, "cropping");
        Objects.requireNonNull(normalization, "normalization");
        Objects.requireNonNull(betweenSlices, "betweenSlices");
        axes = List.copyOf(axes);
        if (axes.size() != 3 || !axes.containsAll(SAME_AXES)) {
            throw ConfigException.of(WHERE + ".axes", axes, "0, 1, 2 in any order");
        }
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
                Orienting.AS_IS,
                Optional.empty(),
                Interpolation.LINEAR,
                Cropping.NONE,
                normalization,
                SAME_AXES,
                BetweenSlices.LINEAR);
    }

    /**
     * Returns what the official BraTS script does to a scan but for the box that it cuts out: slices of the file scaled to 0 … 1, axes in
     * the order z, y, x.
     */
    public static PreprocessingSpec officialBrats() {
        return of(Normalization.minMaxSlices()).withOrientation(Orienting.RAS).withAxes(2, 1, 0);
    }

    /** Returns a copy that brings the axes to RAS+, or doesn't. */
    public PreprocessingSpec withOrientation(Orienting other) {
        return new PreprocessingSpec(other, spacing, interpolation, cropping, normalization, axes, betweenSlices);
    }

    /** Returns a copy that resamples to the given distances in mm. */
    public PreprocessingSpec withSpacing(Interpolation how, double first, double second, double third) {
        return new PreprocessingSpec(
                orientation,
                Optional.of(List.of(first, second, third)),
                how,
                cropping,
                normalization,
                axes,
                betweenSlices);
    }

    /** Returns a copy with other cropping. */
    public PreprocessingSpec withCropping(Cropping other) {
        return new PreprocessingSpec(orientation, spacing, interpolation, other, normalization, axes, betweenSlices);
    }

    /** Returns a copy that puts the axes into another order after orientation: which comes first, second and third. */
    public PreprocessingSpec withAxes(int first, int second, int third) {
        return new PreprocessingSpec(
                orientation,
                spacing,
                interpolation,
                cropping,
                normalization,
                List.of(first, second, third),
                betweenSlices);
    }

    /** Returns a copy that resamples otherwise between slices far apart. */
    public PreprocessingSpec withBetweenSlices(BetweenSlices other) {
        return new PreprocessingSpec(orientation, spacing, interpolation, cropping, normalization, axes, other);
    }

    /** Returns this specification as plain maps, lists, text and numbers; {@link #fromMap} reads it back. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("orientation", orientation.name().toLowerCase(Locale.ROOT));
        // Left out where they are the default, so that versions that don't know them read what they can do.
        if (!axes.equals(SAME_AXES)) {
            map.put("axes", axes);
        }
        spacing.ifPresent(mm -> map.put("spacing", mm));
        map.put("interpolation", interpolation.name().toLowerCase(Locale.ROOT));
        if (betweenSlices != BetweenSlices.LINEAR) {
            map.put("between_slices", betweenSlices.name().toLowerCase(Locale.ROOT));
        }
        map.put("cropping", cropping.name().toLowerCase(Locale.ROOT));
        map.put("normalization", normalization.toConfig());
        return map;
    }

    /**
     * Reads a specification from configuration.
     *
     * <p>Keys, with what holds where one is absent: {@code orientation} (ras), {@code axes} ([0, 1, 2]), {@code spacing} (kept), {@code
     * interpolation} (linear), {@code between_slices} (linear), {@code cropping} (none), {@code normalization} (z_score).
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
                        : Normalization.zScore(),
                axes(map.get("axes")),
                choice(map, "between_slices", BetweenSlices.values(), BetweenSlices.LINEAR));
    }

    private static List<Integer> axes(Object found) {
        if (found == null) {
            return SAME_AXES;
        }
        return ConfigValues.list(WHERE + ".axes", found).stream()
                .map(axis -> axis == Math.rint(axis) ? axis.intValue() : -1)
                .toList();
    }

    private static <E extends Enum<E>> E choice(Map<String, ?> map, String key, E[] constants, E otherwise) {
        return map.containsKey(key) ? ConfigValues.choice(WHERE + "." + key, map.get(key), constants) : otherwise;
    }
}
