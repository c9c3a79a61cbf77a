package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class AcdcReaderTests {
    private static final Geometry PLACE = Geometry.of(new Grid(2, 3, 4), Affine.scaling(1.5, 1.5, 10));

    @TempDir
    Path root;

    private void patient(String name, String info, String... files) throws IOException {
        Path folder = Files.createDirectories(root.resolve(name));
        Files.writeString(folder.resolve("Info.cfg"), info);
        for (String file : files) {
            NiftiWriter.write(folder.resolve(file + ".nii.gz"), Volume.of(new float[24], 1, PLACE));
        }
    }

    private void complete(String name, int end) throws IOException {
        String id = Path.of(name).getFileName().toString();
        String last = String.format("%s_frame%02d", id, end);
        patient(
                name,
                "ED: 1\nES: " + end + "\nGroup: DCM\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n",
                id + "_4d",
                id + "_frame01",
                id + "_frame01_gt",
                last,
                last + "_gt");
    }

    private void refused(String... phrases) {
        assertThatThrownBy(() -> AcdcReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll(phrases)
                .message()
                .doesNotContain("\n");
    }

    @Test
    void makes_a_case_of_each_of_the_two_frames_that_the_info_file_names() throws IOException {
        complete("patient002", 9);
        complete("patient001", 12);

        SegmentationDataset dataset = AcdcReader.read(root);

        assertThat(dataset.ids())
                .containsExactly(
                        "patient001_frame01", "patient001_frame12", "patient002_frame01", "patient002_frame09");
        assertThat(dataset.groupOf("patient001_frame12")).isEqualTo("patient001");
        assertThat(dataset.channels()).containsExactly("MRI");
        assertThat(dataset.labels()).extracting(LabelClass::name).containsExactly("background", "RV", "MYO", "LV");
        assertThat(dataset.cases().get(1).label()).hasValue(root.resolve("patient001/patient001_frame12_gt.nii.gz"));
        assertThat(DatasetLayout.detect(root)).hasValue(DatasetLayout.ACDC);
    }

    @Test
    void finds_patients_in_training_and_testing_and_those_without_truth() throws IOException {
        complete("training/patient001", 12);
        patient("testing/patient101", "ED: 1\r\nES: 14\r\n", "patient101_frame01", "patient101_frame14");

        SegmentationDataset dataset = AcdcReader.read(root);

        assertThat(dataset.ids()).containsExactly("patient001_frame01", "patient001_frame12");
        assertThat(dataset.unlabelled())
                .extracting(Case::id)
                .containsExactly("patient101_frame01", "patient101_frame14");
    }

    @Test
    void says_what_is_missing() throws IOException {
        refused("Info.cfg", "patientNNN");
        patient("patient001", "ED: one\nES: 2\n");
        refused("Info.cfg", "ED: one", "ED: 1");
        patient("patient001", "ES: 2\n");
        refused("Info.cfg", "ED missing");
        patient("patient001", "ED: 1\nES: 2\n", "patient001_frame01");
        refused("patient001_frame02", "Info.cfg names it as ES", "patient001_frame02.nii.gz");
        patient("patient001", "ED: 1\nES: 2\n", "patient001_frame01_gt", "patient001_frame02");
        refused("patient001_frame02_gt");
    }

    @Test
    void says_which_patient_has_no_info_file_where_others_have() throws IOException {
        complete("patient001", 12);
        Files.createDirectories(root.resolve("patient002"));
        refused("patient002", "Info.cfg", "no such file", "ED: 1");
        Files.delete(root.resolve("patient001/Info.cfg"));
        // folders of that name alone are no ACDC
        assertThat(DatasetLayout.detect(root)).isEmpty();
    }

    @Test
    void reads_an_info_file_with_a_byte_order_mark() throws IOException {
        patient("patient001", "\uFEFFED: 1\r\nES: 2\r\n", "patient001_frame01", "patient001_frame02");
        assertThat(AcdcReader.read(root).unlabelled()).hasSize(2);
    }

    @Test
    void takes_voxel_sizes_from_pixdim_where_the_sform_is_a_placeholder() throws IOException {
        Path file = root.resolve("frame.nii");
        NiftiWriter.write(file, Volume.of(new float[24], 1, PLACE));
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putShort(252, (short) 0); // qform_code
        bytes.putShort(254, (short) 2); // sform_code
        float[] srow = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0};
        for (int n = 0; n < 12; n++) {
            bytes.putFloat(280 + 4 * n, srow[n]);
        }
        Files.write(file, bytes.array());

        Volume read = CaseReader.read(file);

        assertThat(read.geometry().spacing()).containsExactly(new double[] {1.5, 1.5, 10}, within(1e-6));
        assertThat(read.geometry().orientationCodes()).isEqualTo("LPS");
        Path copy = root.resolve("copy.nii");
        NiftiWriter.write(copy, read);
        ByteBuffer written = ByteBuffer.wrap(Files.readAllBytes(copy)).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(written.getFloat(280)).as("the file's own sform").isEqualTo(-1);
        assertThat(written.getFloat(80)).as("the file's own pixdim").isEqualTo(1.5f);

        bytes.putFloat(280 + 4 * 3, 12); // an origin shows that the sform was meant
        Files.write(file, bytes.array());
        assertThat(CaseReader.read(file).geometry().spacing()).containsExactly(1, 1, 1);
    }

    @Nested
    class OnTheSharedPatients {
        @Test
        void are_sixty_frames_of_thirty_patients() throws IOException {
            Path acdc = Path.of(System.getProperty("segformer3d.shared", "../shared"), "data", "acdc");
            Assumptions.assumeTrue(Files.isDirectory(acdc), "no shared data");

            SegmentationDataset dataset = AcdcReader.read(acdc);

            assertThat(dataset.cases()).hasSize(60);
            assertThat(Split.groups(dataset.ids(), dataset::groupOf)).hasSize(30);
            Volume image = CaseReader.readImage(
                    dataset.select(List.of("patient001_frame12")).get(0), 1);
            assertThat(image.geometry().size()).isEqualTo(new Grid(216, 256, 10));
            assertThat(image.geometry().spacing()).containsExactly(new double[] {1.5625, 1.5625, 10}, within(1e-6));
            Split split = Split.byGroup(dataset.ids(), dataset::groupOf, groups -> Split.trainTest(groups, 0.8, 42));
            assertThat(split.train()).hasSize(48);
            assertThat(split.test()).hasSize(12);
        }
    }
}
