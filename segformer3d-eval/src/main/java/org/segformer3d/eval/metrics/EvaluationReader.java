package org.segformer3d.eval.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.eval.result.CaseFailure;
import org.segformer3d.eval.result.Json;

/** Reads an {@code evaluation.json} back. */
final class EvaluationReader {
    private EvaluationReader() {}

    static EvaluationSummary read(Path file) throws IOException {
        Map<String, Object> map;
        try {
            map = Json.parse(Files.readString(file));
        } catch (JsonProcessingException | CharacterCodingException e) {
            throw new CorruptFileException(file, "found no JSON, expected an evaluation.json", e);
        }
        if (map == null || !EvaluationSummary.FORMAT.equals(map.get("format"))) {
            throw new UnsupportedFileException(
                    file,
                    "found format " + (map == null ? null : map.get("format")) + ", expected "
                            + EvaluationSummary.FORMAT + ", which 'evaluate --output' writes");
        }
        if (map.get("version") instanceof Number version && version.intValue() > EvaluationSummary.VERSION) {
            throw new TooNewFileException(file, "evaluation", version.intValue(), EvaluationSummary.VERSION);
        }
        try {
            return summary(map);
        } catch (ClassCastException | IllegalArgumentException | NullPointerException | IndexOutOfBoundsException e) {
            throw new CorruptFileException(file, "found an incomplete evaluation; run evaluate again", e);
        }
    }

    private static EvaluationSummary summary(Map<String, Object> map) {
        List<LabelClass> classes = new ArrayList<>();
        for (Map<?, ?> one : maps(map.get("classes"))) {
            classes.add(new LabelClass((String) one.get("name"), integers(one.get("values"))));
        }
        List<CaseScores> cases = new ArrayList<>();
        for (Map<?, ?> one : maps(map.get("cases"))) {
            List<OverlapCounts> counts = new ArrayList<>();
            List<SurfaceScores> surfaces = new ArrayList<>();
            // Earlier files don't say how large a voxel is, but what volume so many of them have.
            double voxel = one.get("voxel_ml") instanceof Number number ? number.doubleValue() : Double.NaN;
            List<Map<?, ?>> ofClasses = maps(one.get("classes"));
            for (int c = 0; c < classes.size(); c++) {
                Map<?, ?> found = ofClasses.get(c);
                OverlapCounts count = new OverlapCounts(
                        whole(found, "true_positives"),
                        whole(found, "false_positives"),
                        whole(found, "false_negatives"),
                        whole(found, "true_negatives"));
                counts.add(count);
                Map<SurfaceMeasure, Double> values = new EnumMap<>(SurfaceMeasure.class);
                for (SurfaceMeasure measure : SurfaceMeasure.values()) {
                    if (found.get(measure.key()) instanceof Number number) {
                        values.put(measure, number.doubleValue());
                    }
                }
                surfaces.add(new SurfaceScores(values));
                if (Double.isNaN(voxel) && count.truth() > 0) {
                    voxel = ((Number) found.get("truth_ml")).doubleValue() / count.truth();
                }
            }
            cases.add(new CaseScores(
                    (String) one.get("case"), counts, surfaces, voxel, Boolean.TRUE.equals(one.get("resampled"))));
        }
        // Earlier files leave nothing out.
        Object leftOut = map.getOrDefault("left_out", List.of());
        return new EvaluationSummary(
                classes, cases, failures(map.get("failures")), integers(map.get("unscored_values")), failures(leftOut));
    }

    private static List<CaseFailure> failures(Object list) {
        List<CaseFailure> failures = new ArrayList<>();
        for (Map<?, ?> one : maps(list)) {
            failures.add(new CaseFailure((String) one.get("case"), (String) one.get("reason")));
        }
        return failures;
    }

    private static List<Map<?, ?>> maps(Object list) {
        List<Map<?, ?>> maps = new ArrayList<>();
        ((List<?>) list).forEach(one -> maps.add((Map<?, ?>) one));
        return maps;
    }

    private static List<Integer> integers(Object list) {
        return ((List<?>) list).stream().map(one -> ((Number) one).intValue()).toList();
    }

    private static long whole(Map<?, ?> map, String key) {
        return ((Number) map.get(key)).longValue();
    }
}
