package org.segformer3d.eval.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.CaseFiles;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.Remarks;
import org.segformer3d.data.labels.LabelCensus;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.eval.inference.PredictionOutput;
import org.segformer3d.eval.result.CaseFailure;
import org.segformer3d.eval.result.Json;
import org.segformer3d.eval.result.Provenance;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares a folder of predicted label volumes with a folder of true ones.
 *
 * <p>Files belong together when their names without image extension are equal. A case that can't be compared, because its partner is
 * missing or lies elsewhere in space, is a failure of that case; the others are scored all the same.
 *
 * @param predictions folder of predicted label volumes
 * @param labels folder of true label volumes
 * @param classes what to score; a class named {@code ignore} isn't scored, the voxels that the truth marks with it count nowhere; without
 *     a class to score, every value other than 0 that occurs is
 * @param cases ids of the cases to compare; empty for all
 * @param grids what to do with a prediction on another grid than its truth
 * @param allowMissing whether a file without its partner in the other folder is left out, named, instead of being a failure
 */
public record Evaluation(
        Path predictions,
        Path labels,
        List<LabelClass> classes,
        Optional<List<String>> cases,
        Grids grids,
        boolean allowMissing) {
    private static final Logger LOG = LoggerFactory.getLogger(Evaluation.class);

    /** What to do with a prediction that lies on another grid than its truth, as {@link GridMatch} judges it. */
    public enum Grids {
        /** It is a failure of its case. */
        REQUIRED,
        /** It is brought to the truth's grid, each voxel getting the nearest label. */
        RESAMPLED,
        /** It is taken voxel by voxel where the sizes agree, with a warning. */
        IGNORED
    }

    /** Validates. */
    public Evaluation {
        Objects.requireNonNull(grids, "grids");
        Objects.requireNonNull(predictions, "predictions");
        Objects.requireNonNull(labels, "labels");
        classes = List.copyOf(classes);
        cases = cases.map(List::copyOf);
        if (classes.stream().map(LabelClass::name).distinct().count() != classes.size()) {
            throw ConfigException.of(
                    "classes", classes.stream().map(LabelClass::name).toList(), "distinct names");
        }
    }

    /** Creates an evaluation of all files, scoring every value other than 0 that occurs. */
    public Evaluation(Path predictions, Path labels) {
        this(predictions, labels, List.of(), Optional.empty(), Grids.REQUIRED, false);
    }

    /** Returns this evaluation with classes to score, the background left out. */
    public Evaluation scoring(Collection<LabelClass> newClasses) {
        List<LabelClass> foreground = newClasses.stream()
                .filter(one -> !one.values().equals(List.of(0)))
                .toList();
        return new Evaluation(predictions, labels, foreground, cases, grids, allowMissing);
    }

    /** Returns this evaluation with the classes of a model, the background left out. */
    public Evaluation scoring(LabelSpec spec) {
        List<LabelClass> regions = new ArrayList<>();
        for (int n = spec.mode() == LabelSpec.Mode.SOFTMAX ? 1 : 0; n < spec.channels(); n++) {
            regions.add(new LabelClass(
                    spec.regions().get(n).name(), spec.regions().get(n).values()));
        }
        return scoring(regions).ignoring(spec.ignored());
    }

    /** Returns this evaluation with true values whose voxels count nowhere, beside those it leaves out already. */
    public Evaluation ignoring(Collection<Integer> values) {
        Set<Integer> all = new TreeSet<>(values);
        all.addAll(ignored());
        if (all.isEmpty()) {
            return this;
        }
        List<LabelClass> others = new ArrayList<>(scored());
        for (LabelClass one : others) {
            if (one.values().stream().anyMatch(all::contains)) {
                throw ConfigException.of(
                        "values to ignore", all, "none of the class '" + one.name() + "', which is scored");
            }
        }
        others.add(new LabelClass("ignore", List.copyOf(all)));
        return new Evaluation(predictions, labels, others, cases, grids, allowMissing);
    }

    /** Returns the classes that are scored; none where every value that occurs is. */
    private List<LabelClass> scored() {
        return classes.stream().filter(one -> !one.isIgnore()).toList();
    }

    private Set<Integer> ignored() {
        return classes.stream()
                .filter(LabelClass::isIgnore)
                .flatMap(one -> one.values().stream())
                .collect(Collectors.toSet());
    }

    /** Returns this evaluation for certain cases only; files of other cases are left alone. */
    public Evaluation forCases(Collection<String> ids) {
        return new Evaluation(predictions, labels, classes, Optional.of(List.copyOf(ids)), grids, allowMissing);
    }

    /** Returns this evaluation with another way to treat predictions on other grids. */
    public Evaluation with(Grids newGrids) {
        return new Evaluation(predictions, labels, classes, cases, newGrids, allowMissing);
    }

    /** Returns this evaluation with files that have no partner left out. */
    public Evaluation allowingMissing() {
        return new Evaluation(predictions, labels, classes, cases, grids, true);
    }

    /**
     * Compares.
     *
     * @return scores and failures
     * @throws DatasetException when a folder is missing or empty, or the folders have no case in common
     * @throws IOException when a folder can't be read
     */
    public EvaluationSummary run() throws IOException {
        Map<String, Path> predicted = predictionFiles();
        Map<String, Path> truth = labelFiles();
        Set<String> ids = new TreeSet<>();
        cases.ifPresentOrElse(ids::addAll, () -> {
            ids.addAll(predicted.keySet());
            ids.addAll(truth.keySet());
        });
        if (ids.stream().noneMatch(id -> predicted.containsKey(id) && truth.containsKey(id))) {
            throw new DatasetException(
                    predictions,
                    "found no case that is also in " + labels + "; the files of a case must have the same name, found "
                            + some(predicted.keySet()) + " here and " + some(truth.keySet()) + " there");
        }
        Map<String, LabelPairs> pairs = new LinkedHashMap<>();
        Map<String, Double> voxels = new LinkedHashMap<>();
        Map<String, Map<List<Integer>, SurfaceScores>> surfaces = new LinkedHashMap<>();
        Set<String> resampled = new HashSet<>();
        List<CaseFailure> failures = new ArrayList<>();
        List<CaseFailure> leftOut = new ArrayList<>();
        for (String id : ids) {
            try {
                if (allowMissing && !(predicted.containsKey(id) && truth.containsKey(id))) {
                    leftOut.add(new CaseFailure(id, predicted.containsKey(id) ? "has no label" : "has no prediction"));
                    continue;
                }
                Path p = partner(predicted, id, predictions, "prediction");
                Path t = partner(truth, id, labels, "label");
                Volume truthVolume = readLabels(t);
                Volume found = readLabels(p);
                checkLabels(t, truthVolume);
                checkLabels(p, found);
                Volume predictedVolume = onGrid(p, found, t, truthVolume);
                if (grids == Grids.RESAMPLED && !new GridMatch(found.geometry(), truthVolume.geometry()).matches()) {
                    resampled.add(id);
                }
                LabelPairs counted = LabelPairs.count(predictedVolume.values(), truthVolume.values());
                surfaces.put(id, surfaces(counted, predictedVolume, truthVolume));
                pairs.put(id, counted);
                voxels.put(id, Math.abs(truthVolume.geometry().affine().determinant()) / 1000);
            } catch (IOException | RuntimeException e) {
                failures.add(CaseFailure.of(id, e));
            }
        }
        return summary(pairs, surfaces, voxels, resampled, failures).leavingOut(leftOut);
    }

    /** Refuses a scan where a label map belongs if each of its values would be scored; names it where only some are. */
    private void checkLabels(Path file, Volume volume) throws DatasetException {
        Optional<String> doubt = LabelCensus.of(volume).looksLikeImage();
        if (doubt.isPresent() && scored().isEmpty()) {
            throw new DatasetException(
                    file,
                    doubt.get() + "; if it is a label map, name the classes to score (--class, --data or --model)");
        }
        doubt.ifPresent(remark -> LOG.warn("{}: {}", file, remark));
    }

    /** Returns a prediction on the truth's grid. */
    private Volume onGrid(Path file, Volume prediction, Path truthFile, Volume truth) throws DatasetException {
        GridMatch match = new GridMatch(prediction.geometry(), truth.geometry());
        if (grids == Grids.RESAMPLED) {
            return GridMatch.onGrid(file.toString(), prediction, truthFile.toString(), truth.geometry());
        }
        try {
            match.take(file.toString(), truthFile.toString(), grids == Grids.IGNORED)
                    .ifPresent(remark -> Remarks.once(LOG, remark));
        } catch (IllegalArgumentException e) {
            throw new DatasetException(
                    file,
                    e.getMessage()
                            + "; to compare them all the same, let the prediction be resampled (--resample)"
                            + (match.isOfOneSize()
                                    ? " or, where the header is wrong and the voxels are right, its geometry be ignored (--ignore-geometry)"
                                    : ""),
                    e);
        }
        return prediction.withGeometry(truth.geometry());
    }

    /** Measures every class of a case, by its values; the volumes needn't be kept for it then. */
    private Map<List<Integer>, SurfaceScores> surfaces(LabelPairs counted, Volume predicted, Volume truth) {
        Set<Integer> ignored = ignored();
        Set<List<Integer>> scored = new LinkedHashSet<>();
        scored().forEach(one -> scored.add(one.values()));
        if (scored.isEmpty()) {
            counted.predictedValues().forEach(value -> scored.add(List.of(value)));
            counted.truthValues().forEach(value -> scored.add(List.of(value)));
            scored.remove(List.of(0));
            ignored.forEach(value -> scored.remove(List.of(value)));
        }
        Map<List<Integer>, SurfaceScores> surfaces = new LinkedHashMap<>();
        scored.forEach(values -> surfaces.put(values, SurfaceScores.of(predicted, truth, values, ignored)));
        return surfaces;
    }

    private EvaluationSummary summary(
            Map<String, LabelPairs> pairs,
            Map<String, Map<List<Integer>, SurfaceScores>> surfaces,
            Map<String, Double> voxels,
            Set<String> resampled,
            List<CaseFailure> failures) {
        List<LabelClass> scored = new ArrayList<>(scored());
        Set<Integer> ignored = ignored();
        Set<Integer> known = new HashSet<>(Set.of(0));
        Set<Integer> occurring = new TreeSet<>();
        pairs.values().forEach(pair -> {
            occurring.addAll(pair.predictedValues());
            occurring.addAll(pair.truthValues());
        });
        classes.forEach(one -> known.addAll(one.values()));
        if (scored.isEmpty()) {
            for (int value : occurring) {
                if (value != 0 && !ignored.contains(value)) {
                    scored.add(LabelClass.of(value, String.valueOf(value)));
                }
            }
            known.addAll(occurring);
        }
        List<CaseScores> scores = new ArrayList<>();
        pairs.forEach((id, pair) -> scores.add(new CaseScores(
                id,
                scored.stream().map(one -> pair.overlap(one.values(), ignored)).toList(),
                scored.stream()
                        .map(one -> surfaces.get(id).getOrDefault(one.values(), SurfaceScores.undefined()))
                        .toList(),
                voxels.get(id),
                resampled.contains(id))));
        List<Integer> unscored =
                occurring.stream().filter(value -> !known.contains(value)).toList();
        return new EvaluationSummary(scored, scores, failures, unscored);
    }

    /**
     * Returns where a result of this evaluation comes from: this software, both folders, and the models, backends and devices that the
     * descriptions beside the predictions name, each different one once.
     */
    public Map<String, Object> provenance() throws IOException {
        Map<String, Object> map = Provenance.ofSoftware();
        map.put("predictions", predictions.toString());
        map.put("labels", labels.toString());
        map.put("grids", grids.name().toLowerCase(Locale.ROOT));
        Set<Map<String, Object>> makers = new LinkedHashSet<>();
        try (Stream<Path> files = Files.list(predictions)) {
            for (Path file : (Iterable<Path>) files.sorted()::iterator) {
                if (file.getFileName().toString().endsWith(".json")) {
                    maker(file).ifPresent(makers::add);
                }
            }
        }
        map.put("predicted_by", List.copyOf(makers));
        return map;
    }

    private static Optional<Map<String, Object>> maker(Path file) throws IOException {
        Map<String, Object> description;
        try {
            description = Json.parse(Files.readString(file));
        } catch (JsonProcessingException | CharacterCodingException e) {
            // Somebody else's file beside the predictions is none of our business.
            return Optional.empty();
        }
        if (description == null
                || !PredictionOutput.FORMAT.equals(description.get("format"))
                || !(description.get("provenance") instanceof Map<?, ?> provenance)
                || !(provenance.get("model") instanceof Map<?, ?> model)) {
            return Optional.empty();
        }
        Map<String, Object> maker = new LinkedHashMap<>();
        maker.put("model", model.get("name"));
        maker.put("weights_hash", model.get("weights_hash"));
        maker.put("configuration_hash", model.get("configuration_hash"));
        if (model.get("members") instanceof List<?> members) {
            maker.put(
                    "members_weights_hashes",
                    members.stream()
                            .map(member -> member instanceof Map<?, ?> one ? one.get("weights_hash") : null)
                            .filter(Objects::nonNull)
                            .toList());
        }
        maker.put("version", provenance.get("version"));
        maker.put("backend", provenance.get("backend"));
        maker.put("device", provenance.get("device"));
        return Optional.of(maker);
    }

    /**
     * Returns the predicted label volumes by case.
     *
     * @throws DatasetException when there are none, or two of a case
     */
    public Map<String, Path> predictionFiles() throws IOException {
        return files(predictions, "predicted label volumes");
    }

    /**
     * Returns the true label volumes by case.
     *
     * @throws DatasetException when there are none, or two of a case
     */
    public Map<String, Path> labelFiles() throws IOException {
        // The labels of ACDC and Synapse aren't named as their images, so the data set's reader tells which is whose.
        DatasetLayout layout = DatasetLayout.of(labels);
        if (layout == DatasetLayout.FOLDERS) {
            return files(labels, "true label volumes");
        }
        Map<String, Path> files = new TreeMap<>();
        layout.readComplete(labels)
                .cases()
                .forEach(one -> files.put(one.id(), one.label().orElseThrow()));
        return files;
    }

    private static Map<String, Path> files(Path folder, String what) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new DatasetException(folder, "no such folder, expected one with " + what);
        }
        Map<String, Path> files = CaseFiles.byName(folder);
        if (files.isEmpty()) {
            throw new DatasetException(folder, "no images in this folder, expected " + what);
        }
        return files;
    }

    private static Path partner(Map<String, Path> files, String id, Path folder, String what) throws IOException {
        Path file = files.get(id);
        if (file == null) {
            throw new DatasetException(
                    folder,
                    "no " + what + " for case '" + id + "', expected a file such as " + id + VolumeFiles.USUAL_ENDING);
        }
        Optional<String> trouble = CaseFiles.trouble(file);
        if (trouble.isPresent()) {
            throw new DatasetException(file, trouble.get());
        }
        return file;
    }

    private static Volume readLabels(Path file) throws IOException {
        try {
            return CaseReader.read(file).asLabels();
        } catch (IllegalStateException e) {
            throw new VolumeFormatException(file, e.getMessage(), e);
        }
    }

    private static String some(Set<String> ids) {
        List<String> first = ids.stream().limit(3).toList();
        return String.join(", ", first) + (ids.size() > first.size() ? ", …" : "");
    }
}
