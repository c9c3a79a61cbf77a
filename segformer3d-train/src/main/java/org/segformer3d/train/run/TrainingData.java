package org.segformer3d.train.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Network;
import org.segformer3d.data.cache.VolumeCache;
import org.segformer3d.data.check.DatasetCheck;
import org.segformer3d.data.dataset.BratsReader;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.PublishedSplit;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.loading.CachedCases;
import org.segformer3d.data.loading.CaseSource;
import org.segformer3d.data.loading.FileCases;
import org.segformer3d.data.loading.StoredCases;
import org.segformer3d.data.planning.ChannelNames;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.DatasetSettings.SplitSettings;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.schedule.ScheduleSpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The data of an experiment: who trains, validates and tests, and what the channels mean.
 *
 * @param name what the data set calls itself
 * @param channels names of the scans' channels, empty where they aren't known
 * @param labels what the network's channels mean
 * @param training cases to train on
 * @param validation cases to validate on; may be empty
 * @param validationFiles the files of the validation cases; empty where they aren't scans
 * @param test cases nobody looks at before the end; may be empty
 * @param split the ids of all three
 * @param root folder of the data set
 * @param fingerprint SHA-256 over ids, file names and sizes, which tells another data set from this one
 * @param files every file of the cases
 * @param resultEnding what the names of written segmentations end in
 */
record TrainingData(
        String name,
        List<String> channels,
        LabelSpec labels,
        CaseSource training,
        CaseSource validation,
        List<Case> validationFiles,
        List<Case> test,
        Split split,
        Path root,
        String fingerprint,
        List<Path> files,
        String resultEnding) {
    private static final Logger LOG = LoggerFactory.getLogger(TrainingData.class);
    private static final String NORMALIZATION = "dataset_parameters.preprocessing.normalization";

    /**
     * Finds the data.
     *
     * @throws ConfigException when the experiment doesn't suit its data
     * @throws IOException when something is missing or can't be read
     */
    static TrainingData open(ExperimentConfig config) throws IOException {
        DatasetSettings settings = config.dataset();
        TrainingData data = settings.type().isOfficial()
                ? official(settings, config.network())
                : folder(settings, config.network());
        if (!settings.type().isOfficial() && !config.states(NORMALIZATION)) {
            warnOfNames(data.channels());
        }
        requireChannels(config.network(), data.labels());
        requireDice(config, data.validation().size() > 0);
        if (config.validation().choosesPostprocessing()
                && data.validationFiles().isEmpty()) {
            throw ConfigException.of(
                    "validation.choose_postprocessing",
                    true,
                    settings.type().isOfficial()
                            ? "false with brats…; choose with segformer3d postprocess after the training"
                            : "false, as there are no validation cases to choose on");
        }
        return data;
    }

    /** Says which channels are z-scored only because nothing else was said, though their names ask for something else. */
    private static void warnOfNames(List<String> channels) {
        List<String> otherwise = channels.stream()
                .filter(name -> ChannelNames.kind(name).isPresent())
                .toList();
        if (!otherwise.isEmpty()) {
            LOG.warn(
                    "{}: every scan is z-scored by itself, though {} by nnU-Net's convention {} something else; say it here, one rule"
                            + " for each channel, or let a plan follow the names (dataset_parameters.plan: auto)",
                    NORMALIZATION,
                    String.join(", ", otherwise),
                    otherwise.size() == 1 ? "asks for" : "ask for");
        }
    }

    /** Returns the data set of any type but the official ones. */
    static SegmentationDataset dataset(DatasetSettings settings) throws IOException {
        return settings.read(root(settings));
    }

    /** Returns the complete cases of a data set of any type but the official ones. */
    static SegmentationDataset dataset(DatasetSettings settings, IncompleteCases incomplete) throws IOException {
        return settings.read(root(settings), incomplete);
    }

    private static Path root(DatasetSettings settings) {
        return settings.root()
                .orElseThrow(() -> ConfigException.of("dataset_parameters.root", "null", "the folder of the data set"));
    }

    private static TrainingData folder(DatasetSettings settings, Network model) throws IOException {
        SegmentationDataset dataset = dataset(settings);
        Path root = dataset.root();
        int channels = dataset.channels().size();
        if (channels != model.inChannels()) {
            throw ConfigException.of(
                    "model_parameters.in_channels",
                    model.inChannels(),
                    channels + " as " + root + " has (" + String.join(", ", dataset.channels()) + ")");
        }
        settings.preprocessing().normalization().requireFor(channels);
        LabelSpec labels = settings.labels().of(dataset);
        Split split = split(settings, dataset);
        Preprocessor preprocessor = new Preprocessor(settings.preprocessing());
        List<Case> trainingFiles = dataset.select(split.train());
        List<Case> validationFiles = dataset.select(split.validation());
        List<Case> test = dataset.select(split.test());
        // Now, rather than at the first validation or after the last epoch.
        check(settings, dataset).quick();
        FileCases training = new FileCases(trainingFiles, channels, preprocessor);
        FileCases validation = new FileCases(validationFiles, channels, preprocessor);
        return new TrainingData(
                dataset.name(),
                dataset.channels(),
                labels,
                kept(settings, training, training::key),
                kept(settings, validation, validation::key),
                validationFiles,
                test,
                split,
                root,
                fingerprint(dataset.cases()),
                files(dataset.cases()),
                dataset.resultEnding());
    }

    private static TrainingData official(DatasetSettings settings, Network model) throws IOException {
        if (settings.split().published()) {
            throw new ConfigException(
                    "dataset_parameters.split.preset: found nnformer, expected none, as nnFormer published no split of BraTS");
        }
        OfficialCases training =
                OfficialCases.read(settings.trainList(), "train", settings.type(), settings.skipsIncomplete());
        OfficialCases validation =
                OfficialCases.read(settings.validationList(), "val", settings.type(), settings.skipsIncomplete());
        Split split;
        boolean raw = training.isRaw();
        if (raw && training.ids().equals(validation.ids())) {
            // One folder of raw scans without lists: drawn as for the other types.
            split = training.size() == 1
                    ? new Split(training.ids(), List.of(), List.of())
                    : split(settings.split(), training.ids(), id -> id);
            training = training.select(split.train());
            validation = validation.select(split.validation());
        } else {
            try {
                split = new Split(training.ids(), validation.ids(), List.of());
            } catch (IllegalArgumentException e) {
                throw new ConfigException("dataset_parameters.val_dataset_args: " + e.getMessage()
                        + "; training and validation lists must not share cases");
            }
        }
        training = training.expecting(model.inChannels());
        validation = validation.expecting(model.inChannels());
        List<Path> files = new ArrayList<>(training.files());
        files.addAll(validation.files());
        return new TrainingData(
                settings.type().name().toLowerCase(java.util.Locale.ROOT),
                // The official script puts them in this order.
                BratsReader.CHANNELS,
                settings.labels()
                        .spec()
                        .orElse(training.labels())
                        .ignoring(settings.labels().ignored()),
                // What the official script wrote is as quickly read as a cache's entry.
                raw ? kept(settings, training, training::key) : cached(settings, training),
                raw ? kept(settings, validation, validation::key) : cached(settings, validation),
                List.of(),
                List.of(),
                split,
                settings.trainList().root().orElseThrow(),
                Sha256.of(files.stream().map(TrainingData::line).collect(Collectors.joining())),
                List.copyOf(files),
                VolumeFiles.USUAL_ENDING);
    }

    private static List<Path> files(List<Case> cases) {
        List<Path> files = new ArrayList<>();
        for (Case one : cases) {
            files.addAll(one.images());
            one.label().ifPresent(files::add);
        }
        return List.copyOf(files);
    }

    /** Keeps prepared cases on disk and in memory, as the settings want it. */
    private static CaseSource kept(DatasetSettings settings, CaseSource source, StoredCases.Keys keys)
            throws IOException {
        return settings.cacheFolder().isEmpty()
                ? cached(settings, source)
                : cached(
                        settings,
                        new StoredCases(
                                source,
                                keys,
                                VolumeCache.open(settings.cacheFolder().get())));
    }

    private static CaseSource cached(DatasetSettings settings, CaseSource source) {
        return settings.cached() ? new CachedCases(source) : source;
    }

    /** Returns a look at a data set with the label values that an experiment knows. */
    static DatasetCheck check(DatasetSettings settings, SegmentationDataset dataset) {
        Set<Integer> known = new HashSet<>(settings.labels().ignored());
        Optional<LabelSpec> spec = settings.labels().spec();
        for (LabelClass label : dataset.labels()) {
            if (spec.isEmpty() || label.isIgnore()) {
                known.addAll(label.values());
            }
        }
        spec.ifPresent(mapping -> known.addAll(mapping.knownValues()));
        if (!known.isEmpty()) {
            known.add(0);
        }
        return new DatasetCheck(dataset, known);
    }

    /** Returns a split without the cases that were left out. */
    private static Split complete(Split split, SegmentationDataset dataset) {
        Set<String> known = new HashSet<>(dataset.ids());
        List<List<String>> parts = new ArrayList<>();
        List<String> absent = new ArrayList<>();
        for (List<String> part : List.of(split.train(), split.validation(), split.test())) {
            parts.add(part.stream().filter(known::contains).toList());
            part.stream().filter(id -> !known.contains(id)).forEach(absent::add);
        }
        if (!absent.isEmpty()) {
            LOG.warn("the split names cases that are left out: {}", String.join(", ", absent));
        }
        return new Split(parts.get(0), parts.get(1), parts.get(2));
    }

    /** Returns the experiment's split of a data set: published, from its file, or drawn by patient. */
    static Split split(DatasetSettings settings, SegmentationDataset dataset) throws IOException {
        requireFileForFold(settings.split());
        if (!settings.split().published()) {
            Split split = split(settings.split(), dataset.ids(), dataset::groupOf);
            return settings.skipsIncomplete() ? complete(split, dataset) : split;
        }
        if (settings.split().file().isPresent()) {
            throw new ConfigException("dataset_parameters.split: found both a file and a preset, expected one of them");
        }
        try {
            return PublishedSplit.nnFormer(settings.type().layout(), dataset);
        } catch (IllegalArgumentException e) {
            throw new ConfigException("dataset_parameters.split.preset: " + e.getMessage());
        }
    }

    private static Split split(SplitSettings settings, List<String> ids, UnaryOperator<String> groupOf)
            throws IOException {
        if (settings.file().isPresent()) {
            Split split = Split.read(settings.file().get(), settings.fold());
            if (split.train().isEmpty()) {
                throw ConfigException.of(
                        "dataset_parameters.split.file", settings.file().get() + " without training cases", "some");
            }
            return split;
        }
        try {
            return Split.byGroup(ids, groupOf, groups -> drawn(settings, groups));
        } catch (IllegalArgumentException e) {
            throw new ConfigException("dataset_parameters.split: " + e.getMessage());
        }
    }

    private static void requireFileForFold(SplitSettings settings) {
        if (settings.fold().isPresent() && settings.file().isEmpty()) {
            throw ConfigException.of(
                    "dataset_parameters.split.fold",
                    settings.fold().getAsInt(),
                    "null without split.file, which is to hold the folds");
        }
    }

    private static Split drawn(SplitSettings settings, Collection<String> groups) {
        double kept = 1 - settings.testFraction();
        boolean test = settings.testFraction() > 0;
        boolean validation = settings.validationFraction() > 0;
        if (test && validation) {
            return Split.trainValidationTest(groups, kept, settings.validationFraction(), settings.seed());
        }
        if (test) {
            return Split.trainTest(groups, kept, settings.seed());
        }
        if (validation) {
            Split two = Split.trainTest(groups, 1 - settings.validationFraction(), settings.seed());
            return new Split(two.train(), two.test(), List.of());
        }
        return new Split(List.copyOf(groups), List.of(), List.of());
    }

    private static void requireChannels(Network model, LabelSpec labels) {
        if (model.numClasses() != labels.channels()) {
            throw ConfigException.of(
                    "model_parameters.num_classes",
                    model.numClasses(),
                    labels.channels() + ", one for each of " + String.join(", ", labels.names()));
        }
    }

    /** Refuses what is judged by the validation Dice where none is measured. */
    private static void requireDice(ExperimentConfig config, boolean validates) {
        if (validates && config.validation().dice()) {
            return;
        }
        String why = ", as there is no validation Dice ("
                + (validates ? "training_parameters.calculate_metrics is false)" : "no validation cases)");
        if (config.training().earlyStop().isPresent()) {
            throw ConfigException.of("training_parameters.early_stop.enabled", true, "false" + why);
        }
        if (config.schedule().kind() == ScheduleSpec.Kind.PLATEAU
                && config.schedule().watched() == ScheduleSpec.Watched.DICE) {
            throw ConfigException.of("train_scheduler.mode", "max", "min" + why);
        }
    }

    private static String fingerprint(List<Case> cases) {
        StringBuilder text = new StringBuilder();
        for (Case one : cases) {
            text.append(one.id()).append('\n');
            one.images().forEach(file -> text.append(line(file)));
            one.label().ifPresent(file -> text.append(line(file)));
        }
        return Sha256.of(text.toString());
    }

    private static String line(Path file) {
        try {
            return file.getFileName() + " " + Files.size(file) + "\n";
        } catch (IOException e) {
            return file.getFileName() + " missing\n";
        }
    }
}
