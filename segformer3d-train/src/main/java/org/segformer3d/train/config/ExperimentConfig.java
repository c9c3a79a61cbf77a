package org.segformer3d.train.config;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.planning.Plan;
import org.segformer3d.train.schedule.ScheduleSpec;

/**
 * One experiment: the official YAML schema and our extensions, checked and complete.
 *
 * <p>A configuration holds a value for every key, given or default; {@link #toYaml()} writes them all, and reading that gives an equal
 * configuration. Relative paths are resolved when they are read: those in a file against the file's folder, those in overrides against
 * the working directory. Immutable.
 */
public final class ExperimentConfig {
    private static final String PATCH = "dataset_parameters.patch_size";

    private final Map<String, Object> tree;
    /** What was written down rather than taken from the defaults, as it was written; decides what a plan may say. */
    private final Map<String, Object> given;

    private final Network network;
    private final LossSpec loss;
    private final OptimizerSpec optimizer;
    private final ScheduleSpec schedule;
    private final BackendSettings backend;
    private final TrainingSettings training;
    private final StartSettings start;
    private final DatasetSettings dataset;
    private final ValidationSettings validation;
    private final OutputSettings output;

    private ExperimentConfig(Map<String, Object> tree, Map<String, Object> given) {
        this.network = Architectures.network(
                (String) tree.get("model_name"), ConfigKey.stringKeys(tree.get(ExperimentKeys.NETWORK)));
        Map<String, Object> resolved = new LinkedHashMap<>(tree);
        resolved.put(ExperimentKeys.NETWORK, network.toMap());
        this.tree = ConfigKey.canonical(resolved);
        this.given = ConfigKey.canonical(given);
        Values values = new Values(this.tree);
        this.backend = BackendSettings.of(values);
        this.training = TrainingSettings.of(values);
        this.start = StartSettings.of(values);
        this.dataset = DatasetSettings.of(values);
        this.validation = ValidationSettings.of(values);
        this.output = OutputSettings.of(values);
        this.loss = loss(values, dataset);
        this.optimizer = optimizer(values);
        this.schedule = schedule(values, training.epochs());
    }

    /**
     * Reads a YAML file.
     *
     * @param file never {@code null}; relative paths in it start from its folder
     * @throws ConfigException when it isn't YAML, or a key is unknown or has a wrong value; one line with file and key
     * @throws IOException when it can't be read
     */
    public static ExperimentConfig read(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException e) {
            throw new ConfigException(file + ": no such file, expected an experiment in YAML");
        } catch (MalformedInputException e) {
            throw new ConfigException(file + ": not UTF-8 text, expected an experiment in YAML");
        }
        Path folder = file.toAbsolutePath().getParent();
        return parse(text, file.toString(), folder);
    }

    /**
     * Reads YAML text.
     *
     * @param source what messages call the text
     * @param base folder that relative paths start from
     * @throws ConfigException as {@link #read} does
     */
    public static ExperimentConfig parse(String yaml, String source, Path base) {
        Object root = parseYaml(yaml, source);
        if (root == null) {
            root = Map.of();
        }
        if (!(root instanceof Map<?, ?>)) {
            throw new ConfigException(source + ": found " + root + ", expected a map of sections");
        }
        Map<String, Object> given = ConfigKey.stringKeys(root);
        return resolve(given, given, source, base);
    }

    /**
     * Returns the experiment with these values and the defaults of all other keys.
     *
     * @param values nested maps as in a file, never {@code null}
     * @param base folder that relative paths start from
     * @throws ConfigException when a key is unknown or has a wrong value
     */
    public static ExperimentConfig of(Map<String, ?> values, Path base) {
        Map<String, Object> given = ConfigKey.stringKeys(values);
        return resolve(given, given, "configuration", base);
    }

    /**
     * Returns this experiment with some values changed.
     *
     * @param assignments such as {@code training_parameters.num_epochs=20}; the right side is YAML; relative paths start from the
     *     working directory
     * @throws ConfigException when an assignment has no {@code =}, or its key or value is wrong
     */
    public ExperimentConfig withOverrides(List<String> assignments) {
        if (assignments.isEmpty()) {
            return this;
        }
        Map<String, Object> changed = mutable(tree);
        Map<String, Object> written = mutable(given);
        for (String assignment : assignments) {
            int equals = assignment.indexOf('=');
            if (equals < 1) {
                throw new ConfigException(
                        "--set " + assignment + ": expected key=value, such as" + " training_parameters.num_epochs=20");
            }
            String path = assignment.substring(0, equals).strip();
            Object value = parseYaml(assignment.substring(equals + 1), "--set " + path);
            put(changed, path, value);
            put(written, path, value);
        }
        return resolve(changed, written, "--set", Path.of("").toAbsolutePath());
    }

    /**
     * Returns this experiment with what a plan says about preprocessing, patches, windows and batches, except where this experiment was
     * given values of its own; it then names no plan any more.
     *
     * <p>Keys of {@code preprocessing} count one by one. Where a patch size was given but no window, the window is as large as the patch.
     *
     * @param plan never {@code null}
     * @throws ConfigException when a value of the plan doesn't suit this experiment
     */
    public ExperimentConfig withPlan(Plan plan) {
        Objects.requireNonNull(plan, "plan");
        Map<String, Object> changed = mutable(tree);
        Map<String, Object> preprocessing =
                new LinkedHashMap<>(plan.preprocessing().toMap());
        if (given("dataset_parameters.preprocessing") instanceof Map<?, ?> own) {
            preprocessing.putAll(ConfigKey.stringKeys(own));
        }
        put(changed, "dataset_parameters.preprocessing", preprocessing);
        Grid patch = plan.patch();
        Object size = given("dataset_parameters.patch_size");
        if (size == null) {
            size = List.of(patch.depth(), patch.height(), patch.width());
            put(changed, "dataset_parameters.patch_size", size);
        }
        if (given("sliding_window_inference.roi") == null) {
            put(changed, "sliding_window_inference.roi", size);
        }
        if (given("dataset_parameters.train_dataloader_args.batch_size") == null) {
            put(changed, "dataset_parameters.train_dataloader_args.batch_size", plan.batch());
        }
        put(changed, "dataset_parameters.plan", null);
        return resolve(changed, changed, "plan", Path.of("").toAbsolutePath());
    }

    /**
     * Returns whether this experiment, or the plan that was applied to it, says what a key holds, rather than its default.
     *
     * @param key dotted path; it may lead into the value of a key that holds a map
     */
    public boolean states(String key) {
        return given(key) != null;
    }

    private Object given(String path) {
        Object at = given;
        for (String name : path.split("\\.")) {
            at = at instanceof Map<?, ?> map ? map.get(name) : null;
        }
        return at;
    }

    /** Returns every key with its value as nested maps; integers are {@code Long}, other numbers {@code Double}. */
    public Map<String, Object> toMap() {
        return tree;
    }

    /** Returns every value under its whole name, for example {@code training_parameters.seed}. */
    public Map<String, Object> toFlatMap() {
        return flat(tree);
    }

    /**
     * Returns every value under its whole name as {@link #toFlatMap} does, with the value in force where nothing or only a part is said:
     * two experiments of the same resolved values train alike, however they are written.
     */
    public Map<String, Object> toResolvedMap() {
        Map<String, Object> resolved = toFlatMap();
        Grid patch = dataset.patch();
        resolved.put(PATCH, List.of(patch.depth(), patch.height(), patch.width()));
        resolved.put("dataset_parameters.samples_per_case", dataset.samplesPerCase());
        resolved.put("dataset_parameters.augmentation", dataset.augmentation());
        resolved.keySet().removeIf(key -> key.startsWith("dataset_parameters.preprocessing"));
        flat(dataset.preprocessing().toMap())
                .forEach((key, value) -> resolved.put("dataset_parameters.preprocessing." + key, value));
        resolved.keySet().removeIf(key -> key.startsWith("dataset_parameters.labels"));
        dataset.labels()
                .spec()
                .ifPresent(spec -> flat(spec.toMap())
                        .forEach((key, value) -> resolved.put("dataset_parameters.labels." + key, value)));
        resolved.put("dataset_parameters.labels.mode", dataset.labels().softmax() ? "softmax" : "sigmoid");
        resolved.put("dataset_parameters.labels.ignore", dataset.labels().ignored());
        return resolved;
    }

    /** Returns the key whose value another has where it has none of its own. */
    public static Optional<String> followedBy(String key) {
        return key.equals(PATCH) ? Optional.of("sliding_window_inference.roi") : Optional.empty();
    }

    private static Map<String, Object> flat(Map<String, Object> tree) {
        Map<String, Object> flat = new LinkedHashMap<>();
        tree.forEach((key, value) -> {
            if (value instanceof Map<?, ?> inner) {
                flat(ConfigKey.stringKeys(inner)).forEach((k, v) -> flat.put(key + "." + k, v));
            } else {
                flat.put(key, value);
            }
        });
        return flat;
    }

    /** Returns every key with its value as YAML. */
    public String toYaml() {
        return YamlText.write(tree);
    }

    /**
     * Writes this experiment as a file that {@link #read} reads back to an equal one.
     *
     * @throws IOException when writing fails; nothing is changed then
     */
    public void write(Path file) throws IOException {
        AtomicFiles.writeString(file, toYaml());
    }

    /** Returns the name of the experiment. */
    public String project() {
        return (String) tree.get("project");
    }

    /** Returns the network. */
    public Network network() {
        return network;
    }

    /** Returns the loss. */
    public LossSpec loss() {
        return loss;
    }

    /** Returns the optimizer. */
    public OptimizerSpec optimizer() {
        return optimizer;
    }

    /** Returns the learning rates. */
    public ScheduleSpec schedule() {
        return schedule;
    }

    /** Returns what computes. */
    public BackendSettings backend() {
        return backend;
    }

    /** Returns how long and how it is trained. */
    public TrainingSettings training() {
        return training;
    }

    /** Returns where training starts. */
    public StartSettings start() {
        return start;
    }

    /** Returns what it is trained on. */
    public DatasetSettings dataset() {
        return dataset;
    }

    /** Returns how it is validated. */
    public ValidationSettings validation() {
        return validation;
    }

    /** Returns what a run writes and where. */
    public OutputSettings output() {
        return output;
    }

    /**
     * Returns whether a key says only where data lies or how fast it comes, so that another value leads to the same results.
     *
     * @param key dotted path
     */
    public static boolean isPlaceOrSpeed(String key) {
        return ExperimentKeys.PLACE_OR_SPEED.contains(key);
    }

    /** Two experiments are equal when every key has equal values. */
    @Override
    public boolean equals(Object other) {
        return other instanceof ExperimentConfig that && tree.equals(that.tree);
    }

    @Override
    public int hashCode() {
        return tree.hashCode();
    }

    @Override
    public String toString() {
        return toYaml();
    }

    private static Object parseYaml(String yaml, String source) {
        return withoutNone(YamlText.read(yaml, source));
    }

    /** The official files are read by Python, whose authors write None for null. */
    private static Object withoutNone(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> copy = new LinkedHashMap<>();
            map.forEach((k, v) -> copy.put(String.valueOf(k), withoutNone(v)));
            return copy;
        }
        if (value instanceof List<?> list) {
            List<Object> copy = new ArrayList<>();
            list.forEach(v -> copy.add(withoutNone(v)));
            return copy;
        }
        return "None".equals(value) ? null : value;
    }

    private static ExperimentConfig resolve(
            Map<String, Object> found, Map<String, Object> given, String source, Path base) {
        try {
            Map<String, Object> flat = new LinkedHashMap<>();
            flatten("", found, flat);
            Map<String, Object> tree = new LinkedHashMap<>();
            ExperimentKeys.all().forEach((path, key) -> put(tree, path, key.read(flat.get(path), base)));
            if (flat.get(ExperimentKeys.NETWORK) == null || given.get(ExperimentKeys.NETWORK) == null) {
                // each architecture has defaults of its own
                tree.put(ExperimentKeys.NETWORK, Map.of());
            }
            return new ExperimentConfig(tree, given);
        } catch (IllegalArgumentException e) {
            throw new ConfigException(source + ": " + e.getMessage());
        }
    }

    private static void flatten(String section, Map<String, Object> found, Map<String, Object> flat) {
        var known = ExperimentKeys.childrenOf(section);
        found.forEach((name, value) -> {
            String path = section.isEmpty() ? name : section + "." + name;
            if (!known.contains(name)) {
                throw new ConfigException(unknown(section, name));
            }
            if (ExperimentKeys.all().containsKey(path)) {
                flat.put(path, value);
            } else if (value instanceof Map<?, ?>) {
                flatten(path, ConfigKey.stringKeys(value), flat);
            } else if (value != null) {
                throw ConfigException.of(
                        path, value, "a section with the keys " + String.join(", ", ExperimentKeys.childrenOf(path)));
            }
        });
    }

    /** Says what was probably meant: a key of this section, or one of that very name in another. */
    private static String unknown(String section, String name) {
        List<String> elsewhere = ExperimentKeys.paths().stream()
                .filter(path -> path.endsWith("." + name))
                .toList();
        return elsewhere.isEmpty()
                ? Suggestions.unknownKey(section, name, ExperimentKeys.childrenOf(section))
                : (section.isEmpty() ? name : section + "." + name) + ": unknown key; did you mean '"
                        + String.join("' or '", elsewhere) + "'?";
    }

    private static Map<String, Object> mutable(Map<String, Object> map) {
        Map<String, Object> copy = new LinkedHashMap<>();
        map.forEach((k, v) -> copy.put(k, v instanceof Map<?, ?> inner ? mutable(ConfigKey.stringKeys(inner)) : v));
        return copy;
    }

    @SuppressWarnings("unchecked")
    private static void put(Map<String, Object> root, String path, Object value) {
        Map<String, Object> at = root;
        String[] names = path.split("\\.", -1);
        for (int i = 0; i < names.length - 1; i++) {
            Object next = at.get(names[i]);
            if (!(next instanceof Map<?, ?>)) {
                next = new LinkedHashMap<String, Object>();
                at.put(names[i], next);
            }
            at = (Map<String, Object>) next;
        }
        at.put(names[names.length - 1], value);
    }

    private static LossSpec loss(Values values, DatasetSettings dataset) {
        LossSpec.Kind kind = switch (values.text("loss_fn.loss_type")) {
            case "dice" -> LossSpec.Kind.DICE;
            case "diceCE" -> LossSpec.Kind.DICE_CROSS_ENTROPY;
            case "crossentropy" -> LossSpec.Kind.CROSS_ENTROPY;
            case "binarycrossentropy" -> LossSpec.Kind.BINARY_CROSS_ENTROPY;
            case "diceFocal" -> LossSpec.Kind.DICE_FOCAL;
            default -> LossSpec.Kind.GENERALIZED_DICE;
        };
        String args = "loss_fn.loss_args.";
        refuseWithoutEffect(values, "loss_fn.loss_type", args, ExperimentKeys.LOSSES_BY_ARGUMENT);
        return new LossSpec(
                kind,
                dataset.labels().softmax() ? LossSpec.Activation.SOFTMAX : LossSpec.Activation.SIGMOID,
                values.bool(args + "include_background"),
                values.bool(args + "squared_pred"),
                values.bool(args + "batch"),
                values.number(args + "smooth_nr"),
                values.number(args + "smooth_dr"),
                values.number(args + "lambda_dice"),
                values.number(args + "lambda_other"),
                values.number(args + "gamma"));
    }

    private static OptimizerSpec optimizer(Values values) {
        String args = "optimizer.optimizer_args.";
        refuseWithoutEffect(values, "optimizer.optimizer_type", args, ExperimentKeys.OPTIMIZERS_BY_ARGUMENT);
        List<?> betas = values.list(args + "betas");
        OptimizerSpec.Kind kind = OptimizerSpec.Kind.valueOf(
                values.text("optimizer.optimizer_type").toUpperCase(java.util.Locale.ROOT));
        return new OptimizerSpec(
                kind,
                values.number(args + "weight_decay"),
                (Double) betas.get(0),
                (Double) betas.get(1),
                values.number(args + "eps"),
                kind == OptimizerSpec.Kind.SGD ? values.number(args + "momentum") : 0,
                values.bool(args + "nesterov"));
    }

    /** An argument that the chosen kind doesn't look at must have its default: another value would seem to do something. */
    private static void refuseWithoutEffect(
            Values values, String kindKey, String section, Map<String, List<String>> kindsByArgument) {
        String kind = values.text(kindKey);
        new TreeMap<>(kindsByArgument).forEach((argument, kinds) -> {
            String path = section + argument;
            Object common = ExperimentKeys.all().get(path).otherwise();
            if (!kinds.contains(kind) && !values.get(path).equals(common)) {
                throw ConfigException.of(
                        path,
                        values.get(path),
                        "nothing or " + common + ": it has no effect with " + kindKey + " " + kind + ", only with "
                                + String.join(", ", kinds));
            }
        });
    }

    private static ScheduleSpec schedule(Values values, int epochs) {
        int warmup = values.bool("warmup_scheduler.enabled") ? values.integer("warmup_scheduler.warmup_epochs") : 0;
        String args = "train_scheduler.scheduler_args.";
        ScheduleSpec.Kind kind = switch (values.text("train_scheduler.scheduler_type")) {
            case "cosine_annealing_wr" -> ScheduleSpec.Kind.COSINE;
            case "poly_lr" -> ScheduleSpec.Kind.POLYNOMIAL;
            case "reducelronplateau" -> ScheduleSpec.Kind.PLATEAU;
            default -> ScheduleSpec.Kind.CONSTANT;
        };
        return new ScheduleSpec(
                values.number("optimizer.optimizer_args.lr"),
                warmup,
                values.text("warmup_scheduler.mode").equals("linear")
                        ? ScheduleSpec.Warmup.LINEAR
                        : ScheduleSpec.Warmup.OFFICIAL,
                kind,
                values.optionalInteger(args + "t_0_epochs").orElse(Math.max(1, epochs - warmup)),
                values.integer(args + "t_mult"),
                values.number(args + "min_lr"),
                values.number(args + "power"),
                values.integer(args + "total_iters"),
                values.text("train_scheduler.mode").equals("max")
                        ? ScheduleSpec.Watched.DICE
                        : ScheduleSpec.Watched.LOSS,
                values.integer("train_scheduler.patience"));
    }
}
