package org.segformer3d.train.parity;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * What a file {@code train_*.json} says about a run: its configuration, in the sections of an experiment file or by the short keys
 * {@code loss_type}, {@code loss_args}, {@code grad_accumulate_steps}, {@code clip_gradients_value}, {@code ema_decay} and
 * {@code batch_size}, and what was recorded in it.
 *
 * @param config the configuration, never {@code null}
 * @param rates learning rates per epoch, empty when they weren't recorded
 * @param losses losses per step
 * @param norms gradient norms before clipping per update, empty when they weren't recorded
 * @param metrics what a plateau watched per epoch, empty when it wasn't recorded
 */
record RecordedRun(
        ExperimentConfig config, List<Double> rates, List<Double> losses, List<Double> norms, List<Double> metrics) {
    private static final List<String> SECTIONS = List.of(
            "model_parameters",
            "loss_fn",
            "optimizer",
            "warmup_scheduler",
            "train_scheduler",
            "ema",
            "clip_gradients",
            "training_parameters",
            "dataset_parameters");

    /**
     * Reads a file.
     *
     * @throws ConfigException when its configuration is none, naming file and key
     */
    static RecordedRun read(Path file) throws IOException {
        Map<String, Object> json = ReferenceFolder.json(file);
        Map<String, Object> sections = new LinkedHashMap<>();
        SECTIONS.forEach(section -> {
            if (json.get(section) != null) {
                sections.put(section, json.get(section));
            }
        });
        put(sections, json.get("loss_type"), "loss_fn", "loss_type");
        put(sections, json.get("loss_args"), "loss_fn", "loss_args");
        put(sections, json.get("grad_accumulate_steps"), "training_parameters", "grad_accumulate_steps");
        put(sections, json.get("batch_size"), "dataset_parameters", "train_dataloader_args", "batch_size");
        if (json.get("clip_gradients_value") != null) {
            put(sections, true, "clip_gradients", "enabled");
            put(sections, json.get("clip_gradients_value"), "clip_gradients", "clip_gradients_value");
        }
        if (json.get("ema_decay") != null) {
            put(sections, true, "ema", "enabled");
            put(sections, json.get("ema_decay"), "ema", "ema_decay");
        }
        try {
            return new RecordedRun(
                    ExperimentConfig.of(sections, file.toAbsolutePath().getParent()),
                    Numbers.list(json.get("lr_per_epoch")),
                    Numbers.list(json.get("loss_per_step")),
                    Numbers.list(json.get("grad_norm_before_clip")),
                    Numbers.list(json.get("metric_per_epoch")));
        } catch (IllegalArgumentException e) {
            throw new ConfigException(file + ": " + e.getMessage());
        }
    }

    private static void put(Map<String, Object> sections, Object value, String... path) {
        if (value == null) {
            return;
        }
        Map<String, Object> at = sections;
        for (String name : List.of(path).subList(0, path.length - 1)) {
            Object next = at.computeIfAbsent(name, absent -> new LinkedHashMap<String, Object>());
            if (!(next instanceof Map<?, ?>)) {
                throw ConfigException.of(name, next, "a section");
            }
            @SuppressWarnings("unchecked") // parsed JSON
            Map<String, Object> section = (Map<String, Object>) next;
            at = section;
        }
        at.put(path[path.length - 1], value);
    }

    /** Whether it was computed in float32: then its losses are exact in it. */
    boolean inFloat32() {
        return Numbers.areFloat32(losses);
    }

    /** What a plateau watches: what was recorded as that, else the mean loss of each epoch. */
    List<Double> watchedPerEpoch() {
        if (!metrics.isEmpty() || rates.isEmpty() || losses.size() % rates.size() != 0) {
            return metrics;
        }
        int steps = losses.size() / rates.size();
        List<Double> means = new ArrayList<>();
        for (int first = 0; first < losses.size(); first += steps) {
            means.add(losses.subList(first, first + steps).stream()
                    .mapToDouble(Double::doubleValue)
                    .average()
                    .orElse(Double.NaN));
        }
        return means;
    }

    /**
     * Returns how many batches an epoch has: an incomplete last one counts, unless exactly as many losses were recorded as there are
     * without it. Empty when the losses suit neither.
     */
    OptionalInt batchesPerEpoch(long cases) {
        int size = config.dataset().batchSize();
        int whole = Math.toIntExact(cases / size);
        int all = Math.toIntExact((cases + size - 1) / size);
        return losses.size() == all * rates.size()
                ? OptionalInt.of(all)
                : losses.size() == whole * rates.size() ? OptionalInt.of(whole) : OptionalInt.empty();
    }
}
