package org.segformer3d.eval.inference;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.eval.result.Json;

/**
 * Where results are written:
 *
 * <pre>
 * CASE.nii.gz                labels, in the smallest type that holds them
 * CASE.json                  where they came from, how long it took
 * logits/CASE.nii.gz         float32, a channel per region, where asked for; rounded to half precision where asked for
 * probabilities/CASE.nii.gz  the same as probabilities, where asked for
 * uncertainty/CASE.nii.gz    float32, 0 certain to 1 guessed, where asked for
 * </pre>
 *
 * @param folder made when it is missing, never {@code null}
 * @param logits whether logits are written
 * @param probabilities whether probabilities are written
 * @param uncertainty whether the uncertainty is written, see {@link SegmentationResult#writeUncertainty}
 * @param precision of logits and probabilities: float32, or float16 for values rounded to half precision, see
 *     {@link SegmentationResult#writeLogits(Path, DType)}
 * @param ending what the images' names end in instead of {@code .nii.gz}, one of {@link VolumeFiles#resultEndings}; empty for that of
 *     each case's first image, where results can be written so
 */
public record PredictionOutput(
        Path folder,
        boolean logits,
        boolean probabilities,
        boolean uncertainty,
        DType precision,
        Optional<String> ending) {
    /** Name of the format of the description beside each label file. */
    public static final String FORMAT = "segformer3d-prediction";

    private static final int VERSION = 1;

    /** Validates. */
    public PredictionOutput {
        Objects.requireNonNull(folder, "folder");
        if (precision != DType.FLOAT32 && precision != DType.FLOAT16) {
            throw new IllegalArgumentException("precision: found " + precision + ", expected float32 or float16");
        }
        ending.ifPresent(one -> {
            if (!VolumeFiles.resultEndings().contains(one)) {
                throw new IllegalArgumentException("ending: found '" + one + "', expected one of "
                        + String.join(", ", VolumeFiles.resultEndings()));
            }
        });
    }

    /** Creates an output of {@code .nii.gz} files. */
    public PredictionOutput(Path folder, boolean logits, boolean probabilities, boolean uncertainty, DType precision) {
        this(folder, logits, probabilities, uncertainty, precision, Optional.of(VolumeFiles.USUAL_ENDING));
    }

    /** Returns this output with the ending that a case's results have. */
    public PredictionOutput of(Case input) {
        return ending.isPresent()
                ? this
                : new PredictionOutput(
                        folder,
                        logits,
                        probabilities,
                        uncertainty,
                        precision,
                        Optional.of(VolumeFiles.resultEnding(
                                VolumeFiles.endingOf(input.images().get(0)))));
    }

    private String fileName(String caseId) {
        return caseId + ending.orElse(VolumeFiles.USUAL_ENDING);
    }

    /** Creates an output in float32. */
    public PredictionOutput(Path folder, boolean logits, boolean probabilities, boolean uncertainty) {
        this(folder, logits, probabilities, uncertainty, DType.FLOAT32);
    }

    /** Creates an output without uncertainty. */
    public PredictionOutput(Path folder, boolean logits, boolean probabilities) {
        this(folder, logits, probabilities, false);
    }

    /** Returns an output of labels only. */
    public static PredictionOutput labelsIn(Path folder) {
        return new PredictionOutput(folder, false, false);
    }

    /** Returns whether results must have kept their logits. */
    public boolean needsLogits() {
        return logits || probabilities || uncertainty;
    }

    /** Returns where the labels of a case go. */
    public Path labelFile(String caseId) {
        Path name = Path.of(fileName(caseId));
        if (!name.equals(name.getFileName())) {
            throw new IllegalArgumentException("case '" + caseId + "': expected a name that is one part of a path");
        }
        return folder.resolve(name);
    }

    /**
     * Checks that no result of a case replaces one of its inputs.
     *
     * @throws IOException naming the file when one would
     */
    public void requireApartFrom(Case input) throws IOException {
        for (Path target : new Path[] {
            labelFile(input.id()),
            extra("logits", input.id()),
            extra("probabilities", input.id()),
            extra("uncertainty", input.id())
        }) {
            for (Path image : input.images()) {
                if (Files.exists(target) && Files.exists(image) && Files.isSameFile(target, image)) {
                    throw new IOException(
                            target + ": the result would replace the input; choose another output folder");
                }
            }
        }
    }

    /**
     * Returns whether everything that is to be written of a case is there, made from the same files by the same models in the same way.
     * Backend and device may be others: they change nothing but the rounding.
     *
     * @throws IOException when an input can't be read
     */
    boolean isDone(Case input, Ensemble ensemble, DType computeType) throws IOException {
        Path json = folder.resolve(input.id() + ".json");
        boolean there = Files.isRegularFile(labelFile(input.id()))
                && Files.isRegularFile(json)
                && (!logits || Files.isRegularFile(extra("logits", input.id())))
                && (!probabilities || Files.isRegularFile(extra("probabilities", input.id())))
                && (!uncertainty || Files.isRegularFile(extra("uncertainty", input.id())));
        if (!there) {
            return false;
        }
        Map<String, Object> found = description(json);
        return found.get("provenance") instanceof Map<?, ?> provenance
                && provenance.get("model") instanceof Map<?, ?> model
                && ensemble.weightsHash().equals(model.get("weights_hash"))
                && ensemble.configurationHash().equals(model.get("configuration_hash"))
                && computeType.toString().equals(provenance.get("compute_type"))
                && (!logits && !probabilities || precision.toString().equals(found.get("saved_precision")))
                && isOf(input, found);
    }

    /** Returns the description beside a result, nothing where it is none. */
    private static Map<String, Object> description(Path json) {
        try {
            Map<String, Object> found = Json.parse(Files.readString(json));
            return found != null && FORMAT.equals(found.get("format")) ? found : Map.of();
        } catch (IOException e) {
            return Map.of(); // it isn't there, or was written by somebody else
        }
    }

    /** Returns the files that a description says a result was made from: each one's name and hash. */
    private static List<Map<?, ?>> sources(Map<String, Object> description) {
        List<Map<?, ?>> sources = new ArrayList<>();
        if (description.get("provenance") instanceof Map<?, ?> provenance
                && provenance.get("inputs") instanceof List<?> inputs) {
            for (Object one : inputs) {
                sources.add(one instanceof Map<?, ?> file ? file : Map.of());
            }
        }
        return sources;
    }

    private static boolean isOf(Case input, Map<String, Object> description) throws IOException {
        List<Map<?, ?>> sources = sources(description);
        if (sources.size() != input.images().size()) {
            return false;
        }
        for (int n = 0; n < sources.size(); n++) {
            if (!Sha256.of(input.images().get(n)).equals(sources.get(n).get("sha256"))) {
                return false;
            }
        }
        return true;
    }

    /** Returns whether a result was made from the very files, whatever they held then. */
    private static boolean isFrom(Case input, Map<String, Object> description) {
        List<String> made = sources(description).stream()
                .map(file -> String.valueOf(file.get("file")))
                .toList();
        return made.equals(input.images().stream()
                .map(file -> file.toAbsolutePath().normalize().toString())
                .toList());
    }

    /**
     * Checks that no result of a case replaces one of another scan: files may have one name in two folders, and are then of two patients
     * more often than not. A result of the same files may be replaced, also when they were moved or when their content has changed since.
     *
     * @throws IOException naming the result and what it was made from, when it is there and wasn't made from these files; or when an input
     *     can't be read
     */
    public void requireSameSource(Case input) throws IOException {
        Path labels = labelFile(input.id());
        Map<String, Object> description = description(folder.resolve(input.id() + ".json"));
        // Labels of another ending share the description.
        boolean isThere = !description.isEmpty() || Files.exists(labels, LinkOption.NOFOLLOW_LINKS);
        if (isThere && !isFrom(input, description) && !isOf(input, description)) {
            String made = sources(description).stream()
                    .map(file -> String.valueOf(file.get("file")))
                    .collect(Collectors.joining(", "));
            throw new IOException(labels + ": "
                    + (made.isEmpty()
                            ? "is there already and doesn't say what it was made from"
                            : "is the result of another scan, " + made)
                    + ", and would be replaced by that of "
                    + input.images().stream().map(Path::toString).collect(Collectors.joining(", "))
                    + "; choose another output folder, or replace it with --overwrite");
        }
    }

    private Path extra(String kind, String caseId) {
        return folder.resolve(kind).resolve(fileName(caseId));
    }

    /**
     * Writes a result, each file atomically, the labels last, so that a case whose labels are there is complete.
     *
     * @return the file with the labels
     * @throws IOException when writing fails
     * @throws IllegalStateException when logits or probabilities are to be written and the result doesn't have them
     */
    public Path write(SegmentationResult result) throws IOException {
        Path file = labelFile(result.caseId());
        Files.createDirectories(folder);
        if (logits) {
            Files.createDirectories(folder.resolve("logits"));
            result.writeLogits(extra("logits", result.caseId()), precision);
        }
        if (probabilities) {
            Files.createDirectories(folder.resolve("probabilities"));
            result.writeProbabilities(extra("probabilities", result.caseId()), precision);
        }
        if (uncertainty) {
            Files.createDirectories(folder.resolve("uncertainty"));
            result.writeUncertainty(extra("uncertainty", result.caseId()));
        }
        AtomicFiles.writeString(folder.resolve(result.caseId() + ".json"), Json.pretty(description(result, file)));
        VolumeFiles.writeLabels(file, result.labels());
        return file;
    }

    private Map<String, Object> description(SegmentationResult result, Path file) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("format", FORMAT);
        map.put("version", VERSION);
        map.put("case", result.caseId());
        map.put("labels", file.getFileName().toString());
        if (logits || probabilities) {
            map.put("saved_precision", precision.toString());
        }
        map.put("windows", result.windows());
        Map<String, Object> seconds = new LinkedHashMap<>();
        result.timings()
                .forEach((phase, time) -> seconds.put(phase.name().toLowerCase(Locale.ROOT), time.toMillis() / 1000.0));
        map.put("seconds", seconds);
        result.peakMemoryBytes().ifPresent(bytes -> map.put("peak_memory_bytes", bytes));
        map.put("provenance", result.provenance());
        return map;
    }
}
