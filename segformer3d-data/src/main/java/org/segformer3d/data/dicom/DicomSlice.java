package org.segformer3d.data.dicom;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where a slice of a series lies: its pixels' positions in millimetres, left-posterior-superior as DICOM has them.
 *
 * @param file of the slice
 * @param series UID of its series
 * @param rows number of rows
 * @param columns number of columns
 * @param position of the first pixel's centre
 * @param acrossColumns step from a pixel to the next of its row
 * @param acrossRows step from a pixel to the next of its column
 */
record DicomSlice(
        Path file,
        String series,
        int rows,
        int columns,
        double[] position,
        double[] acrossColumns,
        double[] acrossRows) {
    private static final int SERIES = 0x0020000E;
    private static final int POSITION = 0x00200032;
    private static final int ORIENTATION = 0x00200037;
    private static final int ROWS = 0x00280010;
    private static final int COLUMNS = 0x00280011;
    private static final int SPACING = 0x00280030;

    /** Returns the slice of a file; empty where it is no DICOM or says no place, as files of many frames don't. */
    static Optional<DicomSlice> read(Path file) {
        try {
            DicomElements.Found found =
                    DicomElements.read(file, List.of(SERIES, POSITION, ORIENTATION, ROWS, COLUMNS, SPACING));
            Optional<double[]> position = found.decimals(POSITION, 3);
            Optional<double[]> orientation = found.decimals(ORIENTATION, 6);
            Optional<double[]> spacing = found.decimals(SPACING, 2);
            Optional<Integer> rows = found.number(ROWS);
            Optional<Integer> columns = found.number(COLUMNS);
            if (position.isEmpty()
                    || orientation.isEmpty()
                    || spacing.isEmpty()
                    || rows.isEmpty()
                    || columns.isEmpty()) {
                return Optional.empty();
            }
            double[] acrossColumns = new double[3];
            double[] acrossRows = new double[3];
            for (int n = 0; n < 3; n++) {
                // the first spacing is that of rows
                acrossColumns[n] = orientation.get()[n] * spacing.get()[1];
                acrossRows[n] = orientation.get()[n + 3] * spacing.get()[0];
            }
            return Optional.of(new DicomSlice(
                    file,
                    found.text(SERIES).orElse(""),
                    rows.get(),
                    columns.get(),
                    position.get(),
                    acrossColumns,
                    acrossRows));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Returns the direction of rows × direction of columns, of length 1: where a right-handed stack of slices grows. */
    double[] normal() {
        double[] n = {
            acrossColumns[1] * acrossRows[2] - acrossColumns[2] * acrossRows[1],
            acrossColumns[2] * acrossRows[0] - acrossColumns[0] * acrossRows[2],
            acrossColumns[0] * acrossRows[1] - acrossColumns[1] * acrossRows[0]
        };
        double length = Math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        return new double[] {n[0] / length, n[1] / length, n[2] / length};
    }
}
