package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.data.dataset.BratsReader.BratsScans;

class BratsReaderTests {
    @TempDir
    private Path root;

    private void files(String folder, String... names) throws IOException {
        for (String name : names) {
            Path file = root.resolve(folder).resolve(name + ".nii.gz");
            Files.createDirectories(file.getParent());
            Files.createFile(file);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "BraTS2021_00001,_,flair,t1,t1ce,t2,seg",
        "BraTS-GLI-00000-000,-,t2f,t1n,t1c,t2W,seg",
        "BraTS-GLI-00001-000,_,t2f,t1n,t1c,t2w,seg",
        "T1_site_2,_,fla_bet,t1_bet,t1c_bet,t2_bet,simple"
    })
    void theModalitiesComeInOneOrderUnderEveryName(
            String name, String separator, String flair, String t1, String t1c, String t2, String seg)
            throws IOException {
        for (String part : List.of(seg, t2, t1c, t1, flair)) {
            files(name, name + separator + part);
        }

        assertThat(BratsReader.isPresent(root)).isTrue();
        BratsScans scans = BratsReader.read(root);

        assertThat(scans.decathlon()).isFalse();
        assertThat(scans.dataset().ids()).containsExactly(name);
        Case one = scans.dataset().cases().get(0);
        assertThat(one.images())
                .extracting(file -> file.getFileName().toString())
                .containsExactly(
                        name + separator + flair + ".nii.gz",
                        name + separator + t1 + ".nii.gz",
                        name + separator + t1c + ".nii.gz",
                        name + separator + t2 + ".nii.gz");
        assertThat(one.label()).contains(root.resolve(name).resolve(name + separator + seg + ".nii.gz"));
    }

    @Test
    void theDecathlonsLayoutIsFoundInTheFolderOrInTrain() throws IOException {
        files("train/imagesTr", "B_1_0000", "B_1_0001", "B_1_0002", "B_1_0003");
        files("train/labelsTr", "B_1");

        BratsScans scans = BratsReader.read(root);

        assertThat(scans.decathlon()).isTrue();
        assertThat(scans.dataset().ids()).containsExactly("B_1");
        assertThat(scans.dataset().channels()).hasSize(4);
        assertThat(BratsReader.read(root.resolve("train")).dataset().cases())
                .isEqualTo(scans.dataset().cases());
    }

    @Test
    void casesMayLieDeeperOrAllInOneFolder() throws IOException {
        files("train/HGG/a", "a_flair", "a_t1", "a_t1ce", "a_t2", "a_seg");
        files("train/LGG/b", "b_flair", "b_t1", "b_t1ce", "b_t2", "b_seg");
        files("flat", "c-1-t2f", "c-1-t1n", "c-1-t1c", "c-1-t2w", "c-1-seg");
        files("flat", "d_2_t2f", "d_2_t1n", "d_2_t1c", "d_2_t2w", "d_2_seg");

        SegmentationDataset dataset = BratsReader.read(root).dataset();

        assertThat(dataset.ids()).containsExactly("a", "b", "c-1", "d_2");
        assertThat(dataset.cases()).allSatisfy(one -> assertThat(one.label()).isPresent());
        assertThat(BratsReader.read(root.resolve("flat")).dataset().ids()).containsExactly("c-1", "d_2");
    }

    @Test
    void aCaseWithoutASegmentationIsKeptApart() throws IOException {
        files("a", "a_flair", "a_t1", "a_t1ce", "a_t2", "a_seg");
        files("b", "b_flair", "b_t1", "b_t1ce", "b_t2");

        SegmentationDataset dataset = BratsReader.read(root).dataset();

        assertThat(dataset.ids()).containsExactly("a");
        assertThat(dataset.unlabelled()).extracting(Case::id).containsExactly("b");
    }

    @Test
    void whatIsMissingOrTwiceIsNamed() throws IOException {
        assertThat(BratsReader.isPresent(root)).isFalse();
        assertThatThrownBy(() -> BratsReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContaining("found no BraTS scans");
        files("a", "a_flair", "a_t1", "a_t2", "a_seg");
        assertThatThrownBy(() -> BratsReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll("no T1_CONTRAST", "t1ce");
        files("a", "a_t1ce", "a_t1c");
        assertThatThrownBy(() -> BratsReader.read(root)).hasMessageContaining("T1_CONTRAST twice");
    }
}
