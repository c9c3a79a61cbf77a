package org.segformer3d.data.nifti;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.data.nifti.NiftiBytes.write;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;

class NiftiWriterTests {
    private static final Affine OBLIQUE =
            Affine.ofRows(1.9, 0.3, -0.2, -80.25, -0.4, 2.1, 0.1, 11.5, 0.35, -0.1, 3.2, 42.125);

    @TempDir
    Path folder;

    private static Volume random(int channels, Geometry geometry) {
        Random random = new Random(5);
        float[] values = new float[channels * geometry.size().tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextGaussian() * 1000;
        }
        return Volume.of(values, channels, geometry);
    }

    @Nested
    class Images {
        @ParameterizedTest
        @CsvSource({"1, x.nii", "1, x.nii.gz", "3, x.nii", "3, X.NII.GZ"})
        void comeBackBitForBit(int channels, String name) throws IOException {
            Volume volume = random(channels, Geometry.of(new Grid(5, 6, 70), OBLIQUE));

            NiftiWriter.write(folder.resolve(name), volume);
            Volume back = NiftiReader.read(folder.resolve(name));

            assertThat(back.values()).isEqualTo(volume.values());
            assertThat(back.channels()).isEqualTo(channels);
            assertThat(back.geometry().affine().isCloseTo(OBLIQUE, 1e-5)).isTrue();
        }

        @Test
        void withHugePlanesComeBackToo() throws IOException {
            Volume volume = random(1, Geometry.of(new Grid(3000, 3000, 1), Affine.IDENTITY));

            NiftiWriter.write(folder.resolve("x.nii"), volume);

            assertThat(NiftiReader.read(folder.resolve("x.nii")).values()).isEqualTo(volume.values());
        }

        @Test
        void withAnAxisBeyondNifti1BecomeNifti2() throws IOException {
            NiftiWriter.write(folder.resolve("x.nii"), random(1, Geometry.of(new Grid(40000, 2, 1), OBLIQUE)));

            NiftiHeader header = NiftiReader.readHeader(folder.resolve("x.nii"));
            assertThat(header.version()).isEqualTo(2);
            assertThat(header.affine()).isEqualTo(OBLIQUE);
        }

        @Test
        void givenChannelByChannelAreTheSameFile() throws IOException {
            Geometry geometry = Geometry.of(new Grid(3, 4, 5), Affine.scaling(1, 2, 3));
            float[] values = new float[2 * geometry.size().tokens()];
            for (int n = 0; n < values.length; n++) {
                values[n] = n * 0.5f;
            }
            Path whole = folder.resolve("whole.nii.gz");
            Path parts = folder.resolve("parts.nii.gz");
            NiftiWriter.write(whole, Volume.of(values, 2, geometry));
            NiftiWriter.write(parts, geometry, 2, c -> Arrays.copyOfRange(values, c * 60, (c + 1) * 60));
            assertThat(parts).hasSameBinaryContentAs(whole);
            assertThatThrownBy(() -> NiftiWriter.write(folder.resolve("short.nii"), geometry, 1, c -> new float[59]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("channel 0 has 59 values, expected 60");
            assertThat(folder.resolve("short.nii")).doesNotExist();
        }

        @Test
        void givenTwiceGiveTheSameBytes() throws IOException {
            Volume volume = random(1, Geometry.of(new Grid(5, 6, 7), OBLIQUE));

            NiftiWriter.write(folder.resolve("a.nii.gz"), volume);
            NiftiWriter.write(folder.resolve("b.nii.gz"), volume);

            assertThat(folder.resolve("a.nii.gz")).hasSameBinaryContentAs(folder.resolve("b.nii.gz"));
        }
    }

    @Nested
    class Labels {
        @ParameterizedTest
        @CsvSource({
            "0, 255, UINT8",
            "0, 256, UINT16",
            "0, 65535, UINT16",
            "0, 65536, INT32",
            "-1, 127, INT8",
            "-128, 0, INT8",
            "-1, 128, INT16",
            "-32768, 32767, INT16",
            "-1, 32768, INT32",
            "0, 16777216, INT32"
        })
        void takeTheSmallestTypeThatFits(int least, int most, NiftiType type) throws IOException {
            Volume labels =
                    Volume.ofLabels(new int[] {least, most, 0}, Geometry.of(new Grid(1, 3, 1), Affine.IDENTITY));

            NiftiWriter.writeLabels(folder.resolve("l.nii"), labels);

            assertThat(NiftiReader.readHeader(folder.resolve("l.nii")).type()).isEqualTo(type);
            assertThat(NiftiReader.readLabels(folder.resolve("l.nii")).toLabels())
                    .containsExactly(least, most, 0);
        }

        @ParameterizedTest
        @ValueSource(floats = {0.5f, Float.NaN, 1 << 25})
        void thatAreNoneAreRefused(float value) {
            Volume volume = Volume.of(new float[] {value}, 1, Geometry.of(new Grid(1, 1, 1), Affine.IDENTITY));

            assertThatThrownBy(() -> NiftiWriter.writeLabels(folder.resolve("l.nii"), volume))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("labels");
            assertThat(folder.resolve("l.nii")).doesNotExist();
        }
    }

    @Nested
    class TheSourcesGeometry {
        private NiftiBytes source(int version, ByteOrder order) {
            NiftiBytes file = NiftiBytes.of(3, 4, 5, 2);
            file.version = version;
            file.order = order;
            file.pixdim = new double[] {-1, 0.1, 0.7f, 3.3, 2.2, 1.1, 0, 0};
            file.qform = 1;
            file.sform = 4;
            file.quatern = new double[] {0.1, 0.2, 0.3};
            file.qoffset = new double[] {-1.1, 2.2, 3.3};
            file.srow = new double[] {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3};
            file.units = 10;
            return file;
        }

        @ParameterizedTest
        @CsvSource({"1, LITTLE_ENDIAN", "1, BIG_ENDIAN", "2, LITTLE_ENDIAN", "2, BIG_ENDIAN"})
        void isRestoredBitForBitAlsoAfterATripToRas(int version, String order) throws IOException {
            NiftiBytes file =
                    source(version, order.equals("BIG_ENDIAN") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
            Path input = write(folder.resolve("in.nii"), file.file(file.counting()));
            Volume volume = NiftiReader.read(input).channel(0);
            Orientation orientation = Orientation.toRas(volume.geometry().affine());
            Volume ras = orientation.apply(volume);

            NiftiWriter.writeLabels(
                    folder.resolve("out.nii"), orientation.inverse().apply(ras).withGeometry(volume.geometry()));

            file.order = ByteOrder.LITTLE_ENDIAN;
            ByteBuffer expected = ByteBuffer.wrap(file.header(true)).order(ByteOrder.LITTLE_ENDIAN);
            ByteBuffer found = ByteBuffer.wrap(Files.readAllBytes(folder.resolve("out.nii")))
                    .order(ByteOrder.LITTLE_ENDIAN);
            int[][] ranges = version == 1
                    ? new int[][] {{76, 32}, {123, 1}, {252, 76}}
                    : new int[][] {{104, 64}, {344, 152}, {500, 4}};
            for (int[] range : ranges) {
                assertThat(found.slice(range[0], range[1])).isEqualTo(expected.slice(range[0], range[1]));
            }
            Volume back = NiftiReader.read(folder.resolve("out.nii"));
            assertThat(back.geometry()).isEqualTo(volume.geometry());
            assertThat(back.values()).isEqualTo(volume.values());
            assertThat(((NiftiHeader) back.geometry().source().orElseThrow()).version())
                    .isEqualTo(version);
        }

        @ParameterizedTest
        @ValueSource(ints = {0, 1, 3})
        void isRestoredWithoutTransformsAndInAnyUnit(int units) throws IOException {
            NiftiBytes file = NiftiBytes.of(3, 4);
            file.pixdim = new double[] {0, 0.1, 0.2, 0, 0, 0, 0, 0};
            file.units = units;
            Volume volume = NiftiReader.read(write(folder.resolve("in.nii"), file.file(file.counting())));

            NiftiWriter.write(folder.resolve("out.nii.gz"), volume);
            NiftiHeader header = NiftiReader.readHeader(folder.resolve("out.nii.gz"));

            assertThat(header.dimensions()).containsExactly(3, 4);
            assertThat(header.pixdim())
                    .isEqualTo(NiftiReader.readHeader(folder.resolve("in.nii")).pixdim());
            assertThat(header.xyztUnits()).isEqualTo(units);
            assertThat(header.affine()).isEqualTo(volume.geometry().affine());
        }

        @Test
        void isReplacedByTheAffineAfterReorienting() throws IOException {
            NiftiBytes file = source(1, ByteOrder.LITTLE_ENDIAN);
            Volume volume = NiftiReader.read(write(folder.resolve("in.nii"), file.file(file.counting())));
            Volume ras = Orientation.toRas(volume.geometry().affine()).apply(volume);

            NiftiWriter.write(folder.resolve("out.nii"), ras);
            Volume back = NiftiReader.read(folder.resolve("out.nii"));

            assertThat(back.geometry().affine().isCloseTo(ras.geometry().affine(), 1e-5))
                    .isTrue();
            assertThat(back.values()).isEqualTo(ras.values());
        }
    }

    @Nested
    class QformOfANewGeometry {
        static Stream<Orientation> orientations() {
            return org.segformer3d.data.volume.Orientations.all().stream();
        }

        @ParameterizedTest
        @org.junit.jupiter.params.provider.MethodSource("orientations")
        void agreesWithTheSform(Orientation orientation) throws IOException {
            // A rotation about an odd axis with three voxel sizes, seen in all 48 orientations, so with both
            // handednesses.
            double a = 0.3;
            Affine turned = Affine.ofRows(Math.cos(a), -Math.sin(a), 0, 5, Math.sin(a), Math.cos(a), 0, -7, 0, 0, 1, 9)
                    .multiply(
                            Affine.ofRows(1, 0, 0, 0, 0, Math.cos(1), -Math.sin(1), 0, 0, Math.sin(1), Math.cos(1), 0))
                    .multiply(Affine.scaling(0.5, 1.5, 4));
            Geometry geometry = orientation.apply(Geometry.of(new Grid(2, 3, 4), turned));

            NiftiWriter.write(folder.resolve("q.nii"), random(1, geometry));
            byte[] bytes = Files.readAllBytes(folder.resolve("q.nii"));
            assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getShort(252))
                    .as("qform code")
                    .isEqualTo((short) 2);
            // Without the sform the qform must say the same.
            ByteBuffer.wrap(bytes).putShort(254, (short) 0);
            Affine qform = NiftiReader.readHeader(write(folder.resolve("q2.nii"), bytes))
                    .affine();

            assertThat(qform.isCloseTo(geometry.affine(), 1e-4))
                    .as(qform + " is " + geometry.affine())
                    .isTrue();
        }

        @Test
        void isLeftOutWhenTheAxesAreSheared() throws IOException {
            NiftiWriter.write(folder.resolve("s.nii"), random(1, Geometry.of(new Grid(2, 3, 4), OBLIQUE)));

            NiftiHeader header = NiftiReader.readHeader(folder.resolve("s.nii"));

            assertThat(header.qformCode()).isZero();
            assertThat(header.sformCode()).isEqualTo(2);
        }
    }

    @Nested
    class Failures {
        @Test
        void ofTheNameAreReportedBeforeAnythingIsWritten() {
            Volume volume = random(1, Geometry.of(new Grid(2, 3, 4), OBLIQUE));

            assertThatThrownBy(() -> NiftiWriter.write(folder.resolve("x.img"), volume))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(".nii.gz");
            assertThat(folder).isEmptyDirectory();
        }

        @Test
        void ofTheFolderAreReported() {
            Volume volume = random(1, Geometry.of(new Grid(2, 3, 4), OBLIQUE));

            assertThatThrownBy(() -> NiftiWriter.write(folder.resolve("absent").resolve("x.nii"), volume))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("absent");
        }

        @Test
        void leaveNoTemporaryFileBesideAReplacedOne() throws IOException {
            Volume volume = random(1, Geometry.of(new Grid(2, 3, 4), OBLIQUE));
            NiftiWriter.write(folder.resolve("x.nii"), volume);
            NiftiWriter.write(folder.resolve("x.nii"), volume);

            assertThat(folder).isDirectoryContaining("glob:**x.nii");
            try (Stream<Path> files = Files.list(folder)) {
                assertThat(files).hasSize(1);
            }
        }
    }
}
