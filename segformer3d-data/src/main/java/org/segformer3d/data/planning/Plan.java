package org.segformer3d.data.planning;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.data.preprocessing.PreprocessingSpec;

/**
 * How a data set is prepared and cut up for training. What stands in its four decisive keys is used, whoever wrote it.
 *
 * @param dataset name of the data set
 * @param preprocessing orientation, spacing, interpolation, cropping and normalisation
 * @param patch size of training patches and of the windows that predict, in the preprocessed axes
 * @param batch patches in a training step
 * @param reasons why each decision was made, by its name; for people
 * @param fingerprint what the decisions rest on; for people
 */
public record Plan(
        String dataset,
        PreprocessingSpec preprocessing,
        Grid patch,
        int batch,
        Map<String, Object> reasons,
        Map<String, Object> fingerprint) {
    private static final int VERSION = 1;
    private static final List<String> KEYS =
            List.of("plan_version", "dataset", "preprocessing", "patch_size", "batch_size", "reasons", "fingerprint");

    /** Checks the batch. */
    public Plan {
        Objects.requireNonNull(dataset, "dataset");
        Objects.requireNonNull(preprocessing, "preprocessing");
        Objects.requireNonNull(patch, "patch");
        reasons = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(reasons));
        fingerprint = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(fingerprint));
        if (batch < 1) {
            throw ConfigException.of("batch_size", batch, "at least 1");
        }
    }

    /** Returns this plan as plain maps, lists, text and numbers; {@link #fromMap} reads it back. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("plan_version", VERSION);
        map.put("dataset", dataset);
        map.put("preprocessing", preprocessing.toMap());
        map.put("patch_size", List.of(patch.depth(), patch.height(), patch.width()));
        map.put("batch_size", batch);
        map.put("reasons", reasons);
        map.put("fingerprint", fingerprint);
        return map;
    }

    /**
     * Reads a plan, perhaps an edited one; {@code reasons}, {@code fingerprint} and {@code dataset} may be missing.
     *
     * @throws ConfigException when a key is unknown or missing, or has a wrong value
     */
    public static Plan fromMap(Map<String, ?> map) {
        for (String key : map.keySet()) {
            if (!KEYS.contains(key)) {
                throw new ConfigException(Suggestions.unknownKey("", key, KEYS));
            }
        }
        Object version = map.get("plan_version");
        if (!(version instanceof Number number) || number.intValue() != VERSION) {
            throw ConfigException.of("plan_version", version == null ? "nothing" : version, String.valueOf(VERSION));
        }
        if (!(map.get("preprocessing") instanceof Map<?, ?> preprocessing)) {
            throw ConfigException.of("preprocessing", map.get("preprocessing"), "a map");
        }
        Map<String, Object> spec = new LinkedHashMap<>();
        preprocessing.forEach((key, value) -> spec.put(String.valueOf(key), value));
        return new Plan(
                map.get("dataset") == null ? "" : String.valueOf(map.get("dataset")),
                PreprocessingSpec.fromMap(spec),
                grid(map.get("patch_size")),
                whole("batch_size", map.get("batch_size")),
                notes(map.get("reasons")),
                notes(map.get("fingerprint")));
    }

    private static Grid grid(Object found) {
        List<Integer> sizes = new ArrayList<>();
        if (found instanceof List<?> list) {
            list.forEach(size -> sizes.add(whole("patch_size", size)));
        }
        if (sizes.size() != 3) {
            throw ConfigException.of("patch_size", found == null ? "nothing" : found, "three sizes in voxels");
        }
        return new Grid(sizes.get(0), sizes.get(1), sizes.get(2));
    }

    private static int whole(String key, Object found) {
        if (!(found instanceof Number number)
                || number.doubleValue() != Math.rint(number.doubleValue())
                || number.doubleValue() < 1
                || number.doubleValue() > 4096) {
            throw ConfigException.of(key, found == null ? "nothing" : found, "a whole number from 1 to 4096");
        }
        return number.intValue();
    }

    private static Map<String, Object> notes(Object found) {
        Map<String, Object> notes = new LinkedHashMap<>();
        if (found instanceof Map<?, ?> map) {
            map.forEach((key, value) -> notes.put(String.valueOf(key), value));
        }
        return notes;
    }
}
