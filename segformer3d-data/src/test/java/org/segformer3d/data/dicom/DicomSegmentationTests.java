package org.segformer3d.data.dicom;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

/** An oblique series of six slices, numbered against the direction in which they lie. */
class DicomSegmentationTests {
    private static final int COLUMNS = 10;
    private static final int ROWS = 12;
    private static final int SLICES = 6;
    private static final double[] ORIGIN = {-40, -80, 20};
    private static final double[] ALONG_ROW = {0.8, 0.6, 0};
    private static final double[] ALONG_COLUMN = {-0.36, 0.48, -0.8};
    private static final double[] NORMAL = {-0.48, 0.64, 0.6};

    @TempDir
    Path folder;

    private Path scans;
    private DicomSeries series;

    @BeforeEach
    void writeSeries() throws IOException {
        scans = Files.createDirectory(folder.resolve("scans"));
        for (int s = 0; s < SLICES; s++) {
            writeSlice(scans.resolve("slice" + (7 * s % SLICES)), SLICES - s, s);
            DicomFile.write(scans.resolve("scout" + s), 2, "scout", s + 1, 0);
        }
        series = series("1.2.826.0.1.3680043.10.1000.12");
    }

    private static void writeSlice(Path file, int instance, int place) throws IOException {
        StringBuilder position = new StringBuilder();
        for (int n = 0; n < 3; n++) {
            position.append(n == 0 ? "" : "\\")
                    .append(String.format(Locale.ROOT, "%.6f", ORIGIN[n] + 2 * place * NORMAL[n]));
        }
        DicomFile.write(
                file, 12, "oblique", instance, 100 * place, position.toString(), "0.8\\0.6\\0\\-0.36\\0.48\\-0.8");
    }

    private DicomSeries series(String uid) {
        return new DicomSeries("12", uid, "CT", "oblique", folder.resolve("12.nii"), scans);
    }

    /** Returns where a pixel is, right-anterior-superior. */
    private static double[] position(double column, double row, double slice) {
        double[] at = new double[3];
        for (int n = 0; n < 3; n++) {
            at[n] = ORIGIN[n] + 0.75 * column * ALONG_ROW[n] + 1.5 * row * ALONG_COLUMN[n] + 2 * slice * NORMAL[n];
        }
        return new double[] {-at[0], -at[1], at[2]};
    }

    /** Returns a volume whose voxel axes run along column, row and slice in another order and perhaps backwards. */
    private static Volume volume(int[] order, boolean[] backwards, int[][][] pixels) {
        int[] sizes = {COLUMNS, ROWS, SLICES};
        Grid size = new Grid(sizes[order[0]], sizes[order[1]], sizes[order[2]]);
        int[] labels = new int[COLUMNS * ROWS * SLICES];
        int at = 0;
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                for (int k = 0; k < size.width(); k++) {
                    double[] p = pixel(order, backwards, sizes, i, j, k);
                    labels[at++] = pixels[(int) p[2]][(int) p[1]][(int) p[0]];
                }
            }
        }
        double[] rows = new double[12];
        double[] origin = at(order, backwards, sizes, 0, 0, 0);
        double[][] ends = {
            at(order, backwards, sizes, 1, 0, 0),
            at(order, backwards, sizes, 0, 1, 0),
            at(order, backwards, sizes, 0, 0, 1)
        };
        for (int r = 0; r < 3; r++) {
            for (int axis = 0; axis < 3; axis++) {
                rows[r * 4 + axis] = ends[axis][r] - origin[r];
            }
            rows[r * 4 + 3] = origin[r];
        }
        return Volume.ofLabels(labels, Geometry.of(size, Affine.ofRows(rows)));
    }

    private static double[] at(int[] order, boolean[] backwards, int[] sizes, int i, int j, int k) {
        double[] p = pixel(order, backwards, sizes, i, j, k);
        return position(p[0], p[1], p[2]);
    }

    private static double[] pixel(int[] order, boolean[] backwards, int[] sizes, int... voxel) {
        double[] pixel = new double[3];
        for (int axis = 0; axis < 3; axis++) {
            int along = order[axis];
            pixel[along] = backwards[axis] ? sizes[along] - 1 - voxel[axis] : voxel[axis];
        }
        return pixel;
    }

    private static int[][][] numbered() {
        int[][][] pixels = new int[SLICES][ROWS][COLUMNS];
        int next = 0;
        for (int[][] slice : pixels) {
            for (int[] row : slice) {
                for (int c = 0; c < row.length; c++) {
                    row[c] = next++;
                }
            }
        }
        return pixels;
    }

    static Stream<int[]> waysToLie() {
        List<int[]> all = new ArrayList<>();
        int[][] orders = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (int[] order : orders) {
            for (int flips = 0; flips < 8; flips++) {
                all.add(new int[] {order[0], order[1], order[2], flips});
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("waysToLie")
    void pixelsAreFoundHoweverTheVolumeLies(int[] way) throws IOException {
        boolean[] backwards = {(way[3] & 1) != 0, (way[3] & 2) != 0, (way[3] & 4) != 0};
        Volume volume = volume(new int[] {way[0], way[1], way[2]}, backwards, numbered());
        SeriesStack stack = SeriesStack.of(series, volume.geometry());
        float[] pixels = stack.pixels(volume);
        for (int n = 0; n < pixels.length; n++) {
            assertThat(pixels[n]).isEqualTo(n);
        }
        assertThat(stack.isSheared()).isFalse();
        assertThat(stack.acrossSlices()).containsExactly(new double[] {-0.96, 1.28, 1.2}, within(1e-6));
        for (int s = 0; s < SLICES; s++) {
            assertThat(stack.slices().get(s).file().getFileName()).hasToString("slice" + s);
        }
    }

    @Test
    void aSeriesThatIsNotTheVolumesIsRefused() throws IOException {
        Volume volume = volume(new int[] {0, 1, 2}, new boolean[3], numbered());
        Geometry moved =
                Geometry.of(volume.geometry().size(), volume.geometry().affine().translatedVoxels(0.5, 0, 0));
        assertThatThrownBy(() -> SeriesStack.of(series, moved))
                .isInstanceOf(DatasetException.class)
                .hasMessageContaining("don't lie as its volume does");
        assertThatThrownBy(() -> SeriesStack.of(series("1.2.3"), volume.geometry()))
                .hasMessageContaining("found no slices with positions in series 12");
        writeSlice(scans.resolve("again"), 9, 3);
        assertThatThrownBy(() -> SeriesStack.of(series, volume.geometry()))
                .hasMessageContaining("several images at one place, such as slice3 and again");
        Files.delete(scans.resolve("again"));
        Files.delete(scans.resolve("slice3"));
        assertThatThrownBy(() -> SeriesStack.of(series, volume.geometry()))
                .hasMessageContaining("lacks 1 of the 6 slices");
    }

    @Test
    void saysHowToGetTheProgramWhereItIsMissing() {
        assertThatThrownBy(() -> DicomSegmentation.find(scans, null, folder.toString()))
                .isInstanceOf(DatasetException.class)
                .hasMessageContaining(scans.toString())
                .hasMessageContaining("none on the path; install it (pip install dcmqi), or set SEGFORMER3D_ITK");
    }

    @Nested
    class Segments {
        @Test
        void areWhatTheirNamesSayOrWhatTheUserSays() {
            List<DicomSegment> segments = DicomSegment.of(
                    LabelSpec.softmax("Kidney_L", "tumor", "thing", "part"),
                    Map.of("part", "SCT:49755003:Abnormal/DCM:111:Some part"));
            assertThat(segments).extracting(DicomSegment::name).containsExactly("Kidney_L", "tumor", "thing", "part");
            assertThat(segments)
                    .extracting(segment -> segment.type().meaning())
                    .containsExactly("Left kidney", "Neoplasm", "Tissue", "Some part");
            assertThat(segments)
                    .extracting(segment -> segment.category().meaning())
                    .containsExactly(
                            "Anatomical Structure", "Morphologically Abnormal Structure", "Tissue", "Abnormal");
            assertThat(segments.get(3).values()).containsExactly(4);
        }

        @Test
        void withWrongCodesAreRefused() {
            LabelSpec labels = LabelSpec.sigmoid("liver");
            assertThatThrownBy(() -> DicomSegment.of(labels, Map.of("lever", "SCT:1:Liver")))
                    .isInstanceOf(ConfigException.class)
                    .hasMessage("code of a class: found 'lever', expected one of [liver]");
            assertThatThrownBy(() -> DicomSegment.of(labels, Map.of("liver", "10200004")))
                    .hasMessageContaining("expected SCHEME:VALUE:MEANING");
            assertThatThrownBy(() -> DicomSegment.of(labels, Map.of("liver", "SCT:12345678901234567:Liver")))
                    .hasMessageContaining("1 to 16 ASCII characters");
        }
    }

    @Nested
    class WithDcmqi {
        private DicomSegmentation writer;
        private Path target;

        @BeforeEach
        void find() {
            try {
                writer = DicomSegmentation.find(scans);
            } catch (DatasetException e) {
                assumeThat(false).as("dcmqi is installed").isTrue();
            }
            target = folder.resolve("made.dcm");
        }

        private int[][][] labels() {
            int[][][] pixels = new int[SLICES][ROWS][COLUMNS];
            for (int s = 1; s < 5; s++) {
                for (int r = 2; r < 6; r++) {
                    for (int c = 3; c < 9; c++) {
                        pixels[s][r][c] = s + r > 7 ? 2 : 1;
                    }
                }
            }
            pixels[0][0][0] = 2;
            pixels[5][11][9] = 4;
            return pixels;
        }

        @Test
        void everyVoxelLiesWhereItsSlicesPixelDoes() throws IOException {
            int[][][] pixels = labels();
            Volume volume = volume(new int[] {0, 1, 2}, new boolean[] {false, true, true}, pixels);
            List<DicomSegment> segments = DicomSegment.of(LabelSpec.softmax("liver", "Läsion", "empty", "x"), Map.of());
            assertThat(writer.write(volume, series, segments, "model", target)).containsExactly("liver", "Läsion", "x");
            assertPixels(
                    DicomTree.read(target), pixels, Map.of("liver", List.of(1), "Lasion", List.of(2), "x", List.of(4)));
        }

        @Test
        void regionsThatShareValuesOverlap() throws IOException {
            int[][][] pixels = labels();
            Volume volume = volume(new int[] {2, 0, 1}, new boolean[] {true, false, true}, pixels);
            DicomCode code = DicomCode.parse("SCT:108369006:Neoplasm");
            List<DicomSegment> segments = List.of(
                    new DicomSegment("whole", List.of(1, 2, 4), code, code),
                    new DicomSegment("core", List.of(1, 4), code, code));
            writer.write(volume, series, segments, "model", target);
            assertPixels(DicomTree.read(target), pixels, Map.of("whole", List.of(1, 2, 4), "core", List.of(1, 4)));
        }

        @Test
        void theObjectBelongsToThePatientAndRefersToTheSeries() throws IOException {
            Volume volume = volume(new int[] {0, 1, 2}, new boolean[3], labels());
            writer.write(
                    volume,
                    series,
                    DicomSegment.of(LabelSpec.softmax("liver", "b", "c", "d"), Map.of()),
                    "a model",
                    target);
            DicomTree made = DicomTree.read(target);
            assertThat(made.text(0x00080016)).isEqualTo("1.2.840.10008.5.1.4.1.1.66.4");
            assertThat(made.text(0x00080060)).isEqualTo("SEG");
            assertThat(made.text(0x00100010)).isEqualTo("PHANTOM");
            assertThat(made.text(0x0020000D)).isEqualTo("1.2.826.0.1.3680043.10.1000.99");
            assertThat(made.text(0x00200052)).isEqualTo("1.2.826.0.1.3680043.10.1000.12.0");
            assertThat(made.text(0x00620001)).isEqualTo("BINARY");
            assertThat(made.one(0x00081115).text(0x0020000E)).isEqualTo(series.uid());
            DicomTree liver = made.one(0x00620002);
            assertThat(liver.text(0x00620008)).isEqualTo("AUTOMATIC");
            assertThat(liver.text(0x00620009)).isEqualTo("a model");
            assertThat(liver.one(0x0062000F).text(0x00080100)).isEqualTo("10200004");
            assertThat(liver.one(0x00620003).text(0x00080104)).isEqualTo("Anatomical Structure");
        }

        @Test
        void anEmptyMapLeavesNoFile() throws IOException {
            Files.writeString(target, "of an earlier run");
            Volume volume = volume(new int[] {0, 1, 2}, new boolean[3], new int[SLICES][ROWS][COLUMNS]);
            assertThat(writer.write(volume, series, DicomSegment.of(LabelSpec.softmax("liver"), Map.of()), "m", target))
                    .isEmpty();
            assertThat(target).doesNotExist();
        }

        @Test
        void theVolumeMayBeDcm2niixs() throws IOException {
            DicomConverter converter = null;
            try {
                converter = DicomConverter.find(scans);
            } catch (DatasetException e) {
                assumeThat(false).as("dcm2niix is installed").isTrue();
            }
            List<DicomSeries> found = converter.convert(scans, Files.createDirectory(folder.resolve("workspace")));
            DicomSeries own = DicomSeries.find(found, "12").orElseThrow();
            Volume scan = NiftiReader.read(own.nifti());
            // what a pixel holds is 100·slice + 100·row + column
            int[] chosen = new int[scan.voxels()];
            int[][][] pixels = new int[SLICES][ROWS][COLUMNS];
            for (int n = 0; n < chosen.length; n++) {
                chosen[n] = scan.values()[n] % 100 == 3 ? 1 : 0;
            }
            for (int[][] slice : pixels) {
                for (int[] row : slice) {
                    row[3] = 1;
                }
            }
            writer.write(
                    Volume.ofLabels(chosen, scan.geometry()),
                    own,
                    DicomSegment.of(LabelSpec.softmax("liver"), Map.of()),
                    "model",
                    target);
            assertPixels(DicomTree.read(target), pixels, Map.of("liver", List.of(1)));
        }

        /** Compares every pixel of every frame with what lies where the frame says it lies. */
        private void assertPixels(DicomTree made, int[][][] pixels, Map<String, List<Integer>> values)
                throws IOException {
            Map<Integer, String> names = new HashMap<>();
            made.all(0x00620002).forEach(segment -> names.put(segment.number(0x00620004), segment.text(0x00620005)));
            assertThat(names.values()).containsExactlyInAnyOrderElementsOf(values.keySet());
            DicomTree shared = made.one(0x52009229);
            double[] orientation = shared.one(0x00209116).decimals(0x00200037);
            double[] spacing = shared.one(0x00289110).decimals(0x00280030);
            assertThat(spacing).containsExactly(new double[] {1.5, 0.75}, within(1e-5));
            byte[] bits = made.bytes(0x7FE00010);
            Map<String, Integer> counts = new HashMap<>();
            List<DicomTree> frames = made.all(0x52009230);
            for (int f = 0; f < frames.size(); f++) {
                DicomTree frame = frames.get(f);
                String name = names.get(frame.one(0x0062000A).number(0x0062000B));
                double[] corner = frame.one(0x00209113).decimals(0x00200032);
                int slice = -1;
                for (int r = 0; r < ROWS; r++) {
                    for (int c = 0; c < COLUMNS; c++) {
                        double[] place = new double[3];
                        for (int n = 0; n < 3; n++) {
                            double at = corner[n]
                                    + c * spacing[1] * orientation[n]
                                    + r * spacing[0] * orientation[n + 3]
                                    - ORIGIN[n];
                            place[0] += at * ALONG_ROW[n] / 0.75;
                            place[1] += at * ALONG_COLUMN[n] / 1.5;
                            place[2] += at * NORMAL[n] / 2;
                        }
                        for (double coordinate : place) {
                            assertThat(coordinate).isCloseTo(Math.rint(coordinate), within(1e-3));
                        }
                        slice = (int) Math.rint(place[2]);
                        int expected = pixels[slice][(int) Math.rint(place[1])][(int) Math.rint(place[0])];
                        int bit = f * ROWS * COLUMNS + r * COLUMNS + c;
                        boolean set = (bits[bit / 8] >> bit % 8 & 1) != 0;
                        assertThat(set).isEqualTo(values.get(name).contains(expected));
                        counts.merge(name, set ? 1 : 0, Integer::sum);
                    }
                }
                String source = frame.one(0x00089124).one(0x00082112).text(0x00081155);
                assertThat(source).isEqualTo(series.uid() + "." + (SLICES - slice));
            }
            values.forEach((name, own) -> {
                int expected = 0;
                for (int[][] s : pixels) {
                    for (int[] row : s) {
                        for (int value : row) {
                            expected += own.contains(value) ? 1 : 0;
                        }
                    }
                }
                assertThat(counts.get(name)).isEqualTo(expected);
            });
        }
    }
}
