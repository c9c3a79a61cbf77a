package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class CaseFilesTests {
    private static final String ONE_CHANNEL =
            "{\"channel_names\": {\"0\": \"MR\"}, \"labels\": {\"background\": 0, \"a\": 1}, \"file_ending\": \".nii.gz\"}";

    @TempDir
    Path root;

    private void files(String folder, String... names) throws IOException {
        for (String name : names) {
            image(folder + "/" + name + ".nii.gz", 1);
        }
    }

    private void image(String name, int channels) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Geometry place = Geometry.of(new Grid(2, 2, 2), Affine.IDENTITY);
        NiftiWriter.write(file, Volume.of(new float[8 * channels], channels, place));
    }

    private void link(String name, String target) throws IOException {
        Path link = root.resolve(name);
        Files.createDirectories(link.getParent());
        Files.createSymbolicLink(link, Path.of(target));
    }

    private List<String> predicted(int channels, String... inputs) throws IOException {
        return PredictionInputs.find(List.of(inputs).stream().map(root::resolve).toList(), channels).stream()
                .map(Case::id)
                .toList();
    }

    private void refused(Path where, String... phrases) {
        assertThatThrownBy(() -> DatasetReader.read(where))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll(phrases)
                .message()
                .doesNotContain("\n");
    }

    @Nested
    class NamesThatEndInFourDigits {
        @Test
        void areWholeWhereTheLabelsSaySo() throws IOException {
            files("imagesTr", "img_0000", "img_0001", "img_0002");
            files("labelsTr", "img_0000", "img_0001", "img_0002");
            Files.writeString(root.resolve("dataset.json"), ONE_CHANNEL);

            assertThat(DatasetReader.read(root).ids()).containsExactly("img_0000", "img_0001", "img_0002");
            assertThat(predicted(1, "imagesTr")).containsExactly("img_0000", "img_0001", "img_0002");
            assertThat(predicted(1, "imagesTr/img_0000.nii.gz")).containsExactly("img_0000");
        }

        @Test
        void areWholeInTheTestFolderWhereTheyAreInTheTrainingFolder() throws IOException {
            files("imagesTr", "amos_0001", "amos_0004");
            files("labelsTr", "amos_0001", "amos_0004");
            files("imagesTs", "amos_0000", "amos_0001", "amos_0011");

            assertThat(DatasetReader.read(root).unlabelled())
                    .extracting(Case::id)
                    .containsExactly("amos_0000", "amos_0001", "amos_0011");
            assertThat(predicted(1, "imagesTs")).containsExactly("amos_0000", "amos_0001", "amos_0011");
        }

        @Test
        void areChannelsInTheTestFolderWhereTheyAreInTheTrainingFolder() throws IOException {
            files("imagesTr", "p_0000", "p_0001");
            files("labelsTr", "p");
            files("imagesTs", "q_0000", "q_0001");

            assertThat(DatasetReader.read(root).unlabelled())
                    .extracting(Case::id)
                    .containsExactly("q");
            assertThat(predicted(2, "imagesTs")).containsExactly("q");
        }

        @Test
        void areWholeWhereTheListOfTheDataSetSaysSo() throws IOException {
            files("imagesTr", "img_0000", "img_0001");
            files("labelsTr", "img_0000", "img_0001");
            files("imagesTs", "img_0002", "img_0000");
            Files.writeString(root.resolve("dataset.json"), """
                    {"modality": {"0": "MR"}, "labels": {"0": "background", "1": "a"},
                     "training": [{"image": "./imagesTr/img_0000.nii.gz", "label": "./labelsTr/img_0000.nii.gz"},
                                  {"image": "./imagesTr/img_0001.nii.gz", "label": "./labelsTr/img_0001.nii.gz"}],
                     "test": ["./imagesTs/img_0000.nii.gz", "./imagesTs/img_0002.nii.gz"]}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.ids()).containsExactly("img_0000", "img_0001");
            assertThat(dataset.unlabelled()).extracting(Case::id).containsExactly("img_0000", "img_0002");
            assertThat(predicted(1, "imagesTs")).containsExactly("img_0000", "img_0002");
        }

        @Test
        void areWholeWhereEachFileHoldsAllChannels() throws IOException {
            image("d/img_0000.nii.gz", 2);
            image("d/img_0001.nii.gz", 2);

            assertThat(predicted(2, "d")).containsExactly("img_0000", "img_0001");
        }

        @Test
        void areWholeWhereThereIsNoFirstChannel() throws IOException {
            files("d", "amos_0008", "amos_0011");

            assertThat(predicted(1, "d")).containsExactly("amos_0008", "amos_0011");
        }

        @Test
        void areRefusedWhereNothingTellsAndTheModelTakesOneChannel() throws IOException {
            files("d", "p0_0000", "p0_0001", "p1_0000", "p1_0001", "p2_0000");

            assertThatThrownBy(() -> predicted(1, "d"))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll(
                            "2 cases are incomplete",
                            "'p0' (has 2 channel files, p0_0000.nii.gz, p0_0001.nii.gz, expected 1",
                            "'p1'",
                            "--whole-names");
            assertThat(PredictionInputs.search(List.of(root.resolve("d")), 1, false)
                            .cases())
                    .extracting(Case::id)
                    .containsExactly("p2");
            assertThat(PredictionInputs.search(List.of(root.resolve("d")), 1, true)
                            .cases())
                    .extracting(Case::id)
                    .containsExactly("p0_0000", "p0_0001", "p1_0000", "p1_0001", "p2_0000");
        }

        @Test
        void mayBeBothInOneFolder() throws IOException {
            files("imagesTr", "a_0000", "b_0007_0000");
            files("labelsTr", "a", "b_0007");

            assertThat(DatasetReader.read(root).ids()).containsExactly("a", "b_0007");
        }
    }

    @Nested
    class FilesThatAreNotThere {
        @Test
        void stopTheCommandAndAreNamed() throws IOException {
            files("imagesTr", "p0_0000", "p5_0000");
            files("labelsTr", "p0", "p1", "p4");
            link("imagesTr/p1_0000.nii.gz", "../.git/annex/objects/xx/p1.nii.gz");
            link("labelsTr/p5.nii.gz", "nowhere.nii.gz");

            refused(
                    root,
                    "3 cases are incomplete",
                    "'p1' (imagesTr/p1_0000.nii.gz is a link to ../.git/annex/objects/xx/p1.nii.gz, which isn't there; get it with git annex get",
                    "'p5' (labelsTr/p5.nii.gz is a link to nowhere.nii.gz, which isn't there)",
                    "'p4' (labelsTr/p4.nii.gz has no image, expected imagesTr/p4_0000.nii.gz)",
                    "--skip-incomplete");
            assertThat(DatasetLayout.FOLDERS.readComplete(root).ids()).containsExactly("p0");
            assertThatThrownBy(() -> predicted(1, "imagesTr"))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("'p1'", "which isn't there");
        }

        @Test
        void areFoundWhereADataSetListsThem() throws IOException {
            files("imagesTr", "a");
            link("imagesTr/b.nii.gz", "gone");
            files("labelsTr", "a", "b");
            Files.writeString(root.resolve("dataset.json"), """
                    {"training": [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"},
                                  {"image": "imagesTr/b.nii.gz", "label": "labelsTr/b.nii.gz"}]}""");

            refused(root, "1 case is incomplete", "'b' (imagesTr/b.nii.gz is a link to gone, which isn't there)");
        }

        @Test
        void mayHaveAPointerInTheirPlace() throws IOException {
            files("imagesTr", "a_0000", "d_0000");
            files("labelsTr", "a", "b", "c", "d");
            Files.writeString(root.resolve("imagesTr/b_0000.nii.gz"), "../.git/annex/objects/xx/b.nii.gz");
            Files.writeString(root.resolve("imagesTr/c_0000.nii.gz"), "/annex/objects/MD5E-s1--00.nii.gz\n");
            Files.writeString(
                    root.resolve("labelsTr/d.nii.gz"),
                    "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");

            refused(
                    root,
                    "'b' (imagesTr/b_0000.nii.gz is a pointer of git-annex",
                    "'c' (imagesTr/c_0000.nii.gz is a pointer of git-annex",
                    "'d' (labelsTr/d.nii.gz is a pointer of Git LFS");
        }

        @Test
        void leaveNothingWhereNoCaseIsComplete() throws IOException {
            files("imagesTr", "a_0000");
            Files.createDirectories(root.resolve("labelsTr"));

            assertThatThrownBy(() -> DatasetLayout.FOLDERS.readComplete(root))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("'a");
        }

        @Test
        void doNotMatterAmongTestImages() throws IOException {
            files("imagesTr", "a_0000");
            files("labelsTr", "a");
            files("imagesTs", "b_0000", "c_0000", "c_0001");
            link("imagesTs/d_0000.nii.gz", "gone");

            assertThat(DatasetReader.read(root).unlabelled())
                    .extracting(Case::id)
                    .containsExactly("b");
        }
    }

    @Nested
    class FilesOfOtherKinds {
        @Test
        void besideACasesImageCountNowhere() throws IOException {
            files("p", "a", "b");
            for (String name : List.of("a.npz", "b.npz", "b.npy", "a.pkl", "a.json", "c.npz")) {
                Files.writeString(root.resolve("p").resolve(name), "something");
            }

            assertThat(CaseFiles.byName(root.resolve("p"))).containsOnlyKeys("a", "b");
        }

        @Test
        void countWhereThereIsNothingElse() throws IOException {
            Files.createDirectories(root.resolve("p"));
            Files.writeString(root.resolve("p/a.npz"), "something");

            assertThat(CaseFiles.byName(root.resolve("p"))).containsOnlyKeys("a");
        }

        @Test
        void countNowhereWhereTheDataSetStatesAnEnding() throws IOException {
            files("labelsTr", "a");
            image("labelsTr/a.nii", 1);
            image("labelsTr/b.nii", 1);
            Files.writeString(root.resolve("dataset.json"), ONE_CHANNEL);

            assertThat(CaseFiles.byName(root.resolve("labelsTr"))).containsOnlyKeys("a");
        }

        @Test
        void ofOneNameAreRefusedWhereNothingTells() throws IOException {
            files("p", "a");
            image("p/a.nii", 1);

            assertThatThrownBy(() -> CaseFiles.byName(root.resolve("p")))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("a.nii", "a.nii.gz", "one file a case");
        }
    }

    @Nested
    class Names {
        @Test
        void withDotsBlanksBracketsAndUmlautsStayAsTheyAre() throws IOException {
            String[] names = {"1.2.3.4.5", "Fall 7 (neu)", "x.nii", "Übung [2]"};
            files("imagesTr", "1.2.3.4.5_0000", "Fall 7 (neu)_0000", "x.nii_0000", "Übung [2]_0000");
            files("labelsTr", names);

            assertThat(DatasetReader.read(root).ids()).containsExactly(names);
            assertThat(predicted(1, "imagesTr")).containsExactly(names);
        }

        @Test
        void areTheSameWhetherAMacWroteTheirUmlautsOrNot() throws IOException {
            files("imagesTr", "Mu\u0308ller_0000");
            files("labelsTr", "M\u00fcller");

            assertThat(DatasetReader.read(root).ids()).containsExactly("M\u00fcller");
        }

        @Test
        void ofTwoFilesOfOneCommandMustDiffer() throws IOException {
            files("A", "t1");
            files("B", "t1");

            assertThatThrownBy(() -> predicted(1, "A/t1.nii.gz", "B/t1.nii.gz"))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("A/t1.nii.gz", "B/t1.nii.gz", "the same name");
        }
    }
}
