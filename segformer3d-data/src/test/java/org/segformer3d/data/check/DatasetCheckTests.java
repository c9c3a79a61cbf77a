package org.segformer3d.data.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.DatasetLayout;
import org.segformer3d.data.dataset.IncompleteCases;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class DatasetCheckTests {
    private static final Geometry PLACE = Geometry.of(new Grid(6, 7, 8), Affine.scaling(1, 2, 3));

    @TempDir
    Path root;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(root.resolve("dataset.json"), """
                {"channel_names": {"0": "MR"}, "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".nii.gz"}""");
        for (int n = 0; n < 3; n++) {
            image("p" + n, scan(n));
            label("p" + n, map(n));
        }
    }

    private static float[] scan(int seed) {
        Random random = new Random(seed);
        float[] values = new float[PLACE.size().tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = random.nextInt(1000);
        }
        return values;
    }

    private static float[] map(int first) {
        float[] values = new float[PLACE.size().tokens()];
        java.util.Arrays.fill(values, 100 + first, 140, 1);
        java.util.Arrays.fill(values, 140, 160, 2);
        return values;
    }

    private void image(String id, float[] values) throws IOException {
        Path file = root.resolve("imagesTr/" + id + "_0000.nii.gz");
        Files.createDirectories(file.getParent());
        NiftiWriter.write(file, Volume.of(values, 1, PLACE));
    }

    private void label(String id, float[] values) throws IOException {
        Path file = root.resolve("labelsTr/" + id + ".nii.gz");
        Files.createDirectories(file.getParent());
        NiftiWriter.write(file, Volume.of(values, 1, PLACE));
    }

    private CheckReport full() throws IOException {
        return full(Map.of());
    }

    private CheckReport full(Map<String, String> parts) throws IOException {
        IncompleteCases incomplete = new IncompleteCases();
        return new DatasetCheck(DatasetLayout.FOLDERS.read(root, incomplete)).full(incomplete, parts, done -> {});
    }

    private void quick() throws IOException {
        new DatasetCheck(DatasetLayout.FOLDERS.read(root)).quick();
    }

    @Test
    void aSoundDataSetHasNeitherProblemsNorRemarks() throws IOException {
        List<Integer> told = new ArrayList<>();
        CheckReport report =
                new DatasetCheck(DatasetLayout.FOLDERS.read(root)).full(new IncompleteCases(), Map.of(), told::add);

        assertThat(report.problems()).isEmpty();
        assertThat(report.remarks()).isEmpty();
        assertThat(report.cases()).extracting(CaseCheck::id).containsExactly("p0", "p1", "p2");
        assertThat(report.cases().get(0).labels()).containsOnlyKeys(0, 1, 2).containsEntry(1, 40L);
        assertThat(report.toMap()).containsEntry("problems", List.of());
        assertThat(told).containsExactly(1, 2, 3);
        assertThatCode(this::quick).doesNotThrowAnyException();
    }

    @Test
    void aScanAmongTheLabelMapsIsNamedQuicklyToo() throws IOException {
        label("p2", scan(2));

        assertThat(full().problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem).contains("p2: p2.nii.gz looks like an image"));
        assertThatThrownBy(this::quick)
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("p2.nii.gz", "looks like an image");
    }

    @Test
    void severalUnusableCasesAreAllNamed() throws IOException {
        label("p0", scan(5));
        label("p2", scan(2));

        assertThatThrownBy(this::quick)
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("2 cases can't be used", "'p0'", "'p2'", "segformer3d check");
    }

    @Test
    void missingFilesAreProblems() throws IOException {
        Files.delete(root.resolve("imagesTr/p1_0000.nii.gz"));

        CheckReport report = full();

        assertThat(report.problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem).contains("p1: labelsTr/p1.nii.gz has no image"));
        assertThat(report.cases()).extracting(CaseCheck::id).containsExactly("p1", "p0", "p2");
    }

    @Test
    void unreadableFilesAreProblemsOfTheirCases() throws IOException {
        Files.write(root.resolve("imagesTr/p1_0000.nii.gz"), new byte[2000]);

        assertThat(full().problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem).contains("p1: ", "p1_0000.nii.gz"));
    }

    @Test
    void labelMapsOfAnotherSizeAreProblemsQuicklyToo() throws IOException {
        NiftiWriter.write(
                root.resolve("labelsTr/p1.nii.gz"),
                Volume.of(new float[8], 1, Geometry.of(new Grid(2, 2, 2), Affine.IDENTITY)));

        assertThat(full().problems())
                .singleElement()
                .satisfies(problem -> assertThat(problem).contains("p1: ", "2×2×2"));
        assertThatThrownBy(this::quick).hasMessageContainingAll("p1.nii.gz", "2×2×2");
    }

    @Test
    void valuesThatNobodyKnowsAndValuesThatAreNoNumbersAreProblems() throws IOException {
        float[] strange = map(1);
        strange[7] = 9;
        label("p1", strange);
        float[] broken = scan(2);
        broken[3] = Float.NaN;
        broken[4] = Float.POSITIVE_INFINITY;
        image("p2", broken);

        assertThat(full().problems())
                .containsExactly(
                        "p1: p1.nii.gz has the value 9, expected only 0, 1, 2",
                        "p2: channel 'MR' has 2 of 336 voxels that are NaN or infinite");
    }

    @Test
    void emptyLabelMapsUnusedClassesAndEvenScansAreRemarked() throws IOException {
        for (int n = 0; n < 3; n++) {
            float[] one = new float[PLACE.size().tokens()];
            one[n + 5] = n == 2 ? 0 : 1;
            label("p" + n, one);
        }
        image("p1", new float[PLACE.size().tokens()]);

        CheckReport report = full();

        assertThat(report.problems()).isEmpty();
        assertThat(report.remarks())
                .containsExactly(
                        "p1: channel 'MR' is 0.0 everywhere",
                        "p2: p2.nii.gz is empty: nothing is labelled",
                        "no case has a voxel of 'b', value 2");
    }

    @Test
    void scansThatAreThereTwiceAreProblemsHoweverTheyWereCompressed() throws IOException {
        image("p2", scan(0));
        label("p2", map(0));
        Path twin = root.resolve("imagesTr/p2_0000.nii.gz");
        byte[] bytes = Files.readAllBytes(twin);
        bytes[4] ^= 1; // the time in the header of gzip
        Files.write(twin, bytes);

        CheckReport report = full(Map.of("p0", "training", "p1", "training", "p2", "validation"));

        assertThat(report.problems())
                .containsExactly(
                        "p0, p2: the scans are the same, voxel by voxel, of which p0 is for training and p2 is for validation");
        assertThat(report.remarks()).containsExactly("p0, p2: the label maps are the same, voxel by voxel");
        assertThat(full().problems()).containsExactly("p0, p2: the scans are the same, voxel by voxel");
    }
}
