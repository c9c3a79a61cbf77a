package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.function.ObjLongConsumer;
import java.util.stream.Stream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.segformer3d.train.config.DatasetSettings;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.Planning;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Writes a data set as the network sees it. */
@Command(
        name = "preprocess",
        description =
                "Write the cases of an experiment's data set as the network sees them: oriented, cropped, resampled, normalised."
                        + " The result is a data set; train on it with"
                        + " preprocessing {orientation: as_is, normalization: none}."
                        + " With --dataset brats…, do to raw BraTS scans what the official script does and write its files; train on"
                        + " them with dataset_type brats2017_seg or brats2021_seg.")
public final class PreprocessCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @ArgGroup(multiplicity = "1")
    private What what;

    /** What is done: as an experiment says, or as the official script does. */
    private static final class What {
        @Option(names = "--config", paramLabel = "FILE", description = "The experiment, in YAML.")
        private Path config;

        @Option(
                names = "--dataset",
                paramLabel = "NAME",
                description =
                        "brats2017, brats2021 or brats2023: raw scans, found in --data under any of these names; the pairs"
                                + " NAME_modalities.pt and NAME_label.pt are written.")
        private BratsPairs.Dataset dataset;
    }

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data set to read (default: the experiment's dataset_parameters.root; --dataset needs it).")
    private Optional<Path> data = Optional.empty();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            required = true,
            description = "Folder to create; an existing one must be empty. It appears when all cases are done.")
    private Path output;

    @Option(
            names = "--format",
            paramLabel = "KIND",
            description =
                    "nifti, nrrd, metaimage, mgh, or npy, which keeps neither spacing nor place (default: nifti).")
    private Optional<Format> format = Optional.empty();

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(
            names = "--skip-incomplete",
            description = "Leave cases out, naming them, that lack a file; without this nothing is written.")
    private boolean skipIncomplete;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    /** Kinds of volume files. */
    enum Format {
        /** Compressed NIfTI-1. */
        NIFTI(".nii.gz"),
        /** Compressed NRRD. */
        NRRD(".nrrd"),
        /** Compressed MetaImage. */
        METAIMAGE(".mha"),
        /** Compressed MGH. */
        MGH(".mgz"),
        /** NumPy arrays (D,H,W). */
        NPY(".npy");

        private final String ending;

        Format(String ending) {
            this.ending = ending;
        }
    }

    @Override
    public Integer call() throws IOException {
        if (what.dataset != null) {
            return official();
        }
        requireFree();
        Path config = what.config;
        List<String> changes = new ArrayList<>();
        data.ifPresent(folder -> changes.add("dataset_parameters.root="
                + TrainCommand.quoted(folder.toAbsolutePath().toString())));
        if (skipIncomplete) {
            changes.add("dataset_parameters.skip_incomplete=true");
        }
        ExperimentConfig given = ExperimentConfig.read(config).withOverrides(changes);
        ExperimentConfig experiment;
        try (Progress progress = Progress.start(
                kind(), spec.commandLine().getErr(), "looking at cases for the plan", Planning.casesToLookAt(given))) {
            experiment = Planning.of(given, done -> progress.at(done, "")).config();
        }
        DatasetSettings settings = experiment.dataset();
        Path root = settings.root()
                .orElseThrow(
                        () -> new ConfigException(
                                config
                                        + ": dataset_parameters.root: found null, expected the folder of the data set; or give --data"));
        SegmentationDataset dataset = settings.read(root);
        List<Case> cases = new ArrayList<>(dataset.cases());
        cases.addAll(dataset.unlabelled());
        PreprocessingSpec preprocessing = experiment.dataset().preprocessing();
        if (!write(cases.size(), (folder, listener) -> fill(folder, dataset, cases, preprocessing, listener))) {
            return 1;
        }
        if (json) {
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("output", output.toString());
            report.put("cases", cases.stream().map(Case::id).toList());
            report.put("preprocessing", preprocessing.toMap());
            spec.commandLine().getOut().print(Json.pretty(report));
        } else {
            spec.commandLine()
                    .getOut()
                    .println(output + ": " + dataset.cases().size() + " cases with labels, "
                            + dataset.unlabelled().size() + " without");
        }
        return 0;
    }

    private int official() throws IOException {
        Path root = data.orElseThrow(() -> new ParameterException(
                spec.commandLine(), "Missing option '--data': --dataset needs the folder with the raw scans"));
        if (format.isPresent()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Option '--format' doesn't go with --dataset, which writes the official .pt files");
        }
        requireFree();
        BratsPairs pairs = BratsPairs.find(root, what.dataset, skipIncomplete);
        if (!write(pairs.count(), pairs::write)) {
            return 1;
        }
        if (json) {
            Map<String, Object> report = new LinkedHashMap<>();
            report.put("output", output.toString());
            report.put("cases", pairs.ids());
            spec.commandLine().getOut().print(Json.pretty(report));
        } else {
            spec.commandLine()
                    .getOut()
                    .println(output + ": " + pairs.count() + (pairs.count() == 1 ? " case" : " cases")
                            + ", each NAME_modalities.pt and NAME_label.pt"
                            + (pairs.leftOut() == 0 ? "" : "; " + pairs.leftOut() + " without a segmentation left out")
                            + "; write train.csv and validation.csv with"
                            + " segformer3d split --data " + output);
        }
        return 0;
    }

    /** Writes cases into a folder. */
    private interface Filling {
        /** @param listener told how many cases are done and which one was the last */
        void fill(Path folder, ObjLongConsumer<String> listener) throws IOException;
    }

    /**
     * Writes the output's folder, which appears when all is done.
     *
     * @return whether it was written; false when it was stopped by Ctrl-C, which leaves nothing
     */
    private boolean write(int cases, Filling filling) throws IOException {
        Path target = output.toAbsolutePath().normalize();
        Files.createDirectories(target.getParent());
        PrintWriter err = spec.commandLine().getErr();
        // Open until the last line is printed: an interrupted process ends as soon as this is closed.
        try (Interruption interruption = new Interruption()) {
            try (Progress progress = Progress.start(kind(), err, "preprocessing", cases)) {
                AtomicFiles.replaceDirectory(
                        target,
                        folder -> filling.fill(folder, (id, done) -> {
                            if (interruption.isRequested()) {
                                throw new CancellationException(
                                        "stopped after " + done + " of " + cases + " cases; nothing was written");
                            }
                            progress.at(done, id);
                        }));
            } catch (CancellationException e) {
                err.println("segformer3d: " + e.getMessage());
                return false;
            }
        }
        return true;
    }

    private Progress.Kind kind() {
        return quiet ? Progress.Kind.NONE : Progress.Kind.detect();
    }

    private void requireFree() throws IOException {
        if (Files.isDirectory(output)) {
            try (Stream<Path> inside = Files.list(output)) {
                if (inside.findAny().isPresent()) {
                    throw new FileAlreadyExistsException(
                            output.toString(), null, "the folder isn't empty; choose another one or remove it");
                }
            }
        }
    }

    private void fill(
            Path folder,
            SegmentationDataset dataset,
            List<Case> cases,
            PreprocessingSpec preprocessing,
            ObjLongConsumer<String> listener)
            throws IOException {
        Preprocessor preprocessor = new Preprocessor(preprocessing);
        int channels = dataset.channels().size();
        for (int n = 0; n < cases.size(); n++) {
            Case one = cases.get(n);
            Volume image = CaseReader.readImage(one, channels);
            Optional<Volume> label = Optional.empty();
            if (one.label().isPresent()) {
                label = Optional.of(CaseReader.readLabel(one, image.geometry()));
            }
            PreparedCase prepared = preprocessor.prepare(one.id(), List.of(image), label);
            write(folder, one, prepared);
            listener.accept(one.id(), n + 1L);
        }
        AtomicFiles.writeString(folder.resolve("dataset.json"), Json.pretty(description(dataset)));
        Map<String, Object> made = new LinkedHashMap<>();
        made.put("preprocessing", preprocessing.toMap());
        made.put("source", dataset.root().toAbsolutePath().normalize().toString());
        made.put("provenance", Provenance.ofSoftware());
        AtomicFiles.writeString(folder.resolve("preprocessing.json"), Json.pretty(made));
    }

    private void write(Path folder, Case one, PreparedCase prepared) throws IOException {
        Path images = Files.createDirectories(folder.resolve(one.label().isPresent() ? "imagesTr" : "imagesTs"));
        Geometry geometry = prepared.restoration().preparedGeometry();
        Volume image = Volume.of(prepared.image(), geometry);
        for (int channel = 0; channel < prepared.channels(); channel++) {
            Volume volume = image.channel(channel);
            Path file = images.resolve(String.format("%s_%04d%s", one.id(), channel, ending()));
            VolumeFiles.write(file, volume);
        }
        if (prepared.label().isPresent()) {
            Path labels = Files.createDirectories(folder.resolve("labelsTr"));
            Path file = labels.resolve(one.id() + ending());
            HostTensor label = prepared.label().get();
            VolumeFiles.writeLabels(file, Volume.of(label.toFloat32(), geometry));
        }
    }

    private String ending() {
        return format.orElse(Format.NIFTI).ending;
    }

    private Map<String, Object> description(SegmentationDataset dataset) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", dataset.name());
        Map<String, String> channels = new LinkedHashMap<>();
        for (int channel = 0; channel < dataset.channels().size(); channel++) {
            channels.put(String.valueOf(channel), dataset.channels().get(channel));
        }
        map.put("channel_names", channels);
        Map<String, Object> labels = new LinkedHashMap<>();
        for (LabelClass label : dataset.labels()) {
            labels.put(label.name(), label.values().size() == 1 ? label.values().get(0) : label.values());
        }
        if (!labels.isEmpty()) {
            map.put("labels", labels);
        }
        List<Integer> order = dataset.labels().stream()
                .flatMapToInt(label -> label.write().stream())
                .boxed()
                .toList();
        if (!order.isEmpty()) {
            map.put("regions_class_order", order);
        }
        map.put("numTraining", dataset.cases().size());
        map.put("file_ending", ending());
        return map;
    }
}
