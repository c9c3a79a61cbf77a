package org.segformer3d.train.config;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.transform.Augmentation;
import org.segformer3d.data.transform.RandomTransform;

/**
 * What is trained on and how it is cut into batches.
 *
 * @param type layout of the data
 * @param root folder of the data set for all types but the official ones, empty when none is named
 * @param skipsIncomplete whether cases that lack a file are left out instead of being refused
 * @param trainList official training list, for the brats types
 * @param validationList official validation list, for the brats types
 * @param split who trains, validates and tests
 * @param patch size of training patches
 * @param samplesPerCase patches taken from each case in an epoch
 * @param foregroundFraction share of the patches centred on a labelled voxel
 * @param augmentation random changes of patches, in this order
 * @param preprocessing what is done to a scan
 * @param plan where the plan comes from that preprocessing, patch and batch are to follow, empty when there is none (any more)
 * @param planMemory bytes that a training step may take in a plan that is made
 * @param labels what the channels mean
 * @param ignoresGeometry whether the files of a case are taken voxel by voxel wherever they say that they lie
 * @param cached whether prepared cases stay in memory
 * @param cacheFolder folder that keeps prepared cases from run to run, empty for none
 * @param batchSize patches in a batch; for the brats types cases, each with all its patches
 * @param shuffled whether every epoch has its own order
 * @param workers threads that prepare batches
 * @param dropLast whether an incomplete last batch is left out
 */
public record DatasetSettings(
        Type type,
        Optional<Path> root,
        boolean skipsIncomplete,
        CaseList trainList,
        CaseList validationList,
        SplitSettings split,
        Grid patch,
        int samplesPerCase,
        double foregroundFraction,
        List<RandomTransform> augmentation,
        PreprocessingSpec preprocessing,
        Optional<PlanSettings> plan,
        long planMemory,
        LabelSettings labels,
        boolean ignoresGeometry,
        boolean cached,
        Optional<Path> cacheFolder,
        int batchSize,
        boolean shuffled,
        int workers,
        boolean dropLast) {
    /** Stands for a plan that is made from the training cases. */
    static final String AUTO = "auto";

    private static final Grid OFFICIAL_PATCH = new Grid(96, 96, 96);
    private static final int OFFICIAL_SAMPLES = 4;

    /** Layouts of data. */
    public enum Type {
        /** The official preprocessed .pt files of BraTS 2017. */
        BRATS2017_SEG,
        /** The official preprocessed .pt files of BraTS 2021. */
        BRATS2021_SEG,
        /** dataset.json, imagesTr, labelsTr of the Medical Segmentation Decathlon. */
        DECATHLON,
        /** The same as nnU-Net v2 writes it. */
        NNUNET,
        /** The patients' folders of the Automated Cardiac Diagnosis Challenge. */
        ACDC,
        /** img and label of Synapse's abdominal CT (BTCV). */
        SYNAPSE;

        /** Returns whether this is one of the official layouts. */
        public boolean isOfficial() {
            return this == BRATS2017_SEG || this == BRATS2021_SEG;
        }

        /**
         * Returns how the files of a data set of this type are laid out.
         *
         * @throws IllegalStateException for the official types, whose cases stand in lists
         */
        public DatasetLayout layout() {
            return switch (this) {
                case DECATHLON, NNUNET -> DatasetLayout.FOLDERS;
                case ACDC -> DatasetLayout.ACDC;
                case SYNAPSE -> DatasetLayout.SYNAPSE;
                case BRATS2017_SEG, BRATS2021_SEG ->
                    throw new IllegalStateException(this + " has lists of cases instead of a data set's folder");
            };
        }
    }

    /**
     * An official list of cases.
     *
     * @param root folder with the CSV files, empty when none is named
     * @param train whether train.csv is meant rather than validation.csv
     * @param fold which fold, empty for the whole list
     */
    public record CaseList(Optional<Path> root, boolean train, OptionalInt fold) {
        /** Returns the name of the CSV file. */
        public String fileName() {
            return (train ? "train" : "validation") + (fold.isPresent() ? "_fold_" + fold.getAsInt() : "") + ".csv";
        }
    }

    /**
     * Who trains, validates and tests.
     *
     * @param file split file, empty when there is none
     * @param fold which of the file's folds, where it has several
     * @param published whether nnFormer's lists are followed; otherwise, without a file, the split is drawn, by patient
     * @param testFraction share of the cases kept for the end
     * @param validationFraction share of the others that choose the best weights
     * @param seed of the draw
     */
    public record SplitSettings(
            Optional<Path> file,
            OptionalInt fold,
            boolean published,
            double testFraction,
            double validationFraction,
            long seed) {}

    /**
     * Where a plan comes from.
     *
     * @param file plan file, empty to make the plan from the training cases
     */
    public record PlanSettings(Optional<Path> file) {}

    /**
     * What the channels mean.
     *
     * @param softmax whether channels exclude one another
     * @param spec a whole mapping; empty when the classes are the data set's own
     * @param ignored values to ignore beside those that the data set or the mapping names
     */
    public record LabelSettings(boolean softmax, Optional<LabelSpec> spec, List<Integer> ignored) {
        /**
         * Returns what the channels mean for a data set: the mapping, else the data set's classes. What the data set ignores is ignored
         * either way, unless the mapping has a use for it.
         *
         * @throws ConfigException when there is no mapping and the data set names no classes, or they don't suit the mode
         */
        public LabelSpec of(SegmentationDataset dataset) {
            String key = "dataset_parameters.labels";
            if (spec.isPresent()) {
                return spec.get().ignoring(ignored(dataset));
            }
            if (dataset.labels().isEmpty()) {
                throw new ConfigException(
                        key + ": " + dataset.root() + " doesn't name its labels; name them here with mode and regions");
            }
            try {
                return LabelSpec.of(softmax ? LabelSpec.Mode.SOFTMAX : LabelSpec.Mode.SIGMOID, dataset.labels())
                        .ignoring(ignored(dataset));
            } catch (ConfigException e) {
                throw new ConfigException(
                        "dataset_parameters." + e.getMessage() + " (the labels are those of " + dataset.root() + ")");
            }
        }

        /** Returns the label values to ignore in a data set: its own, unless the mapping has a use for them, and those named here. */
        public List<Integer> ignored(SegmentationDataset dataset) {
            List<Integer> all = new ArrayList<>(ignored);
            dataset.labels().stream()
                    .filter(LabelClass::isIgnore)
                    .flatMap(label -> label.values().stream())
                    .filter(value -> spec.stream()
                            .flatMap(one -> one.regions().stream())
                            .noneMatch(region -> region.values().contains(value)))
                    .forEach(all::add);
            return all;
        }
    }

    static DatasetSettings of(Values values) {
        String d = "dataset_parameters.";
        Type type = Type.valueOf(values.text(d + "dataset_type").toUpperCase(java.util.Locale.ROOT));
        Object labels = values.get(d + "labels");
        Map<String, Object> map = labels == null ? Map.of() : ConfigKey.stringKeys(labels);
        String loader = d + "train_dataloader_args.";
        Grid roi = values.grid("sliding_window_inference.roi").orElseThrow();
        return new DatasetSettings(
                type,
                values.optionalPath(d + "root"),
                values.bool(d + "skip_incomplete"),
                list(values, "train"),
                list(values, "val"),
                new SplitSettings(
                        values.optionalPath(d + "split.file"),
                        values.optionalInteger(d + "split.fold"),
                        values.text(d + "split.preset").equals("nnformer"),
                        values.number(d + "split.test_fraction"),
                        values.number(d + "split.validation_fraction"),
                        values.seed(d + "split.seed")),
                values.grid(d + "patch_size").orElse(type.isOfficial() ? OFFICIAL_PATCH : roi),
                values.optionalInteger(d + "samples_per_case").orElse(type.isOfficial() ? OFFICIAL_SAMPLES : 1),
                values.number(d + "foreground_fraction"),
                augmentation(values.get(d + "augmentation"), type),
                preprocessing(values.get(d + "preprocessing"), type),
                values.optionalText(d + "plan")
                        .map(plan ->
                                new PlanSettings(plan.equals(AUTO) ? Optional.empty() : Optional.of(Path.of(plan)))),
                (long) (values.number(d + "plan_memory") * (1L << 30)),
                new LabelSettings(
                        "softmax".equals(map.get("mode")),
                        map.containsKey("regions") ? Optional.of(LabelSpec.fromMap(map)) : Optional.empty(),
                        LabelSpec.ignored("labels.ignore", map.get("ignore"))),
                values.bool(d + "ignore_geometry"),
                values.bool(d + "cache"),
                values.optionalPath(d + "cache_dir"),
                values.integer(loader + "batch_size"),
                values.bool(loader + "shuffle"),
                values.integer(loader + "num_workers"),
                values.bool(loader + "drop_last"));
    }

    /**
     * Reads a data set's folder as the settings say: incomplete cases stop it or are left out, and files' geometry counts or doesn't.
     *
     * @param folder its folder, never {@code null}; for the official types one with dataset.json
     * @throws IOException when it can't be read, or cases are incomplete that mustn't be
     */
    public SegmentationDataset read(Path folder) throws IOException {
        return withGeometry(skipsIncomplete ? layout().readComplete(folder) : layout().read(folder));
    }

    /**
     * Reads the complete cases of a data set's folder, as {@link #read(Path)} does otherwise.
     *
     * @param incomplete told the others
     */
    public SegmentationDataset read(Path folder, IncompleteCases incomplete) throws IOException {
        return withGeometry(layout().read(folder, incomplete));
    }

    private DatasetLayout layout() {
        return type.isOfficial() ? DatasetLayout.FOLDERS : type.layout();
    }

    private SegmentationDataset withGeometry(SegmentationDataset dataset) {
        return ignoresGeometry ? dataset.ignoringGeometry() : dataset;
    }

    private static PreprocessingSpec preprocessing(Object found, Type type) {
        if (found == null) {
            return type.isOfficial() ? PreprocessingSpec.officialBrats() : PreprocessingSpec.fromMap(Map.of());
        }
        return PreprocessingSpec.fromMap(ConfigKey.stringKeys(found));
    }

    private static List<RandomTransform> augmentation(Object found, Type type) {
        return transforms(found == null && type.isOfficial() ? "official" : found);
    }

    /** Returns the transforms of a preset's name or a list of steps; none for {@code null}. */
    static List<RandomTransform> transforms(Object found) {
        return Augmentation.fromConfig(withInts(found));
    }

    /** A configuration holds all integers as long; steps expect small ones as int. */
    private static Object withInts(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> copy = new LinkedHashMap<>();
            map.forEach((k, v) -> copy.put(String.valueOf(k), withInts(v)));
            return copy;
        }
        if (value instanceof List<?> list) {
            return list.stream().map(DatasetSettings::withInts).toList();
        }
        return value instanceof Long number && number == number.intValue() ? (Object) number.intValue() : value;
    }

    private static CaseList list(Values values, String part) {
        String a = "dataset_parameters." + part + "_dataset_args.";
        return new CaseList(
                values.optionalPath(a + "root"), values.bool(a + "train"), values.optionalInteger(a + "fold_id"));
    }
}
