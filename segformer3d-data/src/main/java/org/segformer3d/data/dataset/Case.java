package org.segformer3d.data.dataset;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One examination: its images and, where it is known, its segmentation.
 *
 * @param id name that is unique within the data set, never empty
 * @param images one file per channel in channel order, or a single file that holds all channels; at least one
 * @param label file with the segmentation, empty for cases to predict
 * @param ignoresGeometry whether its files are taken voxel by voxel wherever they say that they lie, so long as their sizes agree
 */
public record Case(String id, List<Path> images, Optional<Path> label, boolean ignoresGeometry) {
    /** Checks that there is an id and an image. */
    public Case {
        Objects.requireNonNull(label, "label");
        images = List.copyOf(images);
        if (id.isEmpty() || images.isEmpty()) {
            throw new IllegalArgumentException("a case needs an id and an image, found id '" + id + "' and " + images);
        }
    }

    /** Makes a case whose files must lie in one place. */
    public Case(String id, List<Path> images, Optional<Path> label) {
        this(id, images, label, false);
    }

    /** Returns this case with its files taken voxel by voxel wherever they say that they lie. */
    public Case ignoringGeometry() {
        return new Case(id, images, label, true);
    }
}
