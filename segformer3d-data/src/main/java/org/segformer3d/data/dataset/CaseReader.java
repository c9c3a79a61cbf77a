package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.Remarks;
import org.segformer3d.data.nifti.NiftiHeader;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.GridMatch;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the files of a case, of any kind that {@link VolumeFiles} knows.
 *
 * <p>Some converters, ACDC's among them, write the identity, perhaps with signs, as the sform and the true voxel size in {@code pixdim} only.
 * Where a file has such a placeholder and nothing better (no qform, no origin), its axes have {@code pixdim}'s lengths here; files written
 * for it keep its own header.
 */
public final class CaseReader {
    private static final Logger LOG = LoggerFactory.getLogger(CaseReader.class);

    /** How users have it ignored, in the words of the command line and of a configuration. */
    private static final String IGNORING = "--ignore-geometry, dataset_parameters.ignore_geometry: true";

    private CaseReader() {}

    /**
     * Reads all channels of a case as one volume.
     *
     * @param one the case, never {@code null}
     * @param channels how many channels are expected, or 0 for any number
     * @throws DatasetException when the number of channels is another, or the channels cover different places
     * @throws VolumeFormatException when a file isn't readable
     * @throws IOException when reading fails
     */
    public static Volume readImage(Case one, int channels) throws IOException {
        List<Volume> volumes = new ArrayList<>();
        int found = 0;
        for (Path file : one.images()) {
            Volume volume = read(file);
            if (one.images().size() > 1 && volume.channels() != 1) {
                throw new DatasetException(
                        file,
                        "found " + volume.channels() + " channels in one of "
                                + one.images().size() + " files of case '" + one.id() + "', expected one");
            }
            found += volume.channels();
            volumes.add(volume);
        }
        if (channels != 0 && found != channels) {
            throw new DatasetException(
                    one.images().get(0),
                    "case '" + one.id() + "': "
                            + otherChannels(
                                    found,
                                    one.images().stream().map(CaseFiles::shown).toList(),
                                    String.valueOf(channels)));
        }
        try {
            return Volume.stack(onOneGrid(one, volumes));
        } catch (IllegalArgumentException e) {
            throw new DatasetException(one.images().get(0), "case '" + one.id() + "': " + e.getMessage(), e);
        }
    }

    /**
     * Reads the segmentation of a case.
     *
     * @param one a case with a label, never {@code null}
     * @param image the geometry of its image
     * @return whole numbers, one channel, in the image's geometry
     * @throws IllegalArgumentException when the case has no label
     * @throws DatasetException when the size isn't the image's or, unless the case ignores it, the place is another by more than
     *     {@link GridMatch} allows
     * @throws VolumeFormatException when the file isn't a readable label image
     * @throws IOException when reading fails
     */
    public static Volume readLabel(Case one, Geometry image) throws IOException {
        Path file = one.label().orElseThrow(() -> new IllegalArgumentException("case '" + one.id() + "' has no label"));
        Volume label;
        try {
            label = read(file).asLabels();
        } catch (IllegalStateException e) {
            throw new VolumeFormatException(file, e.getMessage(), e);
        }
        if (readGeometry(file).isPresent()) {
            requireSamePlace(one, file, label.geometry(), one.images().get(0), image);
        } else {
            requireSize(one, file, label.geometry(), image);
        }
        return label.withGeometry(image);
    }

    /**
     * Returns the images of a case on one grid, which is that of the first that has a place: arrays have none and count by their size.
     *
     * @param one the case, never {@code null}
     * @param volumes what was read, one for each of its images
     * @return the volumes, all with the same geometry; their arrays are shared
     * @throws DatasetException when sizes differ or, unless the case ignores it, places by more than {@link GridMatch} allows; each gives
     *     both geometries
     * @throws IOException when a header can't be read
     */
    public static List<Volume> onOneGrid(Case one, List<Volume> volumes) throws IOException {
        if (volumes.size() == 1) {
            return volumes;
        }
        int first = 0;
        while (first < volumes.size() - 1
                && readGeometry(one.images().get(first)).isEmpty()) {
            first++;
        }
        Path firstFile = one.images().get(first);
        Geometry grid = volumes.get(first).geometry();
        List<Volume> placed = new ArrayList<>();
        for (int n = 0; n < volumes.size(); n++) {
            Path file = one.images().get(n);
            Geometry found = volumes.get(n).geometry();
            if (n < first || readGeometry(file).isEmpty()) {
                requireSize(one, file, found, grid);
            } else if (n > first) {
                requireSamePlace(one, file, found, firstFile, grid);
            }
            placed.add(volumes.get(n).withGeometry(grid));
        }
        return placed;
    }

    private static void requireSamePlace(Case one, Path file, Geometry found, Path gridFile, Geometry grid)
            throws DatasetException {
        try {
            new GridMatch(found, grid)
                    .take(file.toString(), gridFile.toString(), one.ignoresGeometry())
                    .ifPresent(remark -> Remarks.once(LOG, remark));
        } catch (IllegalArgumentException e) {
            throw new DatasetException(
                    file,
                    e.getMessage() + ", of case '" + one.id() + "'; register or resample "
                            + (found.size().equals(grid.size())
                                    ? "them first, or have the geometry ignored if the header is wrong and the voxels are right ("
                                            + IGNORING + ")"
                                    : "them to one grid first"),
                    e);
        }
    }

    /**
     * Checks by their headers alone that the files of a case have the same size; those of arrays, which have none, aren't looked at.
     *
     * @throws DatasetException when a file's size isn't the first image's
     * @throws VolumeFormatException when a header isn't readable
     * @throws IOException when reading fails
     */
    public static void requireOneSize(Case one) throws IOException {
        List<Path> files = new ArrayList<>(one.images());
        one.label().ifPresent(files::add);
        Geometry image = null;
        for (Path file : files) {
            Optional<Geometry> found = readGeometry(file);
            if (found.isPresent() && image != null) {
                requireSize(one, file, found.get(), image);
            }
            image = image == null ? found.orElse(null) : image;
        }
    }

    private static void requireSize(Case one, Path file, Geometry found, Geometry image) throws DatasetException {
        if (!found.size().equals(image.size())) {
            throw new DatasetException(
                    file,
                    "found " + found.size() + " voxels, expected " + image.size() + " as in the image of case '"
                            + one.id() + "'");
        }
    }

    /**
     * Reads one image file of any kind that is known.
     *
     * @throws VolumeFormatException when the file isn't readable
     * @throws IOException when reading fails
     */
    public static Volume read(Path file) throws IOException {
        Volume volume = VolumeFiles.read(file);
        return volume.withGeometry(withVoxelSize(volume.geometry()));
    }

    /**
     * Returns where an image lies from its header alone; empty for kinds of files that have none.
     *
     * @throws VolumeFormatException when the header isn't readable
     * @throws IOException when reading fails
     */
    public static Optional<Geometry> readGeometry(Path file) throws IOException {
        return VolumeFiles.readHeader(file).place().map(CaseReader::withVoxelSize);
    }

    /**
     * Returns a message about a case with another number of channels than is taken; volumes of one file may be a series in time.
     *
     * @param found channels of all its files together
     * @param files their names
     * @param expected how many channels are taken and by whom
     */
    public static String otherChannels(long found, List<String> files, String expected) {
        String where = " in " + String.join(", ", files);
        return files.size() == 1 && found > 1
                ? "found " + found + " volumes" + where
                        + " along its fourth axis, which may be channels, or time points of a"
                        + " series such as cine, perfusion or functional MRI; expected " + expected
                : "found " + found + (found == 1 ? " channel" : " channels") + where + ", expected " + expected;
    }

    /** Returns how many channels an image file holds. */
    static long channels(Path file) throws IOException {
        return VolumeFiles.readHeader(file).channels();
    }

    /** Returns a geometry whose axes have the header's voxel sizes where its affine is a placeholder. */
    private static Geometry withVoxelSize(Geometry geometry) {
        Affine affine = geometry.affine();
        if (!(geometry.source().orElse(null) instanceof NiftiHeader header)
                || header.sformCode() <= 0
                || header.qformCode() > 0
                || !isPlaceholder(affine)) {
            return geometry;
        }
        double[] rows = new double[12];
        for (int axis = 0; axis < 3; axis++) {
            double size = header.pixdim()[axis + 1];
            if (!(size > 0) || Double.isInfinite(size)) {
                return geometry;
            }
            for (int row = 0; row < 3; row++) {
                rows[row * 4 + axis] = affine.get(row, axis) * size;
            }
        }
        return Geometry.of(geometry.size(), Affine.ofRows(rows), header);
    }

    /** Returns whether an affine is a permutation of the axes with signs and nothing else. */
    private static boolean isPlaceholder(Affine affine) {
        double entries = 0;
        for (int row = 0; row < 3; row++) {
            for (int column = 0; column < 3; column++) {
                double entry = Math.abs(affine.get(row, column));
                if (entry != 0 && entry != 1) {
                    return false;
                }
                entries += entry;
            }
            if (affine.get(row, 3) != 0) {
                return false;
            }
        }
        return entries == 3 && affine.determinant() != 0;
    }
}
