package org.segformer3d.train.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;

class PhantomDatasetTests {
    @TempDir
    private Path folder;

    @Test
    void readsAsADecathlonDataSet() throws IOException {
        new PhantomDataset(6, 1).write(folder.resolve("new/data"));

        SegmentationDataset dataset = DatasetReader.read(folder.resolve("new/data"));

        assertThat(dataset.name()).isEqualTo("Phantom");
        assertThat(dataset.ids()).hasSize(6).contains("phantom_001", "phantom_006");
        assertThat(dataset.channels()).hasSize(1);
        assertThat(dataset.labels()).extracting(LabelClass::name).containsExactly("background", "organ", "lesion");
    }

    @Test
    void everyCaseHasAnOrganWithALesionInVaryingOrientationsAndSizes() throws IOException {
        new PhantomDataset(8, 2).write(folder);

        Set<String> orientations = new TreeSet<>();
        Set<String> sizes = new TreeSet<>();
        for (Case one : DatasetReader.read(folder).cases()) {
            Volume image = NiftiReader.read(one.images().get(0));
            Volume label = NiftiReader.readLabels(one.label().orElseThrow());
            double[] sum = new double[3];
            int[] count = new int[3];
            int[] labels = label.toLabels();
            for (int v = 0; v < labels.length; v++) {
                sum[labels[v]] += image.values()[v];
                count[labels[v]]++;
            }
            assertThat(image.geometry()).isEqualTo(label.geometry());
            assertThat(count[1]).isBetween(2000, 9000);
            assertThat(count[2]).isBetween(150, 1200);
            assertThat(sum[0] / count[0]).isLessThan(sum[1] / count[1]);
            assertThat(sum[1] / count[1]).isLessThan(sum[2] / count[2]);
            orientations.add(image.geometry().orientationCodes());
            sizes.add(image.geometry().size().toString());
        }
        assertThat(orientations).hasSizeGreaterThanOrEqualTo(2);
        assertThat(sizes).hasSizeGreaterThanOrEqualTo(7);
    }

    @Test
    void equalSeedsGiveEqualVoxelsAndOthersOthers() throws IOException {
        for (int seed = 1; seed <= 2; seed++) {
            new PhantomDataset(5, seed).write(folder.resolve("a" + seed));
            new PhantomDataset(5, seed).write(folder.resolve("b" + seed));
        }

        String name = "imagesTr/phantom_003.nii.gz";
        assertThat(folder.resolve("a1").resolve(name))
                .hasSameBinaryContentAs(folder.resolve("b1").resolve(name));
        assertThat(Files.mismatch(
                        folder.resolve("a1").resolve(name), folder.resolve("a2").resolve(name)))
                .isNotNegative();
    }

    @Test
    void aFolderWithSomethingInItIsLeftAlone() throws IOException {
        Files.writeString(folder.resolve("thesis.txt"), "ten years");

        assertThatThrownBy(() -> new PhantomDataset(5, 1).write(folder))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContaining("isn't empty");
        assertThat(folder.resolve("thesis.txt")).hasContent("ten years");
    }

    @Test
    void itsExperimentNamesItsFolders() {
        var config = PhantomDataset.demo().experiment(folder.resolve("data"), folder.resolve("run"));

        assertThat(config.dataset().root()).contains(folder.resolve("data").toAbsolutePath());
        assertThat(config.output().runFolder()).contains(folder.resolve("run").toAbsolutePath());
        assertThat(config.loss().activation().name()).isEqualTo("SOFTMAX");
    }
}
