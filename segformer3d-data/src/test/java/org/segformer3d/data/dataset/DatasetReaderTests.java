package org.segformer3d.data.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.npy.NpyFile;
import org.segformer3d.data.npy.NpzFile;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

class DatasetReaderTests {
    private static final Geometry PLACE = Geometry.of(new Grid(2, 3, 4), Affine.scaling(1, 2, 3));

    @TempDir
    Path root;

    private Path image(String name, int channels, float value) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        float[] values = new float[24 * channels];
        java.util.Arrays.fill(values, value);
        NiftiWriter.write(file, Volume.of(values, channels, PLACE));
        return file;
    }

    private void json(String text) throws IOException {
        Files.writeString(root.resolve("dataset.json"), text.replace('\'', '"'));
    }

    private void refused(String... phrases) {
        assertThatThrownBy(() -> DatasetReader.read(root))
                .isInstanceOf(DatasetException.class)
                .hasMessageContainingAll(phrases)
                .message()
                .doesNotContain("\n");
    }

    private static List<String> names(Case one) {
        return one.images().stream().map(file -> file.getFileName().toString()).toList();
    }

    @Nested
    class Decathlon {
        @Test
        void casesAreThoseListed() throws IOException {
            image("imagesTr/b.nii.gz", 1, 0);
            image("imagesTr/a.nii.gz", 1, 0);
            image("imagesTr/unlisted.nii.gz", 1, 0);
            image("labelsTr/a.nii.gz", 1, 0);
            image("labelsTr/b.nii.gz", 1, 0);
            image("imagesTs/t.nii.gz", 1, 0);
            json("""
                    {'name': 'Spleen', 'modality': {'0': 'CT'}, 'labels': {'1': 'spleen', '0': 'background'},
                     'training': [{'image': './imagesTr/b.nii.gz', 'label': './labelsTr/b.nii.gz'},
                                  {'image': './imagesTr/a.nii.gz', 'label': './labelsTr/a.nii.gz'}],
                     'test': ['./imagesTs/t.nii.gz', './imagesTs/absent.nii.gz']}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.name()).isEqualTo("Spleen");
            assertThat(dataset.channels()).containsExactly("CT");
            assertThat(dataset.labels()).containsExactly(LabelClass.of(0, "background"), LabelClass.of(1, "spleen"));
            assertThat(dataset.ids()).containsExactly("a", "b");
            assertThat(dataset.cases().get(0).label()).hasValue(root.resolve("labelsTr/a.nii.gz"));
            assertThat(dataset.unlabelled()).extracting(Case::id).containsExactly("t");
            assertThat(DatasetReader.read(root.resolve("dataset.json")).ids()).isEqualTo(dataset.ids());
        }

        @Test
        void severalChannelsMayBeInOneFile() throws IOException {
            image("imagesTr/BRATS_001.nii.gz", 4, 0);
            image("labelsTr/BRATS_001.nii.gz", 1, 0);
            json("""
                    {'modality': {'0': 'FLAIR', '1': 'T1w', '2': 't1gd', '3': 'T2w'}, 'labels': {'0': 'background'},
                     'training': [{'image': './imagesTr/BRATS_001.nii.gz', 'label': './labelsTr/BRATS_001.nii.gz'}]}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.channels()).containsExactly("FLAIR", "T1w", "t1gd", "T2w");
            assertThat(CaseReader.readImage(dataset.cases().get(0), 4).channels())
                    .isEqualTo(4);
        }

        @Test
        void missingFilesAreNamed() throws IOException {
            image("imagesTr/a.nii.gz", 1, 0);
            json("""
                    {'training': [{'image': './imagesTr/a.nii.gz', 'label': './labelsTr/a.nii.gz'},
                                  {'image': './imagesTr/b.nii.gz', 'label': './labelsTr/b.nii.gz'}]}""");

            refused(
                    "2 cases are incomplete",
                    "'a' (labelsTr/a.nii.gz is missing)",
                    "'b' (imagesTr/b.nii.gz is missing; labelsTr/b.nii.gz is missing)");
        }

        @Test
        void theRealOneIsRead() throws IOException {
            Path hippocampus =
                    Path.of(System.getProperty("segformer3d.shared", "../shared"), "data", "Task04_Hippocampus");
            Assumptions.assumeTrue(Files.isDirectory(hippocampus), "no shared data here");

            SegmentationDataset dataset = DatasetReader.read(hippocampus);

            assertThat(dataset.cases()).hasSize(195);
            assertThat(dataset.labels())
                    .extracting(LabelClass::name)
                    .containsExactly("background", "Anterior", "Posterior");
            Case first = dataset.cases().get(0);
            Volume image = CaseReader.readImage(first, 1);
            assertThat(CaseReader.readLabel(first, image.geometry()).toLabels()).contains(0, 1, 2);
        }
    }

    @Nested
    class NnUNet {
        private void twoCases() throws IOException {
            for (String id : List.of("case_02", "case_01")) {
                image("imagesTr/" + id + "_0001.nii.gz", 1, 1);
                image("imagesTr/" + id + "_0000.nii.gz", 1, 0);
                image("labelsTr/" + id + ".nii.gz", 1, 2);
            }
        }

        @Test
        void version1ListsCasesWithoutChannelSuffixes() throws IOException {
            twoCases();
            json("""
                    {'modality': {'0': 'T1', '1': 'T2'}, 'labels': {'0': 'background', '1': 'x'},
                     'training': [{'image': './imagesTr/case_02.nii.gz', 'label': './labelsTr/case_02.nii.gz'},
                                  {'image': './imagesTr/case_01.nii.gz', 'label': './labelsTr/case_01.nii.gz'}]}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.ids()).containsExactly("case_01", "case_02");
            assertThat(names(dataset.cases().get(0))).containsExactly("case_01_0000.nii.gz", "case_01_0001.nii.gz");
        }

        @Test
        void version2IsSearchedForItsCases() throws IOException {
            twoCases();
            image("imagesTs/case_03_0000.nii.gz", 1, 0);
            image("imagesTs/case_03_0001.nii.gz", 1, 0);
            Files.writeString(root.resolve("imagesTr/._case_01_0000.nii.gz"), "a Mac was here");
            json("""
                    {'channel_names': {'1': 'T2', '0': 'T1'}, 'labels': {'tumor': 2, 'background': 0, 'edema': 1},
                     'numTraining': 2, 'file_ending': '.nii.gz'}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.channels()).containsExactly("T1", "T2");
            assertThat(dataset.labels())
                    .containsExactly(
                            LabelClass.of(0, "background"), LabelClass.of(1, "edema"), LabelClass.of(2, "tumor"));
            assertThat(dataset.ids()).containsExactly("case_01", "case_02");
            assertThat(dataset.unlabelled()).extracting(Case::id).containsExactly("case_03");
            Volume image = CaseReader.readImage(dataset.cases().get(1), 2);
            assertThat(image.get(0, 0, 0, 0)).isEqualTo(0);
            assertThat(image.get(1, 0, 0, 0)).isEqualTo(1);
        }

        @Test
        void regionsKeepTheirOrderBehindTheBackground() throws IOException {
            twoCases();
            json("""
                    {'channel_names': ['T1', 'T2'], 'numTraining': 2, 'file_ending': '.nii.gz',
                     'labels': {'whole': [1, 2, 3], 'core': [2, 3], 'background': 0, 'enhancing': 3, 'ignore': 4}}""");

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.hasRegions()).isTrue();
            assertThat(dataset.labels())
                    .containsExactly(
                            LabelClass.of(0, "background"),
                            new LabelClass("whole", List.of(1, 2, 3)),
                            new LabelClass("core", List.of(2, 3)),
                            LabelClass.of(3, "enhancing"),
                            LabelClass.of(4, "ignore"));
            assertThat(dataset.labels().get(4).isIgnore()).isTrue();
        }

        @Test
        void regionsAreWrittenAsTheirOrderSays() throws IOException {
            twoCases();
            json("""
                    {'channel_names': ['T1', 'T2'], 'numTraining': 2, 'regions_class_order': [4, 3, 1],
                     'labels': {'background': 0, 'whole': [1, 2, 3, 4], 'core': [1, 2, 3], 'enhancing': 1, 'ignore': 9}}""");

            assertThat(DatasetReader.read(root).labels())
                    .containsExactly(
                            LabelClass.of(0, "background"),
                            new LabelClass("whole", List.of(1, 2, 3, 4)).writtenAs(4),
                            new LabelClass("core", List.of(1, 2, 3)).writtenAs(3),
                            LabelClass.of(1, "enhancing").writtenAs(1),
                            LabelClass.of(9, "ignore"));
        }

        @Test
        void anOrderThatDoesNotFitTheRegionsIsRefused() throws IOException {
            twoCases();
            for (String order : List.of("[4, 3]", "[1, 3, 4]", "[4, 3, 1, 9]", "[3, 3, 1]", "[4, 3, 0]", "4", "{}")) {
                json("{'channel_names': ['T1', 'T2'], 'regions_class_order': " + order
                        + ", 'labels': {'background': 0, 'whole': [1, 2, 3, 4], 'core': [1, 2, 3], 'enhancing': 1}}");
                refused("regions_class_order", "whole [1, 2, 3, 4], core [1, 2, 3], enhancing [1], in this order");
            }
            json("{'channel_names': ['T1', 'T2'], 'regions_class_order': [4, 3, 'x'],"
                    + " 'labels': {'background': 0, 'whole': [1, 2, 3, 4], 'core': [1, 2, 3], 'enhancing': 1}}");
            refused("regions_class_order", "'x'", "whole number");
        }

        @Test
        void anOrderOfPlainClassesMeansNothingButHasToFit() throws IOException {
            twoCases();
            String labels = ", 'channel_names': ['T1', 'T2'], 'labels': {'b': 2, 'background': 0, 'a': 1}}";
            json("{'regions_class_order': [2, 1]" + labels);
            assertThat(DatasetReader.read(root).labels())
                    .containsExactly(LabelClass.of(0, "background"), LabelClass.of(1, "a"), LabelClass.of(2, "b"));
            json("{'regions_class_order': [1, 2]" + labels);
            refused("regions_class_order", "'b' as 1");
        }

        @Test
        void aKeyThatStandsTwiceIsRefused() throws IOException {
            twoCases();
            json("{'channel_names': {'0': 'T1', '1': 'T2'}, 'labels': {'background': 0, 'a': 1, 'a': 2}}");
            refused("Duplicate", "'a'");
            json("{'channel_names': {'0': 'T1', '00': 'T2'}, 'labels': {'background': 0}}");
            refused("channel_names", "00");
        }

        @Test
        void channelsMayBeInAnyOrderAndUnderTheOlderName() throws IOException {
            twoCases();
            for (String key : List.of("channel_names", "modality")) {
                json("{'" + key + "': {'1': 'T2', '0': 'T1'}, 'labels': {'0': 'background', '1': 'a'}}");
                assertThat(DatasetReader.read(root).channels()).containsExactly("T1", "T2");
            }
            json("{'channel_names': {'0': 'T1', '2': 'T2'}}");
            refused("channel_names", "[0, 2]", "0 to 1");
            json("{'channel_names': {'T1': 0, 'T2': 1}}");
            refused("channel_names", "'T1'", "whole number");
            json("{'channel_names': {'0': 'T1', '1': {}}}");
            refused("channel_names", "{}", "name of a channel");
        }

        @Test
        void valuesOfLabelsMayBeText() throws IOException {
            twoCases();
            json("{'channel_names': ['T1', 'T2'], 'labels': {'background': '0', 'a': '1', 'all': ['1', 2]}}");
            assertThat(DatasetReader.read(root).labels())
                    .containsExactly(
                            LabelClass.of(0, "background"),
                            LabelClass.of(1, "a"),
                            new LabelClass("all", List.of(1, 2)));
            json("{'channel_names': ['T1', 'T2'], 'labels': {'background': 0, 'a': 1.5}}");
            refused("'a'", "1.5", "whole number");
            json("{'channel_names': ['T1', 'T2'], 'labels': {'background': 0, 'a': null}}");
            refused("'a'", "null", "whole number");
        }

        @Test
        void casesMayBeGivenFileByFile() throws IOException {
            Path a = image("elsewhere/a.nii.gz", 1, 0);
            image("elsewhere/b.nii.gz", 1, 0);
            image("elsewhere/seg.nii.gz", 1, 0);
            json("{'channel_names': {'0': 'T1', '1': 'T2'}, 'labels': {'background': 0}, 'file_ending': '.nii.gz',"
                    + " 'dataset': {'one': {'images': ['elsewhere/a.nii.gz', '" + root.resolve("elsewhere/b.nii.gz")
                    + "'], 'label': 'elsewhere/seg.nii.gz'}}}");

            Case one = DatasetReader.read(root).cases().get(0);

            assertThat(one.id()).isEqualTo("one");
            assertThat(one.images()).containsExactly(a, root.resolve("elsewhere/b.nii.gz"));
        }

        @Test
        void aMissingChannelOrLabelIsNamed() throws IOException {
            twoCases();
            json("{'channel_names': {'0': 'T1', '1': 'T2'}, 'labels': {'background': 0}}");
            Files.delete(root.resolve("imagesTr/case_01_0001.nii.gz"));
            refused("case_01", "1 channel file", "expected 2 (T1, T2)");

            image("imagesTr/case_01_0002.nii.gz", 1, 0);
            refused("case_01_0002.nii.gz", "_0001");

            twoCases();
            Files.delete(root.resolve("imagesTr/case_01_0002.nii.gz"));
            Files.delete(root.resolve("labelsTr/case_02.nii.gz"));
            refused("labelsTr/case_02.nii.gz");
        }

        @Test
        void formatsThatAreNotReadAreRefused() throws IOException {
            json("{'channel_names': {'0': 'T1'}, 'labels': {'background': 0}, 'file_ending': '.tiff'}");

            refused(".tiff", ".nii.gz");
        }
    }

    @Nested
    class WithoutDescription {
        @Test
        void casesAreFoundByTheirNames() throws IOException {
            image("imagesTr/x_0000.nii.gz", 1, 0);
            image("imagesTr/x_0001.nii.gz", 1, 0);
            image("labelsTr/x.nii.gz", 1, 0);

            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(names(dataset.cases().get(0))).containsExactly("x_0000.nii.gz", "x_0001.nii.gz");
            assertThat(dataset.channels()).containsExactly("channel 0", "channel 1");
            assertThat(dataset.labels()).isEmpty();
        }

        @Test
        void aNumberInTheNameIsNoChannelWhenTheLabelHasItToo() throws IOException {
            image("imagesTr/patient_0001.nii.gz", 1, 0);
            image("imagesTr/patient_0002.nii.gz", 1, 0);
            image("labelsTr/patient_0001.nii.gz", 1, 0);
            image("labelsTr/patient_0002.nii.gz", 1, 0);

            assertThat(DatasetReader.read(root).ids()).containsExactly("patient_0001", "patient_0002");
        }

        @Test
        void wrongPathsAndEmptyFoldersSayWhatWasLookedFor() throws IOException {
            assertThatThrownBy(() -> DatasetReader.read(root.resolve("absent")))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("absent", "dataset.json", "imagesTr");
            refused("neither dataset.json nor imagesTr");
            Files.createDirectories(root.resolve("imagesTr"));
            refused("no labelsTr");
            Files.createDirectories(root.resolve("labelsTr"));
            refused("imagesTr", "no images found");
        }
    }

    @Nested
    class Descriptions {
        @Test
        void thatAreDamagedAreRefused() throws IOException {
            image("imagesTr/a.nii.gz", 1, 0);
            image("labelsTr/a.nii.gz", 1, 0);
            json("{'training': [");
            refused("dataset.json", "not valid JSON");
            json("[]");
            refused("expected a JSON object");
            json("{'training': ['a']}");
            refused("\"a\"", "image and label");
            json("{'labels': {'x': 1.5}}");
            refused("'x'", "1.5");
            json("{'labels': {'x': 1, 'y': 1}}");
            refused("two labels have the value 1");
            json("{'labels': 5}");
            refused("labels = 5");
            json("{'modality': {'0': 'T1', '2': 'T2'}}");
            refused("[0, 2]");
            json("{'modality': {'zero': 'T1'}}");
            refused("'zero'");
            json("{'training': [{'image': 'imagesTr/a.nii.gz', 'label': 'labelsTr/a.nii.gz'},"
                    + " {'image': 'imagesTr/a.nii.gz', 'label': 'labelsTr/a.nii.gz'}]}");
            refused("two training cases", "'a'");
        }
    }

    @Nested
    class Reading {
        @Test
        void refusesALabelOfAnotherSizeOrPlaceAndElseTakesTheImagesPlace() throws IOException {
            Path image = image("i.nii.gz", 1, 0);
            Path label = root.resolve("l.nii.gz");
            Case one = new Case("one", List.of(image), java.util.Optional.of(label));
            NiftiWriter.writeLabels(
                    label,
                    Volume.of(
                            new float[24],
                            1,
                            Geometry.of(PLACE.size(), PLACE.affine().translatedVoxels(0, 0, 0.4))));
            assertThat(CaseReader.readLabel(one, PLACE).geometry()).isSameAs(PLACE);

            NiftiWriter.writeLabels(
                    label, Volume.of(new float[24], 1, Geometry.of(new Grid(2, 3, 4), Affine.IDENTITY)));
            assertThatThrownBy(() -> CaseReader.readLabel(one, PLACE))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll(
                            "l.nii.gz", "i.nii.gz", "[1.0 1.0 1.0]", "[1.0 2.0 3.0]", "ignore_geometry");
            assertThat(CaseReader.readLabel(one.ignoringGeometry(), PLACE).geometry())
                    .isSameAs(PLACE);

            NiftiWriter.writeLabels(
                    label, Volume.of(new float[24], 1, Geometry.of(new Grid(4, 3, 2), Affine.IDENTITY)));
            assertThatThrownBy(() -> CaseReader.readLabel(one, PLACE))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("l.nii.gz", "4×3×2", "2×3×4");
        }

        @Test
        void refusesChannelsFromDifferentPlacesOrInAnotherNumber() throws IOException {
            Path a = image("a.nii.gz", 1, 0);
            Path b = root.resolve("b.nii.gz");
            NiftiWriter.write(b, Volume.of(new float[24], 1, Geometry.of(new Grid(4, 3, 2), Affine.IDENTITY)));
            Case one = new Case("one", List.of(a, b), java.util.Optional.empty());
            assertThatThrownBy(() -> CaseReader.readImage(one, 2))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("'one'", "b.nii.gz", "4×3×2");
            NiftiWriter.write(
                    b,
                    Volume.of(
                            new float[24],
                            1,
                            Geometry.of(PLACE.size(), PLACE.affine().translatedVoxels(3, 0, 0))));
            assertThatThrownBy(() -> CaseReader.readImage(one, 2))
                    .hasMessageContainingAll("b.nii.gz", "3 voxels apart");
            assertThat(CaseReader.readImage(one.ignoringGeometry(), 2).channels())
                    .isEqualTo(2);
            Case single = new Case("single", List.of(a), java.util.Optional.empty());
            assertThatThrownBy(() -> CaseReader.readImage(single, 2))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("1 channel", "expected 2");
        }

        @Test
        void takesArraysAsImages() throws IOException {
            float[] values = new float[24];
            values[23] = 5;
            NpyFile.write(root.resolve("x.npy"), HostTensor.of(values, 2, 3, 4));
            NpzFile.write(root.resolve("y.npz"), java.util.Map.of("image", HostTensor.of(values, 2, 1, 3, 4)));
            NpyFile.write(root.resolve("z.npy"), HostTensor.of(values, 24));

            assertThat(CaseReader.read(root.resolve("x.npy")).get(0, 1, 2, 3)).isEqualTo(5);
            assertThat(CaseReader.read(root.resolve("y.npz")).channels()).isEqualTo(2);
            assertThatThrownBy(() -> CaseReader.read(root.resolve("z.npy")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("(D,H,W)");
        }
    }

    @Nested
    class Inputs {
        private List<String> found(int channels, String... names) throws IOException {
            List<Path> paths = List.of(names).stream().map(root::resolve).toList();
            return PredictionInputs.find(paths, channels).stream()
                    .map(one -> one.id() + "=" + names(one))
                    .toList();
        }

        @Test
        void ofAOneChannelModelAreOneCaseEach() throws IOException {
            image("d/b.nii.gz", 1, 0);
            image("d/a.nii", 1, 0);
            image("d/c_0000.nii.gz", 1, 0);
            image("e.nii.gz", 1, 0);

            assertThat(found(1, "d", "e.nii.gz"))
                    .containsExactly("c=[c_0000.nii.gz]", "a=[a.nii]", "b=[b.nii.gz]", "e=[e.nii.gz]");
        }

        @Test
        void givenOneByOneAreTheChannelsOfOneCaseInThatOrder() throws IOException {
            image("s/scan-t2.nii.gz", 1, 0);
            image("s/scan-t1.nii.gz", 1, 0);

            assertThat(found(2, "s/scan-t2.nii.gz", "s/scan-t1.nii.gz"))
                    .containsExactly("scan=[scan-t2.nii.gz, scan-t1.nii.gz]");
        }

        @Test
        void areNamedAfterAPairsHeaderWhicheverHalfIsGiven() throws IOException {
            Files.write(root.resolve("p.img"), new byte[48]);
            Files.write(root.resolve("p.hdr"), new byte[348]);

            assertThat(found(1, "p.img")).containsExactly("p=[p.img]");
            assertThat(PredictionInputs.find(List.of(root), 1))
                    .extracting(Case::id)
                    .containsExactly("p");
        }

        @Test
        void areGroupedByTheirChannelSuffixes() throws IOException {
            for (String name : List.of("a_0001", "a_0000", "b_0000", "b_0001")) {
                image("d/" + name + ".nii.gz", 1, 0);
            }
            image("d/four_d.nii.gz", 2, 0);

            assertThat(found(2, "d"))
                    .containsExactly(
                            "a=[a_0000.nii.gz, a_0001.nii.gz]",
                            "b=[b_0000.nii.gz, b_0001.nii.gz]",
                            "four_d=[four_d.nii.gz]");
        }

        @Test
        void holdAllChannelsWhenTheyAre4D() throws IOException {
            image("a.nii.gz", 2, 0);
            image("b.nii.gz", 2, 0);

            assertThat(found(2, "a.nii.gz", "b.nii.gz")).containsExactly("a=[a.nii.gz]", "b=[b.nii.gz]");
        }

        @Test
        void thatDoNotAddUpAreRefused() throws IOException {
            image("a.nii.gz", 1, 0);
            image("x/a.nii.gz", 1, 0);
            image("c/c_0000.nii.gz", 1, 0);
            Files.createDirectories(root.resolve("empty"));

            assertRefused(2, "expected 2 channels", "a.nii.gz");
            assertRefused(1, "no such file or folder", "absent.nii.gz");
            assertRefused(1, "no images in this folder", "empty");
            assertRefused(1, "the same name", "a.nii.gz", "x/a.nii.gz");
            assertRefused(2, "'c' (has 1 channel file, c_0000.nii.gz, expected 2)", "c");
        }

        private void assertRefused(int channels, String phrase, String... names) {
            assertThatThrownBy(() -> found(channels, names))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining(phrase);
        }
    }

    @Nested
    class Splits {
        private final List<String> ids =
                IntStream.range(0, 195).mapToObj(n -> "case_" + n).collect(Collectors.toList());

        @Test
        void dependOnTheSeedAndNotOnTheOrder() {
            Split split = Split.trainTest(ids, 0.8, 42);
            java.util.Collections.reverse(ids);

            assertThat(Split.trainTest(ids, 0.8, 42)).isEqualTo(split);
            assertThat(Split.trainTest(ids, 0.8, 43)).isNotEqualTo(split);
            assertThat(split.train()).hasSize(156);
            assertThat(split.test()).hasSize(39).doesNotContainAnyElementsOf(split.train());
        }

        @Test
        void areTheSameOnEveryMachine() {
            assertThat(Split.trainTest(List.of("a", "b", "c", "d", "e"), 0.6, 1))
                    .isEqualTo(new Split(List.of("b", "c", "d"), List.of(), List.of("a", "e")));
        }

        @Test
        void withValidationKeepTheTestCases() {
            Split plain = Split.trainTest(ids, 0.8, 42);
            Split split = Split.trainValidationTest(ids, 0.8, 0.1, 42);

            assertThat(split.test()).isEqualTo(plain.test());
            assertThat(split.validation()).hasSize(16);
            assertThat(split.train()).hasSize(140);
            assertThat(Split.trainValidationTest(List.of("a", "b", "c"), 0.1, 0.9, 1))
                    .satisfies(s -> assertThat(List.of(
                                    s.train().size(),
                                    s.validation().size(),
                                    s.test().size()))
                            .containsExactly(1, 1, 1));
        }

        @Test
        void intoFoldsValidateOnEachCaseOnce() {
            List<Split> folds = Split.kFold(ids, 5, 7);

            assertThat(folds).hasSize(5);
            assertThat(folds.stream()
                            .flatMap(fold -> fold.validation().stream())
                            .sorted()
                            .toList())
                    .isEqualTo(ids.stream().sorted().toList());
            assertThat(folds).allSatisfy(fold -> assertThat(fold.train()).hasSize(156));
        }

        @Test
        void areWrittenAndRead() throws IOException {
            Split split = Split.trainValidationTest(ids, 0.8, 0.1, 42);

            split.write(root.resolve("split.json"));

            assertThat(Split.read(root.resolve("split.json"))).isEqualTo(split);
        }

        @Test
        void mayBeOneOfNnunetsFolds() throws IOException {
            Files.writeString(
                    root.resolve("splits_final.json"),
                    "[{'train': ['a', 'b'], 'val': ['c']}, {'train': ['c', 'a'], 'val': ['b']}]".replace('\'', '"'));
            Path file = root.resolve("splits_final.json");

            assertThat(Split.read(file, OptionalInt.of(1)))
                    .isEqualTo(new Split(List.of("c", "a"), List.of("b"), List.of()));
            assertThatThrownBy(() -> Split.read(file))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll("splits_final.json", "2 folds", "0 to 1", "split.fold");
            assertThatThrownBy(() -> Split.read(file, OptionalInt.of(2))).hasMessageContainingAll("fold 2", "0 to 1");
            Files.writeString(root.resolve("one.json"), "{\"train\": [\"a\"]}");
            assertThatThrownBy(() -> Split.read(root.resolve("one.json"), OptionalInt.of(0)))
                    .hasMessageContainingAll("one.json", "without folds");
            Files.writeString(file, "[{\"train\": [\"a\"], \"val\": [\"a\"]}, 5]");
            assertThatThrownBy(() -> Split.read(file, OptionalInt.of(0))).hasMessageContainingAll("'a'", "twice");
            assertThatThrownBy(() -> Split.read(file, OptionalInt.of(1))).hasMessageContaining("train, val");
        }

        @Test
        void thatMakeNoSenseAreRefused() throws IOException {
            assertThatThrownBy(() -> Split.trainTest(ids, 1.0, 1)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> Split.trainTest(List.of("a"), 0.5, 1))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> Split.trainTest(List.of("a", "a"), 0.5, 1))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> Split.kFold(List.of("a", "b"), 3, 1)).isInstanceOf(IllegalArgumentException.class);
            for (String text : List.of(
                    "{",
                    "[]",
                    "{'train': 'a'}",
                    "{'train': [1]}",
                    "{'train': ['a'], 'test': ['a']}",
                    "{'train': [], 'tests': []}")) {
                Files.writeString(root.resolve("s.json"), text.replace('\'', '"'));
                assertThatThrownBy(() -> Split.read(root.resolve("s.json")))
                        .as(text)
                        .isInstanceOf(DatasetException.class)
                        .hasMessageContaining("s.json");
            }
            assertThatThrownBy(() -> Split.read(root.resolve("absent.json")))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("no such file");
        }

        @Test
        void selectCasesByIdAndNameUnknownOnes() throws IOException {
            image("imagesTr/a.nii.gz", 1, 0);
            image("labelsTr/a.nii.gz", 1, 0);
            SegmentationDataset dataset = DatasetReader.read(root);

            assertThat(dataset.select(List.of("a"))).isEqualTo(dataset.cases());
            assertThatThrownBy(() -> dataset.select(List.of("a", "b", "c")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("b, c");
        }
    }

    @Test
    void theHeaderOfAWrittenImageIsReadable() throws IOException {
        assertThat(NiftiReader.readHeader(image("h.nii.gz", 3, 1)).channels()).isEqualTo(3);
    }
}
