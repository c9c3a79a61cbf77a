package org.segformer3d.data.dataset;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import org.segformer3d.data.format.VolumeFiles;

/**
 * A data set on disk: who its cases are and what its channels and labels are called.
 *
 * @param name what the data set calls itself
 * @param root its folder
 * @param channels names of the channels in order, at least one
 * @param labels what is segmented, the background first; plain classes in order of value, regions in the file's order; empty when the
 *     data set doesn't say
 * @param cases labelled cases in order of id
 * @param unlabelled cases without a segmentation in order of id
 * @param groups whose each case is, by id, where several cases are of one patient; a case that isn't here is a group of its own
 * @param fileEnding what the data set says that its files' names end in, with the dot; empty when it doesn't say
 */
public record SegmentationDataset(
        String name,
        Path root,
        List<String> channels,
        List<LabelClass> labels,
        List<Case> cases,
        List<Case> unlabelled,
        Map<String, String> groups,
        Optional<String> fileEnding) {
    /** Checks that the ids are unique. */
    public SegmentationDataset {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(root, "root");
        channels = List.copyOf(channels);
        labels = List.copyOf(labels);
        cases = List.copyOf(cases);
        unlabelled = List.copyOf(unlabelled);
        groups = Map.copyOf(groups);
        TreeSet<String> ids = new TreeSet<>();
        for (Case one : cases) {
            if (!ids.add(one.id())) {
                throw new IllegalArgumentException("two cases have the id '" + one.id() + "'");
            }
        }
    }

    /** Describes a data set whose cases are all of different patients. */
    public SegmentationDataset(
            String name,
            Path root,
            List<String> channels,
            List<LabelClass> labels,
            List<Case> cases,
            List<Case> unlabelled) {
        this(name, root, channels, labels, cases, unlabelled, Map.of());
    }

    /** Describes a data set that doesn't say what its files' names end in. */
    public SegmentationDataset(
            String name,
            Path root,
            List<String> channels,
            List<LabelClass> labels,
            List<Case> cases,
            List<Case> unlabelled,
            Map<String, String> groups) {
        this(name, root, channels, labels, cases, unlabelled, groups, Optional.empty());
    }

    /** Returns the ending that segmentations of its cases are written under: its own, where results can be written so. */
    public String resultEnding() {
        return VolumeFiles.resultEnding(fileEnding.orElse(VolumeFiles.USUAL_ENDING));
    }

    /** Returns this data set with the files of each case taken voxel by voxel wherever they say that they lie. */
    public SegmentationDataset ignoringGeometry() {
        return new SegmentationDataset(
                name,
                root,
                channels,
                labels,
                cases.stream().map(Case::ignoringGeometry).toList(),
                unlabelled.stream().map(Case::ignoringGeometry).toList(),
                groups,
                fileEnding);
    }

    /** Returns whose a case is: its patient where the data set tells, else the case's own id. */
    public String groupOf(String id) {
        return groups.getOrDefault(id, id);
    }

    /** Returns the ids of the labelled cases. */
    public List<String> ids() {
        return cases.stream().map(Case::id).toList();
    }

    /** Returns whether a label is a region of several values, so that classes overlap. */
    public boolean hasRegions() {
        return labels.stream().anyMatch(LabelClass::isRegion);
    }

    /**
     * Returns the labelled cases with the given ids, in that order.
     *
     * @throws IllegalArgumentException when there is no such case; all missing ids are named
     */
    public List<Case> select(Collection<String> ids) {
        Map<String, Case> byId = new HashMap<>();
        cases.forEach(one -> byId.put(one.id(), one));
        List<Case> selected = new ArrayList<>();
        List<String> missing = new ArrayList<>();
        for (String id : ids) {
            if (byId.containsKey(id)) {
                selected.add(byId.get(id));
            } else {
                missing.add(id);
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException("the data set " + root + " has no labelled case "
                    + String.join(", ", missing) + "; it has " + cases.size() + " cases, the first being "
                    + (cases.isEmpty() ? "none" : cases.get(0).id()));
        }
        return selected;
    }
}
