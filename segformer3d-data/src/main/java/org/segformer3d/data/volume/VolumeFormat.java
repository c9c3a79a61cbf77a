package org.segformer3d.data.volume;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A kind of image file: how it is told from others, read and written.
 *
 * <p>Implementations have no state. Values and places are those of {@link Volume} and {@link Geometry}, whatever the file's own
 * conventions are; what an implementation can't read is a {@link VolumeFormatException} that names it.
 */
public interface VolumeFormat {
    /** Returns what people call it, for example {@code NRRD}. */
    String name();

    /** Returns the endings of names in lower case with their dot, the usual one first. A file of several is listed by the one with its header. */
    List<String> endings();

    /**
     * Returns the endings under which a result can be written so that it lies where its scan does, a part of {@link #endings}: none of a
     * format that doesn't say where an image lies.
     */
    default List<String> resultEndings() {
        return endings();
    }

    /**
     * Returns the endings of the halves that hold voxels only and lead to their header by name, so that either may be given; none for
     * most formats.
     */
    default List<String> voxelEndings() {
        return List.of();
    }

    /**
     * Returns whether a file is of this kind, judged by how it starts.
     *
     * @param start the first bytes, decompressed where the whole file is gzipped; at most a few thousand, fewer for a short file
     */
    boolean recognises(byte[] start);

    /**
     * Returns whether a file says that its voxels are in another one, which isn't looked for.
     *
     * @throws VolumeFormatException when the header isn't readable
     * @throws IOException when reading fails
     */
    default boolean namesOtherFiles(Path file) throws IOException {
        return false;
    }

    /**
     * Reads what the file says about its image.
     *
     * @throws VolumeFormatException when the file is missing or its header isn't readable
     * @throws IOException when reading fails
     */
    VolumeHeader readHeader(Path file) throws IOException;

    /**
     * Reads an image.
     *
     * @return values as float32
     * @throws VolumeFormatException when the file is missing or isn't a readable image
     * @throws IOException when reading fails
     */
    Volume read(Path file) throws IOException;

    /** Returns the types that labels are written as, the preferred ones first. */
    List<VoxelType> labelTypes();

    /**
     * Writes an image, atomically.
     *
     * @param file a name with one of the format's endings, which decides on compression; replaced when it exists
     * @param geometry where it lies
     * @param channels how many, ≥ 1
     * @param type float32 or one of {@link #labelTypes}, which holds all values exactly
     * @param source asked for each channel once, in order
     * @throws IllegalArgumentException when the name ends otherwise or a channel has another number of values
     * @throws IOException when the source or writing fails, or the format can't hold such an image; nothing is changed then
     */
    void write(Path file, Geometry geometry, int channels, VoxelType type, ChannelSource source) throws IOException;
}
