package org.segformer3d.data.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeFormatException;

class VolumeFilesTests {
    /** Oblique, voxels of three sizes. */
    static final Affine PLACE =
            Affine.ofRows(-1.08, 0.125, -0.28, 31.5, -0.11, -0.86, -0.56, -20.25, -0.17, -0.22, 2.11, 7);

    @TempDir
    Path folder;

    static Volume image(int channels) {
        Geometry geometry = Geometry.of(new Grid(4, 3, 5), PLACE);
        float[] values = new float[channels * 60];
        for (int n = 0; n < values.length; n++) {
            values[n] = n * 1.5f - 20;
        }
        return Volume.of(values, channels, geometry);
    }

    @Nested
    class EveryEnding {
        @Test
        void isWrittenAndReadBackWithItsPlace() throws IOException {
            for (VolumeFormat format : VolumeFiles.formats()) {
                for (String ending : format.endings()) {
                    if (ending.contains("hdr") && format.name().equals("NIfTI")) {
                        continue; // pairs are read, not written
                    }
                    for (int channels : new int[] {1, 3}) {
                        Path file = folder.resolve("x" + channels + ending);
                        VolumeFiles.write(file, image(channels));
                        Volume read = VolumeFiles.read(file);
                        assertThat(read.values())
                                .as(ending)
                                .containsExactly(image(channels).values());
                        assertThat(read.channels()).as(ending).isEqualTo(channels);
                        assertThat(VolumeFiles.readHeader(file).channels()).isEqualTo(channels);
                        assertThat(VolumeFiles.readHeader(file).geometry().size())
                                .isEqualTo(new Grid(4, 3, 5));
                        if (VolumeFiles.readHeader(file).isPlaced()) {
                            assertThat(read.geometry().affine().isCloseTo(PLACE, 1e-5))
                                    .as(ending + ": " + read.geometry().affine())
                                    .isTrue();
                        }
                    }
                }
            }
        }

        @Test
        void keepsLabelsOfAllSizes() throws IOException {
            for (VolumeFormat format : VolumeFiles.formats()) {
                for (int largest : new int[] {3, 200, 300, 40_000, 1 << 24}) {
                    float[] values = new float[60];
                    values[7] = largest;
                    values[8] = 1;
                    Volume labels = Volume.of(values, 1, image(1).geometry());
                    Path file =
                            folder.resolve("labels" + largest + format.endings().get(0));
                    VolumeFiles.writeLabels(file, labels);
                    assertThat(VolumeFiles.read(file).asLabels().values())
                            .as(format.name() + " " + largest)
                            .containsExactly(values);
                }
            }
        }
    }

    @Nested
    class Names {
        @Test
        void endWithTheLongestKnownEnding() {
            assertThat(VolumeFiles.endingOf(Path.of("a.b.NII.gz"))).isEqualTo(".NII.gz");
            assertThat(VolumeFiles.stem(Path.of("x/a.b.nii.gz"))).isEqualTo("a.b");
            assertThat(VolumeFiles.stem(Path.of("a.img.gz"))).isEqualTo("a");
            assertThat(VolumeFiles.endingOf(Path.of("a.png"))).isEmpty();
            assertThat(VolumeFiles.endingOf(Path.of(".nii"))).isEmpty();
        }

        @Test
        void ofNoFormatAreNotWritten() {
            assertThatThrownBy(() -> VolumeFiles.write(folder.resolve("x.png"), image(1)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(".nii.gz")
                    .hasMessageContaining(".npy");
        }
    }

    @Nested
    class Content {
        @Test
        void decidesWhateverTheNameIs() throws IOException {
            for (VolumeFormat format : VolumeFiles.formats()) {
                String ending = format.endings().get(0);
                VolumeFiles.write(folder.resolve("a" + ending), image(1));
                Path renamed = Files.move(folder.resolve("a" + ending), folder.resolve(format.name() + ".dat"));
                assertThat(VolumeFiles.read(renamed).values()).containsExactly(image(1).values());
                assertThat(VolumeFiles.formatOf(renamed).name()).isEqualTo(format.name());
            }
        }

        @Test
        void ofNoFormatNamesThoseThatAreRead() throws IOException {
            Path file = Files.writeString(folder.resolve("x.img3"), "nothing of the kind");
            assertThatThrownBy(() -> VolumeFiles.read(file))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining(file.toString())
                    .hasMessageContaining("6e 6f 74 68")
                    .satisfies(e -> VolumeFiles.formats()
                            .forEach(format -> assertThat(e).hasMessageContaining(format.name())));
        }

        @Test
        void ofAnotherKnownKindIsNamed() throws IOException {
            Path hdf5 = folder.resolve("x.mnc");
            Files.write(hdf5, "\u0089HDF\r\n\u001a\nxyz".getBytes(StandardCharsets.ISO_8859_1));
            assertThatThrownBy(() -> VolumeFiles.read(hdf5)).hasMessageContaining("HDF5");
            Path dicom = folder.resolve("x.dcm");
            Files.write(dicom, ("\0".repeat(128) + "DICM").getBytes(StandardCharsets.ISO_8859_1));
            assertThatThrownBy(() -> VolumeFiles.read(dicom)).hasMessageContaining("DICOM");
            Path packed = folder.resolve("x.gz");
            try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(packed))) {
                out.write("\u0089PNG".getBytes(StandardCharsets.ISO_8859_1));
            }
            assertThatThrownBy(() -> VolumeFiles.read(packed)).hasMessageContaining("PNG");
        }

        @Test
        void thatIsDamagedIsOfTheFormatThatTheNameSays() throws IOException {
            Path file = Files.writeString(folder.resolve("x.nii.gz"), "short");
            assertThatThrownBy(() -> VolumeFiles.read(file)).hasMessageContaining("expected a NIfTI header");
            assertThatThrownBy(() -> VolumeFiles.read(folder.resolve("absent.nii.gz")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("no such file");
        }
    }
}
