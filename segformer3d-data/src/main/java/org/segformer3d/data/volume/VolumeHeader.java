package org.segformer3d.data.volume;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * What a file says about its image before a voxel is read.
 *
 * @param format the file format's name, for example {@code NRRD}
 * @param geometry size and place; the place is one-millimetre voxels from the origin where {@code isPlaced} is false
 * @param isPlaced whether files of the format say where their image lies; arrays don't
 * @param channels number of channels, ≥ 1
 * @param passedBytes how many bytes come before the voxels, decompressed
 * @param files the files the image is made of, the one with the header first
 * @param text one line for people: format, sizes, type
 */
public record VolumeHeader(
        String format,
        Geometry geometry,
        boolean isPlaced,
        long channels,
        long passedBytes,
        List<Path> files,
        String text) {
    /** Checks and copies. */
    public VolumeHeader {
        Objects.requireNonNull(format, "format");
        Objects.requireNonNull(geometry, "geometry");
        Objects.requireNonNull(text, "text");
        files = List.copyOf(files);
    }

    /** Returns the geometry, empty where the format doesn't say where an image lies. */
    public Optional<Geometry> place() {
        return isPlaced ? Optional.of(geometry) : Optional.empty();
    }

    @Override
    public String toString() {
        return text;
    }
}
