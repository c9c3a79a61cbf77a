package org.segformer3d.data.dicom;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;

class DicomConverterTests {
    @TempDir
    Path folder;

    private Path scans;

    @BeforeEach
    void writeTwoSeries() throws IOException {
        scans = Files.createDirectories(folder.resolve("scans/deeper")).getParent();
        for (int i = 1; i <= 6; i++) {
            // the slices' order in the files isn't theirs in space
            DicomFile.write(scans.resolve("deeper/a" + (7 - i)), 12, "thin slices", i, 12_000 + i);
            DicomFile.write(scans.resolve("b" + i + ".dcm"), 2, "scout", i, 2_000 + i);
        }
    }

    @Test
    void tellsDicomFromOtherFiles() throws IOException {
        Path nifti = Files.createDirectory(folder.resolve("nifti"));
        Files.write(nifti.resolve("a.nii.gz"), new byte[10]);
        assertThat(DicomConverter.isDicom(scans)).isTrue();
        assertThat(DicomConverter.isDicom(scans.resolve("b1.dcm"))).isTrue();
        assertThat(DicomConverter.isDicom(nifti)).isFalse();
        assertThat(DicomConverter.isDicom(nifti.resolve("a.nii.gz"))).isFalse();
        assertThat(DicomConverter.isDicom(folder.resolve("none"))).isFalse();
        Files.copy(scans.resolve("b1.dcm"), nifti.resolve("b1.dcm"));
        assertThat(DicomConverter.isDicom(nifti)).isFalse();
    }

    @Test
    void namesACaseByItsSource() {
        assertThat(DicomConverter.caseId(Path.of("a/patient.7"))).isEqualTo("patient.7");
        assertThat(DicomConverter.caseId(Path.of("a/patient.ZIP"))).isEqualTo("patient");
        assertThat(DicomConverter.caseId(Path.of("a/b/.."))).isEqualTo("a");
    }

    @Test
    void saysHowToGetTheProgramWhereItIsMissing() {
        assertThatThrownBy(() -> DicomConverter.find(scans, null, folder.toString()))
                .isInstanceOf(DatasetException.class)
                .hasMessageContaining(scans.toString())
                .hasMessageContaining("no dcm2niix on the path")
                .hasMessageContaining("apt-get install dcm2niix");
        assertThatThrownBy(
                        () -> DicomConverter.find(scans, folder.resolve("mine").toString(), "/usr/bin"))
                .hasMessageContaining("mine (SEGFORMER3D_DCM2NIIX)");
    }

    @Nested
    class WithDcm2niix {
        private DicomConverter converter;
        private Path workspace;

        @BeforeEach
        void find() throws IOException {
            try {
                converter = DicomConverter.find(scans);
            } catch (DatasetException e) {
                assumeThat(false).as("dcm2niix is installed").isTrue();
            }
            workspace = Files.createDirectory(folder.resolve("workspace"));
        }

        @Test
        void convertsEverySeriesWhereItLies() throws IOException {
            List<DicomSeries> series = converter.convert(scans, workspace);
            assertThat(series).extracting(DicomSeries::name).containsExactly("2", "12");
            assertThat(series).extracting(DicomSeries::modality).containsOnly("CT");
            assertThat(DicomSeries.list(series)).isEqualTo("2 (CT, scout), 12 (CT, thin slices)");
            assertThat(DicomSeries.find(series, series.get(1).uid())).contains(series.get(1));
            Volume volume = NiftiReader.read(series.get(1).nifti());
            // left-posterior-superior (−4, −8, 2·instance) is right-anterior-superior (4, 8, 2·instance)
            assertThat(nearest(volume, 4, 8, 2)).isEqualTo(12_001);
            assertThat(nearest(volume, 4 - 3 * 0.75, 8, 2)).isEqualTo(12_004);
            assertThat(nearest(volume, 4, 8 - 2 * 1.5, 2)).isEqualTo(12_201);
            assertThat(nearest(volume, 4, 8, 10)).isEqualTo(12_005);
        }

        @Test
        void readsAZipFileWhateverItsNamesAre() throws IOException {
            Path zip = folder.resolve("patient.zip");
            try (OutputStream out = Files.newOutputStream(zip);
                    ZipOutputStream entries = new ZipOutputStream(out)) {
                for (int i = 1; i <= 6; i++) {
                    entries.putNextEntry(new ZipEntry("../../escape" + i));
                    entries.write(Files.readAllBytes(scans.resolve("b" + i + ".dcm")));
                }
            }
            assertThat(DicomConverter.isDicom(zip)).isTrue();
            assertThat(converter.convert(zip, workspace))
                    .extracting(DicomSeries::name)
                    .containsExactly("2");
            assertThat(folder.resolve("../escape1").normalize()).doesNotExist();
            assertThat(folder.resolve("escape1")).doesNotExist();
        }

        @Test
        void refusesWhatMakesNoVolume() throws IOException {
            Path broken = Files.createDirectory(folder.resolve("broken"));
            byte[] start = new byte[200];
            System.arraycopy("DICM".getBytes(java.nio.charset.StandardCharsets.US_ASCII), 0, start, 128, 4);
            Files.write(broken.resolve("a.dcm"), start);
            assertThatThrownBy(() -> converter.convert(broken, workspace))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining(broken.toString())
                    .hasMessageContaining("dcm2niix made no volume of it");
            Path noZip = Files.write(folder.resolve("a.zip"), start);
            assertThatThrownBy(() -> converter.convert(noZip, Files.createDirectory(folder.resolve("other"))))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("not a readable zip file");
        }

        private float nearest(Volume volume, double x, double y, double z) {
            int[] voxel = new int[3];
            double best = Double.MAX_VALUE;
            var size = volume.geometry().size();
            for (int i = 0; i < size.depth(); i++) {
                for (int j = 0; j < size.height(); j++) {
                    for (int k = 0; k < size.width(); k++) {
                        double[] at = volume.geometry().affine().apply(i, j, k);
                        double distance = Math.abs(at[0] - x) + Math.abs(at[1] - y) + Math.abs(at[2] - z);
                        if (distance < best) {
                            best = distance;
                            voxel = new int[] {i, j, k};
                        }
                    }
                }
            }
            assertThat(best).isLessThan(1e-3);
            return volume.get(0, voxel[0], voxel[1], voxel[2]);
        }
    }
}
