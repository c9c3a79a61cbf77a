package org.segformer3d.eval.inference;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.eval.postprocessing.PostprocessingStep;

/**
 * How a model is applied to a volume: part of a model bundle, with defaults that the caller may replace.
 *
 * @param roi size of the window, never {@code null}
 * @param overlap fraction of the window's edge that neighbours share, in [0, 1)
 * @param blend how overlapping windows are weighted, never {@code null}
 * @param batchSize windows predicted at once, ≥ 1
 * @param mirrorAxes axes of test-time mirroring, see {@link MirroringPredictor}; empty for none
 * @param postprocessing how the label map is cleaned, in the scan's own geometry; empty for not at all
 */
public record InferenceSpec(
        Grid roi,
        double overlap,
        Blend blend,
        int batchSize,
        List<Integer> mirrorAxes,
        List<PostprocessingStep> postprocessing) {
    private static final List<String> KEYS =
            List.of("roi", "overlap", "blend", "batch_size", "mirror_axes", "postprocessing");

    /** Validates. */
    public InferenceSpec {
        // The sliding window has the same rules.
        Objects.requireNonNull(new SlidingWindow(roi, overlap, blend, batchSize));
        mirrorAxes = MirroringPredictor.checkedAxes(mirrorAxes);
        postprocessing = List.copyOf(postprocessing);
    }

    /** Creates a specification without postprocessing. */
    public InferenceSpec(Grid roi, double overlap, Blend blend, int batchSize, List<Integer> mirrorAxes) {
        this(roi, overlap, blend, batchSize, mirrorAxes, List.of());
    }

    /** Creates a specification without mirroring. */
    public InferenceSpec(Grid roi, double overlap, Blend blend, int batchSize) {
        this(roi, overlap, blend, batchSize, List.of());
    }

    /** Returns the official run's way with a window of this size: half overlap, constant weights, one window at a time. */
    public static InferenceSpec official(Grid roi) {
        return new InferenceSpec(roi, 0.5, Blend.CONSTANT, 1);
    }

    /** Returns this with another overlap. */
    public InferenceSpec withOverlap(double newOverlap) {
        return new InferenceSpec(roi, newOverlap, blend, batchSize, mirrorAxes, postprocessing);
    }

    /** Returns this with another blend. */
    public InferenceSpec withBlend(Blend newBlend) {
        return new InferenceSpec(roi, overlap, newBlend, batchSize, mirrorAxes, postprocessing);
    }

    /** Returns this with another number of windows at once. */
    public InferenceSpec withBatchSize(int newBatchSize) {
        return new InferenceSpec(roi, overlap, blend, newBatchSize, mirrorAxes, postprocessing);
    }

    /** Returns this with other axes of test-time mirroring. */
    public InferenceSpec withMirrorAxes(List<Integer> newMirrorAxes) {
        return new InferenceSpec(roi, overlap, blend, batchSize, newMirrorAxes, postprocessing);
    }

    /** Returns this with another window. */
    public InferenceSpec withRoi(Grid newRoi) {
        return new InferenceSpec(newRoi, overlap, blend, batchSize, mirrorAxes, postprocessing);
    }

    /** Returns this with other steps of postprocessing. */
    public InferenceSpec withPostprocessing(List<PostprocessingStep> steps) {
        return new InferenceSpec(roi, overlap, blend, batchSize, mirrorAxes, steps);
    }

    /** Returns the sliding window. */
    public SlidingWindow window() {
        return new SlidingWindow(roi, overlap, blend, batchSize);
    }

    /** Returns the predictor with mirroring around it where it is asked for. */
    public Predictor around(Predictor predictor) {
        return mirrorAxes.isEmpty() ? predictor : new MirroringPredictor(predictor, mirrorAxes);
    }

    /** Returns keys and values as {@link #fromMap} reads them. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("roi", List.of(roi.depth(), roi.height(), roi.width()));
        map.put("overlap", overlap);
        map.put("blend", blend.key());
        map.put("batch_size", batchSize);
        map.put("mirror_axes", mirrorAxes);
        if (!postprocessing.isEmpty()) {
            map.put(
                    "postprocessing",
                    postprocessing.stream().map(PostprocessingStep::toMap).toList());
        }
        return map;
    }

    /**
     * Reads a specification; every key but {@code roi} may be left out and then has the official run's value.
     *
     * @throws ConfigException naming an unknown key or a value of the wrong kind or range
     */
    public static InferenceSpec fromMap(Map<String, ?> map) {
        for (String key : map.keySet()) {
            if (!KEYS.contains(key)) {
                throw new ConfigException(Suggestions.unknownKey("inference", key, KEYS));
            }
        }
        List<Integer> roi = integers("inference.roi", map.get("roi"));
        if (roi.size() != 3 || roi.stream().anyMatch(edge -> edge < 1)) {
            throw ConfigException.of("inference.roi", map.get("roi"), "three positive integers");
        }
        InferenceSpec base = official(new Grid(roi.get(0), roi.get(1), roi.get(2)));
        return new InferenceSpec(
                base.roi,
                map.containsKey("overlap") ? number("inference.overlap", map.get("overlap")) : base.overlap,
                map.containsKey("blend") ? Blend.parse(String.valueOf(map.get("blend"))) : base.blend,
                map.containsKey("batch_size") ? integer("inference.batch_size", map.get("batch_size")) : base.batchSize,
                map.containsKey("mirror_axes")
                        ? integers("inference.mirror_axes", map.get("mirror_axes"))
                        : base.mirrorAxes,
                map.containsKey("postprocessing") ? steps(map.get("postprocessing")) : List.of());
    }

    private static List<PostprocessingStep> steps(Object value) {
        if (!(value instanceof List<?> list) || !list.stream().allMatch(step -> step instanceof Map<?, ?>)) {
            throw ConfigException.of("inference.postprocessing", value, "a list of steps, each with its type");
        }
        return list.stream()
                .map(step -> PostprocessingStep.fromMap((Map<?, ?>) step))
                .toList();
    }

    private static List<Integer> integers(String key, Object value) {
        if (!(value instanceof List<?> list)) {
            throw ConfigException.of(key, value, "a list of integers");
        }
        return list.stream().map(entry -> integer(key, entry)).toList();
    }

    private static int integer(String key, Object value) {
        double number = number(key, value);
        if (number != Math.rint(number) || Math.abs(number) >= Integer.MAX_VALUE) {
            throw ConfigException.of(key, value, "an integer");
        }
        return (int) number;
    }

    private static double number(String key, Object value) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw ConfigException.of(key, value, "a number");
    }
}
