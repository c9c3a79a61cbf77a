package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;

class SynapseReaderTests {
    @TempDir
    Path root;

    private void file(String name) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "");
    }

    @Test
    void pairs_images_with_labels_by_number_wherever_the_archive_put_them() throws IOException {
        file("RawData/Training/img/img0002.nii.gz");
        file("RawData/Training/img/img0001.nii.gz");
        file("RawData/Training/img/img0061.nii.gz");
        file("RawData/Training/label/label0001.nii.gz");
        file("RawData/Training/label/label0002.nii.gz");
        file("RawData/Testing/img/img0070.nii.gz");

        SegmentationDataset dataset = SynapseReader.read(root);

        assertThat(dataset.ids()).containsExactly("img0001", "img0002");
        assertThat(dataset.cases().get(1).label()).hasValue(root.resolve("RawData/Training/label/label0002.nii.gz"));
        assertThat(dataset.unlabelled()).extracting(Case::id).containsExactly("img0061", "img0070");
        assertThat(dataset.channels()).containsExactly("CT");
        assertThat(dataset.labels()).hasSize(14);
        assertThat(DatasetLayout.detect(root)).hasValue(DatasetLayout.SYNAPSE);
    }

    @Test
    void refuses_what_isnt_synapse_and_labels_without_an_image() throws IOException {
        assertThatThrownBy(() -> SynapseReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("img and label", "RawData/Training");
        file("img/img0001.nii.gz");
        file("label/label0003.nii.gz");
        assertThatThrownBy(() -> SynapseReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("label0003", "img0003");
    }

    @Test
    void maps_thirteen_organs_or_the_eight_that_others_report() {
        LabelSpec all = LabelSpec.preset("btcv13");
        LabelSpec eight = LabelSpec.preset("synapse8");
        assertThat(all.channels()).isEqualTo(14);
        assertThat(eight.channels()).isEqualTo(9);
        assertThat(eight.regions().get(0).values()).containsExactly(0, 5, 9, 10, 12, 13);
        for (Region organ : eight.regions().subList(1, 9)) {
            assertThat(all.regions().stream()
                            .filter(one -> one.name().equals(organ.name()))
                            .findFirst())
                    .as(organ.name())
                    .hasValue(organ);
        }
    }
}
