package org.segformer3d.data.check;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.segformer3d.data.volume.Geometry;

/**
 * What was found in one case.
 *
 * @param id its name
 * @param geometry where its image lies, empty when it couldn't be read
 * @param labels how many voxels have each value of its label map, empty without one
 * @param imageHash of the image's values, empty when it couldn't be read
 * @param labelHash of the label map's values, empty without one and for an empty one
 * @param problems what keeps it from being trained on, or makes that wrong
 * @param remarks what may be as it should
 */
public record CaseCheck(
        String id,
        Optional<Geometry> geometry,
        SortedMap<Integer, Long> labels,
        Optional<String> imageHash,
        Optional<String> labelHash,
        List<String> problems,
        List<String> remarks) {
    /** Copies. */
    public CaseCheck {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(geometry, "geometry");
        Objects.requireNonNull(imageHash, "imageHash");
        Objects.requireNonNull(labelHash, "labelHash");
        labels = new TreeMap<>(labels);
        problems = List.copyOf(problems);
        remarks = List.copyOf(remarks);
    }

    /** Returns what was found of a case that lacks a file. */
    static CaseCheck incomplete(String id, List<String> reasons) {
        return new CaseCheck(
                id, Optional.empty(), new TreeMap<>(), Optional.empty(), Optional.empty(), reasons, List.of());
    }
}
