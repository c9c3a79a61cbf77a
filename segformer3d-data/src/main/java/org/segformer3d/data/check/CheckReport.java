package org.segformer3d.data.check;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.volume.Geometry;

/**
 * What was found in a data set.
 *
 * @param dataset the data set
 * @param cases what was found in each case, incomplete ones first
 * @param parts what each labelled case is for, by id; empty where nobody said
 */
public record CheckReport(SegmentationDataset dataset, List<CaseCheck> cases, Map<String, String> parts) {
    /** Copies. */
    public CheckReport {
        Objects.requireNonNull(dataset, "dataset");
        cases = List.copyOf(cases);
        parts = Map.copyOf(parts);
    }

    /** Returns what keeps the data set from being trained on, or makes that wrong: a sentence each, which begins with the case. */
    public List<String> problems() {
        List<String> problems = new ArrayList<>();
        cases.forEach(one -> one.problems().forEach(problem -> problems.add(one.id() + ": " + problem)));
        for (List<String> twins : twins(CaseCheck::imageHash)) {
            String apart =
                    parts.isEmpty() || twins.stream().map(parts::get).distinct().count() == 1
                            ? ""
                            : ", of which "
                                    + String.join(
                                            " and ",
                                            twins.stream()
                                                    .map(id -> id + " is for " + parts.getOrDefault(id, "prediction"))
                                                    .toList());
            problems.add(String.join(", ", twins) + ": the scans are the same, voxel by voxel" + apart);
        }
        return problems;
    }

    /** Returns what may be as it should, a sentence each, which begins with the case. */
    public List<String> remarks() {
        List<String> remarks = new ArrayList<>();
        cases.forEach(one -> one.remarks().forEach(remark -> remarks.add(one.id() + ": " + remark)));
        for (List<String> twins : twins(CaseCheck::labelHash)) {
            remarks.add(String.join(", ", twins) + ": the label maps are the same, voxel by voxel");
        }
        for (LabelClass label : dataset.labels()) {
            boolean occurs =
                    cases.stream().anyMatch(one -> label.values().stream().anyMatch(one.labels()::containsKey));
            if (!occurs && !label.isIgnore()) {
                remarks.add("no case has a voxel of '" + label.name() + "', value "
                        + String.join(
                                ", ",
                                label.values().stream().map(String::valueOf).toList()));
            }
        }
        return remarks;
    }

    private List<List<String>> twins(Function<CaseCheck, Optional<String>> hash) {
        Map<String, List<String>> byHash = new TreeMap<>();
        for (CaseCheck one : cases) {
            hash.apply(one)
                    .ifPresent(sum -> byHash.computeIfAbsent(sum, any -> new ArrayList<>())
                            .add(one.id()));
        }
        return byHash.values().stream().filter(ids -> ids.size() > 1).toList();
    }

    /** Returns all of it for a JSON file. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("data", dataset.root().toString());
        map.put("name", dataset.name());
        map.put("channels", dataset.channels());
        List<Map<String, Object>> all = new ArrayList<>();
        for (CaseCheck one : cases) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("case", one.id());
            Optional.ofNullable(parts.get(one.id())).ifPresent(part -> entry.put("part", part));
            if (one.geometry().isPresent()) {
                Geometry place = one.geometry().get();
                entry.put(
                        "size",
                        List.of(
                                place.size().depth(),
                                place.size().height(),
                                place.size().width()));
                entry.put(
                        "spacing",
                        java.util.Arrays.stream(place.spacing()).boxed().toList());
                entry.put("axes", place.orientationCodes());
            }
            Map<String, Object> labels = new LinkedHashMap<>();
            one.labels().forEach((value, count) -> labels.put(String.valueOf(value), count));
            entry.put("label_voxels", labels);
            entry.put("problems", one.problems());
            entry.put("remarks", one.remarks());
            all.add(entry);
        }
        map.put("cases", all);
        map.put(
                "label_values",
                new TreeSet<>(cases.stream()
                        .flatMap(one -> one.labels().keySet().stream())
                        .toList()));
        map.put("problems", problems());
        map.put("remarks", remarks());
        return map;
    }
}
