package org.segformer3d.train.config;

import static org.segformer3d.train.config.ConfigKey.bool;
import static org.segformer3d.train.config.ConfigKey.choice;
import static org.segformer3d.train.config.ConfigKey.grid;
import static org.segformer3d.train.config.ConfigKey.integer;
import static org.segformer3d.train.config.ConfigKey.map;
import static org.segformer3d.train.config.ConfigKey.number;
import static org.segformer3d.train.config.ConfigKey.numbers;
import static org.segformer3d.train.config.ConfigKey.path;
import static org.segformer3d.train.config.ConfigKey.text;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.config.Suggestions;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.train.config.ConfigKey.NumberRange;

/** Every key of an experiment file; the only place that knows names, defaults and ranges. */
final class ExperimentKeys {
    /** Keys of the data that results don't depend on, as long as the cases are the same. */
    static final Set<String> PLACE_OR_SPEED = Set.of(
            "dataset_parameters.root",
            "dataset_parameters.skip_incomplete",
            "dataset_parameters.split.file",
            "dataset_parameters.split.fold",
            "dataset_parameters.train_dataset_args.root",
            "dataset_parameters.val_dataset_args.root",
            "dataset_parameters.train_dataloader_args.num_workers",
            "dataset_parameters.val_dataloader_args.batch_size",
            "dataset_parameters.val_dataloader_args.shuffle",
            "dataset_parameters.val_dataloader_args.num_workers",
            "dataset_parameters.val_dataloader_args.drop_last",
            "dataset_parameters.cache",
            "dataset_parameters.cache_dir");

    /** Which losses look at an argument of {@code loss_fn.loss_args}; those that all look at aren't here. */
    static final Map<String, List<String>> LOSSES_BY_ARGUMENT = Map.of(
            "include_background", List.of("dice", "diceCE", "diceFocal", "generalizedDice"),
            "squared_pred", List.of("dice", "diceCE", "diceFocal"),
            "batch", List.of("dice", "diceCE", "diceFocal"),
            "smooth_nr", List.of("dice", "diceCE", "diceFocal", "generalizedDice"),
            "smooth_dr", List.of("dice", "diceCE", "diceFocal", "generalizedDice"),
            "lambda_dice", List.of("diceCE", "diceFocal"),
            "lambda_other", List.of("diceCE", "diceFocal"),
            "gamma", List.of("diceFocal"));

    /** Which optimizers look at an argument of {@code optimizer.optimizer_args}; those that all look at aren't here. */
    static final Map<String, List<String>> OPTIMIZERS_BY_ARGUMENT = Map.of(
            "betas", List.of("adam", "adamw"),
            "eps", List.of("adam", "adamw"),
            "momentum", List.of("sgd"),
            "nesterov", List.of("sgd"));

    /** The section that the architecture reads. */
    static final String NETWORK = "model_parameters";

    private static final Map<String, ConfigKey> KEYS = new LinkedHashMap<>();

    static {
        general();
        objective();
        training();
        data();
        extensions();
    }

    private ExperimentKeys() {}

    /** Returns all keys by path, in the order of the table and of written files. */
    static Map<String, ConfigKey> all() {
        return java.util.Collections.unmodifiableMap(KEYS);
    }

    /** Returns the names that may stand directly in a section, {@code ""} being the top. */
    static Set<String> childrenOf(String section) {
        Set<String> names = new LinkedHashSet<>();
        String prefix = section.isEmpty() ? "" : section + ".";
        for (String path : KEYS.keySet()) {
            if (path.startsWith(prefix)) {
                String rest = path.substring(prefix.length());
                int dot = rest.indexOf('.');
                names.add(dot < 0 ? rest : rest.substring(0, dot));
            }
        }
        return names;
    }

    private static void general() {
        add(text("project", "segformer3d", true, "Name of the experiment; part of the bundle's name."));
        add(map(
                "wandb_parameters",
                "map",
                Map.of(),
                true,
                "Accepted so that official files load; no service is contacted.",
                Map.of(),
                (key, value) -> value));
        add(text(
                "model_name",
                Architectures.DEFAULT,
                true,
                "The network's architecture: segformer3d, or one that a jar on the class path brings."));
        add(map(
                NETWORK,
                "map of the architecture's keys",
                ConfigKey.canonical(SegFormer3DConfig.defaults().toMap()),
                true,
                "Of segformer3d: in_channels, sr_ratios, embed_dims, patch_kernel_size, patch_stride, patch_padding, mlp_ratios,"
                        + " num_heads, depths, num_classes, decoder_dropout, decoder_head_embedding_dim; our extension `layers`"
                        + " replaces layers by name. Entries of sr_ratios and patch_* are a number or three, one for each axis, as"
                        + " in `patch_kernel_size: [[3, 7, 7], 3, 3, 3]`. Keys that are left out have the published model's values.",
                networkSchema(),
                (key, value) -> value));
    }

    private static void objective() {
        add(
                choice(
                        "loss_fn.loss_type",
                        "dice",
                        List.of("dice", "diceCE", "crossentropy", "binarycrossentropy", "diceFocal", "generalizedDice"),
                        true,
                        "The loss; diceFocal and generalizedDice are our extensions. Dice terms use a sigmoid or a softmax as"
                                + " `dataset_parameters.labels` says. Arguments that the chosen loss doesn't look at are refused."));
        String args = "loss_fn.loss_args.";
        add(bool(args + "include_background", true, false, "Whether channel 0 takes part in Dice and focal terms."));
        add(bool(args + "squared_pred", false, false, "Squared sums in the denominator of Dice."));
        add(bool(args + "batch", false, false, "Sums over the whole batch in Dice."));
        add(nonNegative(args + "smooth_nr", 1e-5, "Added to the numerator of Dice."));
        add(nonNegative(args + "smooth_dr", 1e-5, "Added to the denominator of Dice."));
        add(nonNegative(args + "lambda_dice", 1, "Factor of the Dice term of a combined loss."));
        add(nonNegative(args + "lambda_other", 1, "Factor of the cross-entropy or focal term of a combined loss."));
        add(nonNegative(args + "gamma", 2, "Exponent of the focal term."));

        add(choice(
                "optimizer.optimizer_type",
                "adamw",
                List.of("adam", "adamw", "sgd"),
                true,
                "PyTorch's rule of that name. Arguments that it doesn't look at are refused."));
        add(number("optimizer.optimizer_args.lr", 1e-4, NumberRange.POSITIVE, true, "Base learning rate."));
        add(number("optimizer.optimizer_args.weight_decay", 0.01, NumberRange.NOT_NEGATIVE, true, "Weight decay."));
        add(numbers(
                "optimizer.optimizer_args.betas",
                List.of(0.9, 0.999),
                NumberRange.FRACTION,
                "Decay of Adam's moments."));
        add(nonNegative("optimizer.optimizer_args.eps", 1e-8, "Added to the root of Adam's second moment."));
        add(nonNegative("optimizer.optimizer_args.momentum", 0.9, "Momentum of sgd; the official run has 0.9."));
        add(bool("optimizer.optimizer_args.nesterov", false, false, "Nesterov's momentum in sgd."));

        add(bool("warmup_scheduler.enabled", false, true, "Whether rates rise over the first epochs."));
        add(integer("warmup_scheduler.warmup_epochs", 0L, 0, true, "Epochs of the warm-up."));
        add(choice(
                "warmup_scheduler.mode",
                "official",
                List.of("official", "linear"),
                false,
                "official: exactly the rates of the official run, quirks included (epoch 0 at the full rate before a cosine, the"
                        + " first epoch after the warm-up above it). linear: the warm-up that was meant."));
        add(choice(
                "train_scheduler.scheduler_type",
                "cosine_annealing_wr",
                List.of("cosine_annealing_wr", "poly_lr", "reducelronplateau", "constant"),
                true,
                "Rates after the warm-up; constant is our extension."));
        String scheduler = "train_scheduler.scheduler_args.";
        add(integer(
                scheduler + "t_0_epochs",
                null,
                1,
                true,
                "Epochs of the first cosine cycle; null: those that are left after the warm-up."));
        add(integer(scheduler + "t_mult", 1L, 1, true, "By how much each further cosine cycle is longer."));
        add(number(
                scheduler + "min_lr",
                0.0,
                NumberRange.NOT_NEGATIVE,
                true,
                "Rate at the end of a cosine cycle, and the lowest one of reducelronplateau."));
        add(number(scheduler + "power", 0.9, NumberRange.POSITIVE, true, "Exponent of poly_lr."));
        add(integer(
                scheduler + "total_iters", 5L, 1, false, "Epochs until poly_lr reaches zero; the official run has 5."));
        add(choice(
                "train_scheduler.mode",
                "min",
                List.of("min", "max"),
                true,
                "What reducelronplateau watches: min the training loss, max the validation Dice."));
        add(integer(
                "train_scheduler.patience", 3L, 0, true, "Epochs without progress before the rate falls to a tenth."));
        add(bool("ema.enabled", false, true, "Whether an exponential moving average of the weights is kept."));
        add(number("ema.ema_decay", 0.999, NumberRange.FRACTION, true, "Decay of that average."));
        add(integer(
                "ema.val_ema_every",
                1L,
                1,
                true,
                "Every how many epochs a validation uses the averaged weights instead of the plain ones."));
        add(choice(
                "ema.batch_norm",
                "recomputed",
                List.of("recomputed", "averaged"),
                false,
                "BatchNorm statistics of the averaged weights. recomputed: as in the official run, the mean over a pass through the"
                        + " training data before they are validated or bundled. averaged: the statistics' own average, which costs"
                        + " nothing."));
        add(integer("sliding_window_inference.sw_batch_size", 4L, 1, true, "Windows computed at once."));
        add(grid(
                "sliding_window_inference.roi",
                List.of(128L, 128L, 128L),
                true,
                "Size of the windows in voxels; one number means a cube."));
        add(bool("clip_gradients.enabled", false, true, "Whether gradients are clipped."));
        add(number(
                "clip_gradients.clip_gradients_value",
                0.1,
                NumberRange.POSITIVE,
                true,
                "Largest Euclidean norm over all gradients."));
    }

    private static void training() {
        String t = "training_parameters.";
        add(integer(
                t + "seed", 42L, Long.MIN_VALUE, true, "Seed of initial weights, crops, augmentation and dropout."));
        add(integer(t + "num_epochs", 100L, 1, true, "Epochs to train."));
        add(integer(
                t + "cutoff_epoch",
                null,
                1,
                true,
                "Training ends after this many epochs even when num_epochs is larger; null: no such limit."));
        add(bool(
                t + "load_optimizer",
                false,
                true,
                "With load_model_only and a checkpoint of ours: whether the optimizer's state is loaded, too."));
        add(integer(
                t + "print_every",
                200L,
                1,
                true,
                "Steps between two lines that tell loss, rate and gradient norm of a step."));
        add(bool(
                t + "calculate_metrics",
                true,
                true,
                "Whether validation segments the whole cases and computes Dice; false: it computes the loss of a few patches of each, and"
                        + " the last weights are the result."));
        add(integer(t + "grad_accumulate_steps", 1L, 1, true, "Batches whose gradients make one step."));
        add(
                path(
                        t + "checkpoint_save_dir",
                        true,
                        "Folder of the run; must not exist or be empty unless the run is resumed. `output.run_dir` goes before it."));
        String load = t + "load_checkpoint.";
        add(
                bool(
                        load + "load_full_checkpoint",
                        false,
                        true,
                        "Start a new run from everything in a checkpoint folder of ours: weights, optimizer, average, epoch, history."));
        add(bool(
                load + "load_model_only",
                false,
                true,
                "Start from the weights in a file (.safetensors, .pt, …), a checkpoint folder or a bundle. Where in_channels or"
                        + " num_classes is another, the layers that depend on it start anew, and the run says which."));
        add(path(load + "load_checkpoint_path", true, "That folder or file."));
        add(bool(
                t + "recompute_activations",
                false,
                false,
                "Whether the backward pass computes activations again instead of keeping them: less memory for more time, the same"
                        + " result."));
        add(bool(
                t + "amp",
                false,
                false,
                "Automatic mixed precision: the training step's products in bfloat16, all else (weights, optimizer, norms, softmax,"
                        + " loss, validation) in float32. Only where the device gains from it: GPUs, and processors with AVX512-BF16"
                        + " or AMX."));
        add(bool(
                t + "sync_batch_norm",
                true,
                false,
                "With several processes (train --nproc, --rendezvous), whether BatchNorm takes its statistics from the whole batch,"
                        + " so that n processes with batch b do what one does with batch n·b. False: each from its own part, and the"
                        + " running statistics are the means of all. Without effect in one process."));
        String stop = t + "early_stop.";
        add(bool(stop + "enabled", false, false, "Whether training ends when validation Dice stops rising."));
        add(integer(stop + "patience", 20L, 1, false, "Validations without a better Dice before it ends."));
        add(number(
                stop + "min_delta", 0.0, NumberRange.FRACTION, false, "By how much a Dice must be better to count."));
    }

    private static void data() {
        String d = "dataset_parameters.";
        add(choice(
                d + "dataset_type",
                "brats2017_seg",
                List.of("brats2017_seg", "brats2021_seg", "decathlon", "nnunet", "acdc", "synapse"),
                true,
                "brats…: the official preprocessed .pt files listed in CSV files. decathlon and nnunet (our extensions): a folder with"
                        + " dataset.json, imagesTr and labelsTr. acdc: the patients' folders with Info.cfg. synapse: the folders img"
                        + " and label."));
        for (String part : List.of("train", "val")) {
            String a = d + part + "_dataset_args.";
            add(path(
                    a + "root",
                    true,
                    "brats…: folder with the CSV files. The other types use `dataset_parameters.root`."));
            add(bool(a + "train", part.equals("train"), true, "brats…: true reads train.csv, false validation.csv."));
            add(integer(a + "fold_id", null, 0, true, "brats…: k reads train_fold_k.csv or validation_fold_k.csv."));
        }
        String loader = d + "train_dataloader_args.";
        add(
                integer(
                        loader + "batch_size",
                        2L,
                        1,
                        true,
                        "Patches in a batch; with brats… cases, each giving all its `samples_per_case` patches, as in the official run."));
        add(bool(loader + "shuffle", true, true, "Whether every epoch has its own order of cases."));
        add(integer(loader + "num_workers", 1L, 0, true, "Threads that prepare batches; results don't depend on it."));
        add(bool(loader + "drop_last", true, true, "Whether an incomplete last batch is left out."));
        loader = d + "val_dataloader_args.";
        add(integer(loader + "batch_size", 1L, 1, true, "Accepted; validation takes one volume at a time."));
        add(bool(loader + "shuffle", false, true, "Accepted; the order doesn't change a mean."));
        add(integer(loader + "num_workers", 1L, 0, true, "Accepted; validation volumes are prepared once."));
        add(bool(loader + "drop_last", false, true, "Accepted; every volume is validated."));

        add(path(d + "root", false, "All types but brats…: folder of the data set."));
        add(bool(
                d + "skip_incomplete",
                false,
                false,
                "Whether cases that lack a file, a label without an image among them, are left out with a warning that names them;"
                        + " false: they stop the run."));
        add(path(
                d + "split.file",
                false,
                "JSON file {\"train\": [ids], \"validation\": [ids], \"test\": [ids]}, or nnU-Net's splits_final.json; null: drawn"
                        + " by the keys below."));
        add(integer(
                d + "split.fold",
                null,
                0,
                false,
                "Which fold of split.file, from 0, where that is splits_final.json."));
        add(choice(
                d + "split.preset",
                "none",
                List.of("none", "nnformer"),
                false,
                "nnformer: the lists that publications on ACDC and Synapse share, instead of a draw."));
        add(fraction(d + "split.test_fraction", 0, "Share of the cases that nobody looks at before the end."));
        add(fraction(
                d + "split.validation_fraction",
                0.1,
                "Share of the remaining cases that choose the best weights; 0: the last weights are the result."));
        add(integer(
                d + "split.seed",
                42L,
                Long.MIN_VALUE,
                false,
                "Seed of the split; cases of one patient stay together."));
        add(plan(d + "plan"));
        add(number(
                d + "plan_memory",
                8.0,
                NumberRange.POSITIVE,
                false,
                "GiB that a training step may take in a plan that is made here."));
        add(grid(
                d + "patch_size",
                null,
                false,
                "Size of training patches; null: `sliding_window_inference.roi`,"
                        + " with brats… 96³ as in the official run."));
        add(integer(
                d + "samples_per_case",
                null,
                1,
                false,
                "Patches taken from each case in an epoch; null: 1, with brats… 4 as in the official run."));
        add(number(
                d + "foreground_fraction",
                0.0,
                NumberRange.SHARE,
                false,
                "Share of the patches centred on a labelled voxel."));
        add(augmentation(d + "augmentation"));
        add(map(
                d + "preprocessing",
                "map",
                null,
                false,
                "What is done to a scan before the network sees it; see below. null: the defaults there; with brats… what the official"
                        + " script does, for the bundle.",
                Map.of(),
                (key, value) ->
                        below(key, () -> PreprocessingSpec.fromMap(value).toMap())));
        add(map(
                d + "labels",
                "map",
                null,
                false,
                "What the network's channels mean: `mode: sigmoid` or `mode: softmax` with the classes of dataset.json, a whole mapping"
                        + " with `regions`, or a `preset`; with `ignore`, a value whose voxels count nowhere; see below. null: sigmoid, with brats… the preset of that name.",
                Map.of(),
                ExperimentKeys::labels));
        add(bool(
                d + "ignore_geometry",
                false,
                false,
                "Whether channels and label of a case are taken voxel by voxel wherever their files say that they lie, so long as"
                        + " sizes agree; false: corners more than half a voxel apart stop the training."));
        add(bool(d + "cache", true, false, "Whether preprocessed cases stay in memory."));
        add(path(
                d + "cache_dir",
                false,
                "Folder that keeps preprocessed cases from run to run, shared by any number of processes; null:"
                        + " none. An entry is named by the hash of the files and settings that made it."));
    }

    private static void extensions() {
        add(integer(
                "validation.every", 1L, 1, false, "Epochs between two validations; the last epoch always has one."));
        add(number(
                "validation.overlap",
                0.5,
                NumberRange.FRACTION,
                false,
                "Overlap of the windows in validation and in the bundle; the official run has 0.5."));
        add(choice(
                "validation.blend",
                "constant",
                List.of("constant", "gaussian"),
                false,
                "Weights of overlapping windows; the official run has constant ones."));
        add(
                bool(
                        "validation.test",
                        true,
                        false,
                        "Whether the test cases of the split, if any, are segmented with the bundle at the end and scored (folder test)."));
        add(
                bool(
                        "validation.choose_postprocessing",
                        false,
                        false,
                        "Whether postprocessing is chosen on the validation cases at the end, as `segformer3d postprocess` does, and stored in the bundle before the test cases are segmented (folder postprocessing)."));
        add(path("output.run_dir", false, "Folder of the run; null: `training_parameters.checkpoint_save_dir`."));
        add(integer(
                "output.checkpoint_every",
                1L,
                1,
                false,
                "Epochs between two saves of the last state; the end always saves."));
        add(integer(
                "output.checkpoint_every_steps",
                null,
                1,
                false,
                "Steps between two saves of the last state amid an epoch; null: epochs are saved when they are done."));
        add(integer(
                "output.keep_last",
                1L,
                1,
                false,
                "How many of the newest saved epochs are kept: checkpoints/last, and with more than one checkpoints/epoch-N each."
                        + " The best one is kept in any case."));
        add(
                bool(
                        "output.hash_data",
                        true,
                        false,
                        "Whether provenance.json has the SHA-256 of every file of the data, so that a resumption notices changed content."));
        add(bool("tracking.csv", true, false, "Whether history.csv is written."));
        add(bool("tracking.jsonl", true, false, "Whether history.jsonl is written."));
        add(bool("tracking.tensorboard", true, false, "Whether TensorBoard event files are written."));
        add(bool("tracking.curve", true, false, "Whether the curves are drawn as curve.png."));
        add(bool("tracking.mlflow.enabled", false, false, "Whether an MLflow server is told over its REST interface."));
        add(text(
                "tracking.mlflow.uri",
                null,
                false,
                "Address of that server, such as http://127.0.0.1:5000; null: MLFLOW_TRACKING_URI. MLFLOW_TRACKING_TOKEN, or"
                        + " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are sent with every request."));
        add(text("tracking.mlflow.experiment", null, false, "Name of the experiment there; null: `project`."));
        add(text("tracking.mlflow.run_name", null, false, "Name of the run there; null: the run folder's name."));
        add(
                bool(
                        "tracking.report",
                        true,
                        false,
                        "Whether report.html is written at the end; without test cases it shows the validation cases, which are segmented for it (folder validation)."));
        add(text(
                "backend.name",
                null,
                false,
                "Backend that computes; null: SEGFORMER3D_BACKEND, else the best one that is available."));
        add(text("backend.device", "cpu", false, "cpu, cuda or cuda:N."));
        add(integer("backend.threads", 0L, 0, false, "Threads on the CPU; 0: as many as there are processors."));
        add(choice("backend.precision", "float32", List.of("float32", "float64"), false, "Type to compute in."));
        add(choice(
                "backend.implementation",
                "auto",
                List.of("auto", "plain", "folded", "fused"),
                false,
                "Form of the network: the fastest exact one, the paper's operations one by one, those with the"
                        + " constant ones folded, or the fused form."));
    }

    /** Checks the mapping, but leaves one that takes its classes from the data set as it is. */
    private static Map<String, Object> labels(String key, Map<String, Object> value) {
        if (value.containsKey("regions") || value.containsKey("preset")) {
            return below(key, () -> LabelSpec.fromMap(value).toMap());
        }
        for (String name : value.keySet()) {
            if (!name.equals("mode") && !name.equals("ignore")) {
                throw new ConfigException(
                        Suggestions.unknownKey(key, name, List.of("mode", "regions", "preset", "painting", "ignore")));
            }
        }
        LabelSpec.ignored(key + ".ignore", value.get("ignore"));
        Object mode = value.get("mode");
        if (!"sigmoid".equals(mode) && !"softmax".equals(mode)) {
            throw ConfigException.of(key + ".mode", mode, "sigmoid or softmax");
        }
        return value;
    }

    /** Sections that are also parts of other files name their keys from their own start; here they lie deeper. */
    private static Map<String, Object> below(String key, Supplier<Map<String, Object>> reading) {
        try {
            return reading.get();
        } catch (ConfigException e) {
            throw new ConfigException(key.substring(0, key.lastIndexOf('.') + 1) + e.getMessage());
        }
    }

    /** Returns what the official network keys hold, by name. */
    private static Map<String, Object> networkSchema() {
        Map<String, Object> properties = new LinkedHashMap<>();
        ConfigKey.stringKeys(SegFormer3DConfig.defaults().toMap()).forEach((name, value) -> {
            Map<String, Object> whole = Map.of("type", "integer", "minimum", name.equals("patch_padding") ? 0 : 1);
            boolean perAxis = name.startsWith("patch_") || name.equals("sr_ratios");
            Map<String, Object> three = Map.of("type", "array", "items", whole, "minItems", 3, "maxItems", 3);
            properties.put(
                    name,
                    value instanceof List<?> stages
                            ? Map.of(
                                    "type",
                                    "array",
                                    "items",
                                    perAxis ? Map.of("anyOf", List.of(whole, three)) : whole,
                                    "minItems",
                                    stages.size(),
                                    "maxItems",
                                    stages.size())
                            : name.equals("decoder_dropout") ? NumberRange.FRACTION.schema() : whole);
        });
        properties.put("layers", Map.of("type", "object", "additionalProperties", Map.of("type", "string")));
        return properties;
    }

    /** A path, or the word that asks for a plan to be made. */
    private static ConfigKey plan(String path) {
        ConfigKey file = path(
                path,
                false,
                "Plan, as `segformer3d plan` writes it, that says preprocessing, patch_size, roi and batch_size where this file doesn't;"
                        + " keys of `preprocessing` that stand here go before the plan's. auto: made from the training cases.");
        return new ConfigKey(
                path,
                "path or auto",
                null,
                false,
                file.description(),
                file.schema(),
                (key, found, base) -> DatasetSettings.AUTO.equals(found) ? found : file.read(found, base));
    }

    private static ConfigKey augmentation(String path) {
        Map<String, Object> step = Map.of(
                "type", "object", "required", List.of("type"), "properties", Map.of("type", Map.of("type", "string")));
        return new ConfigKey(
                path,
                "none, light, standard, strong, official, or a list of steps",
                null,
                false,
                "Random changes of training patches; see below. null: none, with brats… official.",
                Map.of("anyOf", List.of(Map.of("type", "string"), Map.of("type", "array", "items", step))),
                (key, found, base) -> {
                    below(key, () -> {
                        DatasetSettings.transforms(found);
                        return Map.of();
                    });
                    return ConfigKey.canonical(found);
                });
    }

    private static ConfigKey nonNegative(String path, double otherwise, String description) {
        return number(path, otherwise, NumberRange.NOT_NEGATIVE, false, description);
    }

    private static ConfigKey fraction(String path, double otherwise, String description) {
        return number(path, otherwise, NumberRange.FRACTION, false, description);
    }

    private static void add(ConfigKey key) {
        if (KEYS.put(key.path(), key) != null) {
            throw new IllegalStateException("two keys named " + key.path());
        }
    }

    /** Returns all paths, for tests and tables. */
    static List<String> paths() {
        return new ArrayList<>(KEYS.keySet());
    }
}
