package org.segformer3d.cli.command;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Need;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.cli.console.Interruption;
import org.segformer3d.cli.console.PredictionProgress;
import org.segformer3d.cli.console.Progress;
import org.segformer3d.cli.console.Quantity;
import org.segformer3d.cli.option.BackendSelection;
import org.segformer3d.cli.option.DicomInputs;
import org.segformer3d.cli.option.DicomSegmentations;
import org.segformer3d.cli.option.InferenceOptions;
import org.segformer3d.cli.option.ModelSource;
import org.segformer3d.cli.option.Outputs;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.Ensemble;
import org.segformer3d.eval.inference.PredictionJob;
import org.segformer3d.eval.inference.PredictionOutput;
import org.segformer3d.eval.inference.PredictionReport;
import org.segformer3d.eval.inference.PredictionRun;
import org.segformer3d.eval.inference.ProcessMemory;
import org.segformer3d.eval.inference.Segmenter;
import org.segformer3d.eval.result.CaseFailure;
import org.segformer3d.eval.result.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Segments scans. */
@Command(
        name = "predict",
        description = "Segment scans of any size; labels are written in each scan's own geometry as CASE.nii.gz"
                + " (see --file-ending).")
public final class PredictCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelSource source;

    @Option(
            names = "--input",
            paramLabel = "PATH",
            required = true,
            arity = "1..*",
            description =
                    "A scan (NIfTI, NRRD, MetaImage, MGH, .npy), one file per channel in channel order, folders of scans"
                            + " (CASE_0000.nii.gz, CASE_0001.nii.gz, … are the channels of one case), or folders or zip files of"
                            + " DICOM, which an installed dcm2niix converts.")
    private List<Path> inputs;

    @Option(
            names = "--series",
            paramLabel = "N",
            split = ",",
            description =
                    "The DICOM series to segment, by number or UID as the command dicom lists them; several are the"
                            + " channels, in order (default: the only one).")
    private List<String> series = new ArrayList<>();

    @Option(
            names = "--dicom-seg",
            description =
                    "Also write CASE.seg.dcm, a DICOM-SEG that refers to the series, which an installed dcmqi makes;"
                            + " all inputs must be DICOM.")
    private boolean dicomSeg;

    @Option(
            names = "--dicom-code",
            paramLabel = "CLASS=CODE",
            description =
                    "What a class is in the DICOM-SEG, SCHEME:VALUE:MEANING such as SCT:78961009:Spleen, after a category"
                            + " and / where that isn't an anatomical structure; may be given several times (default: by its name where"
                            + " that is well known, or tissue).")
    private Map<String, String> dicomCodes = new LinkedHashMap<>();

    @Option(names = "--output", paramLabel = "DIR", required = true, description = "Folder to write to.")
    private Path output;

    @Mixin
    private InferenceOptions inference;

    @Option(
            names = "--file-ending",
            paramLabel = "ENDING",
            description =
                    "What the names of written images end in, which is their format: .nii.gz, .nii, .nrrd, .nhdr, .mha,"
                            + " .mhd, .mgz or .mgh, or input for that of each scan (default: that of the data set that the model was"
                            + " trained on, else .nii.gz).")
    private Optional<String> fileEnding = Optional.empty();

    @Option(names = "--save-logits", description = "Also write logits/CASE.nii.gz.")
    private boolean saveLogits;

    @Option(names = "--save-probabilities", description = "Also write probabilities/CASE.nii.gz.")
    private boolean saveProbabilities;

    @Option(
            names = "--save-precision",
            paramLabel = "TYPE",
            defaultValue = "float32",
            converter = SavedPrecision.class,
            description =
                    "Of saved logits and probabilities: float32, or float16 for values rounded to half precision, whose files"
                            + " are much smaller (default: ${DEFAULT-VALUE}).")
    private DType savePrecision;

    @Option(
            names = "--save-uncertainty",
            description =
                    "Also write uncertainty/CASE.nii.gz: the entropy of the probabilities, 0 (certain) to 1 (guessed).")
    private boolean saveUncertainty;

    @Option(
            names = "--continue",
            description = "Leave cases out whose results are in the output folder already, made by these models in this"
                    + " way, in the same precision, from the same files.")
    private boolean continuing;

    @Option(
            names = "--overwrite",
            description = "Replace results of other scans that have the same names; without this such a case fails.")
    private boolean overwrite;

    @Option(
            names = "--skip-incomplete",
            description =
                    "Leave cases out, naming them, of which a file is missing, is a link that leads nowhere, or is too"
                            + " many; without this nothing is segmented.")
    private boolean skipIncomplete;

    @Option(
            names = "--whole-names",
            description =
                    "Every file is a case of its own, also where names end as those of channels, in _0000, _0001, …"
                            + " (default: as labels or dataset.json beside the folder show, and channels where nothing does).")
    private boolean wholeNames;

    @Option(
            names = "--ignore-geometry",
            description =
                    "Take the channels of a case voxel by voxel wherever their files say that they lie, with a warning; sizes must agree.")
    private boolean ignoreGeometry;

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;

    @Option(names = "--json", description = "Print what was written as JSON.")
    private boolean json;

    @Mixin
    private BackendSelection selection;

    @Override
    public Integer call() throws IOException {
        Ensemble models = inference.applyTo(source.readEnsemble());
        Outputs.checkFolder(output);
        Optional<DicomSegmentations> segmentations = segmentations(models.first());
        try (DicomInputs converted =
                DicomInputs.convert(inputs, series, models.first().network().inChannels())) {
            return predict(models, converted, segmentations);
        }
    }

    private Optional<DicomSegmentations> segmentations(ModelBundle bundle) throws IOException {
        if (!dicomSeg) {
            if (!dicomCodes.isEmpty()) {
                throw new ParameterException(spec.commandLine(), "--dicom-code is of use with --dicom-seg only");
            }
            return Optional.empty();
        }
        try {
            return Optional.of(DicomSegmentations.prepare(inputs, bundle, dicomCodes));
        } catch (ConfigException e) {
            throw new ParameterException(spec.commandLine(), "--dicom-code: " + e.getMessage(), e);
        }
    }

    private int predict(Ensemble models, DicomInputs converted, Optional<DicomSegmentations> segmentations)
            throws IOException {
        PredictionOutput written = new PredictionOutput(
                output, saveLogits, saveProbabilities, saveUncertainty, savePrecision, ending(models.first()));
        PredictionJob job = new PredictionJob(converted.paths(), written, continuing)
                .overwriting(overwrite)
                .skippingIncomplete(skipIncomplete)
                .withWholeNames(wholeNames)
                .ignoringGeometry(ignoreGeometry);
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        long start = System.nanoTime();
        PredictionReport report;
        // The first case is read while the backend's libraries are loaded.
        try (PredictionRun run = job.start(models);
                Backend backend = selection.open(Need.prediction(models.networks()));
                Segmenter segmenter = Segmenter.open(backend, models, inference.memory());
                Interruption interruption = new Interruption()) {
            PredictionProgress progress = new PredictionProgress(
                    json ? null : out,
                    err,
                    quiet ? Progress.Kind.NONE : Progress.Kind.detect(),
                    isVerbose(),
                    interruption::isRequested);
            try {
                report = run.finish(segmenter, progress);
            } catch (CancellationException e) {
                progress.close();
                err.println("segformer3d: stopped; what was written is complete, --continue goes on from there");
                err.flush();
                return ExitCode.SOFTWARE;
            }
        }
        if (segmentations.isPresent()) {
            report = segmentations.get().write(converted, report, written, json ? line -> {} : out::println);
        }
        Duration time = Duration.ofNanos(System.nanoTime() - start);
        if (json) {
            Map<String, Object> map = map(report, time);
            segmentations.ifPresent(all -> map.put(
                    "dicom_seg", all.written().stream().map(Path::toString).toList()));
            out.print(Json.pretty(map));
        } else {
            int all = report.written().size()
                    + report.skipped().size()
                    + report.failures().size();
            out.println(report.written().size() + " of " + all + " cases segmented in "
                    + Quantity.duration(time)
                    + (report.skipped().isEmpty() ? "" : ", " + report.skipped().size() + " done before")
                    + (ProcessMemory.peakBytes().isPresent()
                            ? ", peak memory "
                                    + Quantity.bytes(ProcessMemory.peakBytes().getAsLong())
                            : "")
                    + "; labels are in " + output);
            out.flush();
            if (!report.isComplete()) {
                err.println("segformer3d: " + report.summary());
                err.flush();
            }
        }
        return report.isComplete() ? 0 : 1;
    }

    /** Returns the ending of written images, empty for that of each scan. */
    private Optional<String> ending(ModelBundle bundle) {
        if (fileEnding.isEmpty()) {
            return Optional.of(bundle.resultEnding());
        }
        String asked = fileEnding.get().toLowerCase(Locale.ROOT);
        if (asked.equals("input")) {
            return Optional.empty();
        }
        if (!VolumeFiles.resultEndings().contains(asked)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "Invalid value for option '--file-ending': found '" + fileEnding.get()
                            + "', expected input or one of " + String.join(", ", VolumeFiles.resultEndings()));
        }
        return Optional.of(asked);
    }

    private boolean isVerbose() {
        return Boolean.TRUE.equals(spec.root().findOption("--verbose").getValue());
    }

    private static Map<String, Object> map(PredictionReport report, Duration time) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("written", report.written().stream().map(Path::toString).toList());
        map.put("skipped", report.skipped().stream().map(Path::toString).toList());
        Map<String, String> failures = new LinkedHashMap<>();
        for (CaseFailure failure : report.failures()) {
            failures.put(failure.id(), failure.reason());
        }
        map.put("failures", failures);
        map.put("seconds", time.toMillis() / 1000.0);
        ProcessMemory.peakBytes().ifPresent(bytes -> map.put("peak_memory_bytes", bytes));
        return map;
    }

    /** Reads how precisely logits and probabilities are saved. */
    static final class SavedPrecision implements ITypeConverter<DType> {
        @Override
        public DType convert(String text) {
            return switch (text) {
                case "float32" -> DType.FLOAT32;
                case "float16" -> DType.FLOAT16;
                default -> throw new TypeConversionException("found '" + text + "', expected float32 or float16");
            };
        }
    }
}
