package org.segformer3d.data.dicom;

import java.io.IOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/**
 * The slices of a series in the order in which they lie, and how their pixels map to the voxels of a volume that was made of them.
 *
 * <p>A converter may have flipped rows and turned the stack over; both maps say where things are, so nothing has to be known of that.
 */
final class SeriesStack {
    /** Voxels; slices' positions are rounded in files, and NIfTI's affines are of single precision. */
    private static final double TOLERANCE = 0.1;

    private final List<DicomSlice> slices;
    private final Grid size;
    /** By pixel axis (column, row, slice): which voxel axis it runs along. */
    private final int[] axis = new int[3];

    private final boolean[] backwards = new boolean[3];

    /**
     * Finds the slices of a volume.
     *
     * @param series whose files they are in
     * @param geometry of the volume, or of labels made on it
     * @throws DatasetException when there isn't exactly one for each of the volume's
     */
    static SeriesStack of(DicomSeries series, Geometry geometry) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.find(
                series.files(),
                DicomConverter.DEPTH,
                (file, attributes) -> attributes.isRegularFile(),
                FileVisitOption.FOLLOW_LINKS)) {
            files = all.sorted().toList();
        }
        List<DicomSlice> slices = new ArrayList<>();
        for (Path file : files) {
            DicomSlice.read(file)
                    .filter(slice -> slice.series().equals(series.uid()))
                    .ifPresent(slices::add);
        }
        if (slices.isEmpty()) {
            throw new DatasetException(
                    series.files(),
                    "found no slices with positions in series " + series.name()
                            + ", expected one file a slice; DICOM-SEG isn't made of files with many frames");
        }
        return new SeriesStack(series, geometry, slices);
    }

    private SeriesStack(DicomSeries series, Geometry geometry, List<DicomSlice> found) throws DatasetException {
        this.size = geometry.size();
        Affine inverse = geometry.affine().inverse();
        DicomSlice first = found.stream()
                .filter(slice -> isAligned(slice, inverse))
                .findFirst()
                .orElseThrow(() -> new DatasetException(
                        series.files(),
                        "the slices of series " + series.name()
                                + " don't lie as its volume does, expected one slice a layer of it; dcm2niix resampled"
                                + " it, or puts several images into one"));
        step(0, inverse, first.acrossColumns());
        step(1, inverse, first.acrossRows());
        step(2, inverse, scaled(first.normal(), geometry.spacing()[3 - axis[0] - axis[1]]));
        axis[2] = 3 - axis[0] - axis[1];
        int count = size.size(axis[2]);
        List<DicomSlice> ordered = new ArrayList<>(Collections.nCopies(count, null));
        for (DicomSlice slice : found) {
            if (!isAligned(slice, inverse)) {
                continue;
            }
            double[] voxel = voxel(inverse, slice.position());
            int layer = (int) Math.round(voxel[axis[2]]);
            int place = backwards[2] ? count - 1 - layer : layer;
            if (place < 0 || place >= count || ordered.get(place) != null) {
                throw new DatasetException(
                        series.files(),
                        place < 0 || place >= count
                                ? "series " + series.name() + " has slices outside its volume "
                                        + series.nifti().getFileName() + ", expected one slice a layer"
                                : "series " + series.name() + " has several images at one place, such as "
                                        + slice.file().getFileName() + " and "
                                        + ordered.get(place).file().getFileName()
                                        + ", expected one slice a layer: which of them labels refer to can't be told");
            }
            ordered.set(place, slice);
        }
        long missing = ordered.stream().filter(slice -> slice == null).count();
        if (missing > 0) {
            throw new DatasetException(
                    series.files(),
                    "series " + series.name() + " lacks " + missing + " of the " + count
                            + " slices of its volume, expected one slice a layer");
        }
        this.slices = List.copyOf(ordered);
    }

    /** Returns whether a slice's corners are voxels of the volume at its rim. */
    private boolean isAligned(DicomSlice slice, Affine inverse) {
        double[] corner = voxel(inverse, slice.position());
        double[] acrossColumns = difference(inverse, slice.acrossColumns());
        double[] acrossRows = difference(inverse, slice.acrossRows());
        int alongColumns = largest(acrossColumns);
        int alongRows = largest(acrossRows);
        if (alongColumns == alongRows
                || size.size(alongColumns) != slice.columns()
                || size.size(alongRows) != slice.rows()) {
            return false;
        }
        for (int end = 0; end < 4; end++) {
            for (int n = 0; n < 3; n++) {
                double at = corner[n]
                        + ((end & 1) == 0 ? 0 : acrossColumns[n] * (slice.columns() - 1))
                        + ((end & 2) == 0 ? 0 : acrossRows[n] * (slice.rows() - 1));
                if (Math.abs(at - Math.rint(at)) > TOLERANCE || at < -TOLERANCE || at > size.size(n) - 1 + TOLERANCE) {
                    return false;
                }
            }
        }
        return true;
    }

    private void step(int pixelAxis, Affine inverse, double[] step) {
        double[] voxels = difference(inverse, step);
        axis[pixelAxis] = largest(voxels);
        backwards[pixelAxis] = voxels[axis[pixelAxis]] < 0;
    }

    /** Returns the slices in the order in which they lie, along the normal. */
    List<DicomSlice> slices() {
        return slices;
    }

    /** Returns the step from a slice to the next. */
    double[] acrossSlices() {
        DicomSlice first = slices.get(0);
        DicomSlice last = slices.get(slices.size() - 1);
        if (slices.size() == 1) {
            return first.normal();
        }
        double[] step = new double[3];
        for (int n = 0; n < 3; n++) {
            step[n] = (last.position()[n] - first.position()[n]) / (slices.size() - 1);
        }
        return step;
    }

    /** Returns whether slices are shifted against one another, as under a tilted gantry. */
    boolean isSheared() {
        double[] step = acrossSlices();
        double[] normal = slices.get(0).normal();
        double along = step[0] * normal[0] + step[1] * normal[1] + step[2] * normal[2];
        double length = Math.sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
        return along < length * (1 - 1e-4);
    }

    /**
     * Returns a volume's values in the order of the series' pixels: slice after slice, row after row.
     *
     * @param volume of the geometry this was made for
     */
    float[] pixels(Volume volume) {
        int columns = size.size(axis[0]);
        int rows = size.size(axis[1]);
        int count = size.size(axis[2]);
        int[] strides = {size.height() * size.width(), size.width(), 1};
        float[] values = volume.values();
        float[] pixels = new float[columns * rows * count];
        int at = 0;
        for (int s = 0; s < count; s++) {
            int slice = strides[axis[2]] * (backwards[2] ? count - 1 - s : s);
            for (int r = 0; r < rows; r++) {
                int row = slice + strides[axis[1]] * (backwards[1] ? rows - 1 - r : r);
                for (int c = 0; c < columns; c++) {
                    pixels[at++] = values[row + strides[axis[0]] * (backwards[0] ? columns - 1 - c : c)];
                }
            }
        }
        return pixels;
    }

    /** Returns the voxel at a position, DICOM's left and posterior being our negative right and anterior. */
    private static double[] voxel(Affine inverse, double[] position) {
        return inverse.apply(-position[0], -position[1], position[2]);
    }

    private static double[] difference(Affine inverse, double[] step) {
        double[] zero = voxel(inverse, new double[3]);
        double[] end = voxel(inverse, step);
        return new double[] {end[0] - zero[0], end[1] - zero[1], end[2] - zero[2]};
    }

    private static double[] scaled(double[] vector, double factor) {
        return new double[] {vector[0] * factor, vector[1] * factor, vector[2] * factor};
    }

    private static int largest(double[] values) {
        int largest = 0;
        for (int n = 1; n < 3; n++) {
            if (Math.abs(values[n]) > Math.abs(values[largest])) {
                largest = n;
            }
        }
        return largest;
    }
}
