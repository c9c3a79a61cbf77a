package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.weights.PyTorchFile;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.train.config.DatasetSettings.CaseList;
import org.segformer3d.train.config.DatasetSettings.Type;
import org.segformer3d.train.config.ExperimentConfig;

class OfficialCasesTests {
    @TempDir
    private Path root;

    private OfficialCases read() throws IOException {
        return OfficialCases.read(
                new CaseList(Optional.of(root), true, OptionalInt.empty()), "train", Type.BRATS2017_SEG, false);
    }

    private static Path preprocessed() {
        Path folder =
                Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference/pipeline/brats_preprocessed");
        Assumptions.assumeTrue(Files.isDirectory(folder), "no reference values here");
        return folder.toAbsolutePath();
    }

    @Nested
    class OfficialFiles {
        @Test
        void giveTheOfficialImageAndMasks() throws IOException {
            Path folder = preprocessed().resolve("CASE_001");
            Files.writeString(root.resolve("train.csv"), "case_name,data_path\nCASE_001," + folder + "\n");
            Map<String, HostTensor> expected =
                    Safetensors.read(folder.resolve("expected.safetensors")).tensors();

            OfficialCases cases = read();
            PreparedCase one = cases.load(0);

            assertThat(cases.ids()).containsExactly("CASE_001");
            assertThat(one.image()).isEqualTo(expected.get("modalities"));
            assertThat(cases.labels().encode(one.label().orElseThrow())).isEqualTo(expected.get("label"));
        }

        @Test
        void trainUnderTheOfficialConfiguration() throws IOException {
            Path folder = preprocessed();
            Files.writeString(
                    root.resolve("train.csv"),
                    ",data_path,case_name\n0," + folder.resolve("CASE_001") + ",CASE_001\n\n");
            // As another copy, because a case must not both train and validate.
            Path copy = Files.createDirectories(root.resolve("CASE_002"));
            for (String part : new String[] {"modalities", "label"}) {
                Files.copy(
                        folder.resolve("CASE_001/CASE_001_" + part + ".pt"), copy.resolve("CASE_002_" + part + ".pt"));
            }
            Files.writeString(root.resolve("validation.csv"), "data_path,case_name\n/elsewhere/CASE_002,CASE_002\n");
            ExperimentConfig config = ExperimentConfig.parse("""
                    model_parameters: {embed_dims: [4, 4, 4, 4], num_heads: [1, 1, 1, 1], depths: [1, 1, 1, 1]}
                    training_parameters: {num_epochs: 1, checkpoint_save_dir: run}
                    sliding_window_inference: {sw_batch_size: 4, roi: [32, 32, 32]}
                    dataset_parameters:
                      dataset_type: "brats2017_seg"
                      patch_size: 16
                      train_dataset_args: {root: ".", train: True, fold_id: null}
                      val_dataset_args: {root: ".", train: False, fold_id: null}
                      train_dataloader_args: {batch_size: 2, shuffle: True, num_workers: 2, drop_last: True}
                    """, "test", root);

            TrainingOutcome outcome = Trainer.run(config, TrainerOptions.defaults(), new FakeBackend());

            assertThat(outcome.steps())
                    .as("one case is fewer than a batch of two, but a batch")
                    .isEqualTo(1);
            assertThat(Checkpoint.read(root.resolve("run/checkpoints/last"))
                            .history()
                            .get(0)
                            .dicePerClass())
                    .containsOnlyKeys("TC", "WT", "ET");
        }
    }

    @Nested
    class MovedFolders {
        @Test
        void theLastPartsOfAPathAreFoundBesideTheList() throws IOException {
            Path folder = Files.createDirectories(root.resolve("BraTS2017_Training_Data/B_1"));
            Files.createFile(folder.resolve("B_1_modalities.pt"));
            Files.createFile(folder.resolve("B_1_label.pt"));
            Files.writeString(
                    root.resolve("train.csv"),
                    "data_path,case_name\n../../../data/brats2017_seg/BraTS2017_Training_Data/B_1,B_1\n");

            assertThat(read().files())
                    .containsExactly(folder.resolve("B_1_modalities.pt"), folder.resolve("B_1_label.pt"));
        }
    }

    @Nested
    class WrongPairs {
        private void refused(HostTensor image, HostTensor masks, String file, String... parts) throws IOException {
            Path folder = Files.createDirectories(root.resolve("a"));
            PyTorchFile.writeArray(folder.resolve("a_modalities.pt"), image);
            PyTorchFile.writeArray(folder.resolve("a_label.pt"), masks);
            Files.writeString(root.resolve("train.csv"), "data_path,case_name\na,a\n");
            OfficialCases cases = read().expecting(2);
            assertThatThrownBy(() -> cases.load(0))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining(file)
                    .hasMessageContainingAll(parts);
        }

        @Test
        void areNamedWithWhatIsWrong() throws IOException {
            HostTensor image = HostTensor.of(new float[8], 2, 1, 2, 2);
            HostTensor masks = HostTensor.of(new float[12], 3, 1, 2, 2);
            refused(
                    HostTensor.of(new float[12], 3, 1, 2, 2),
                    masks,
                    "a_modalities.pt",
                    "found 3 channels, expected 2",
                    "in_channels");
            refused(
                    HostTensor.of(new float[] {0, 0, 0, Float.NaN, 0, 0, 0, 0}, 2, 1, 2, 2),
                    masks,
                    "a_modalities.pt",
                    "found NaN");
            refused(
                    image,
                    HostTensor.of(new float[] {2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, 3, 1, 2, 2),
                    "a_label.pt",
                    "2.0",
                    "0 or 1");
            refused(image, HostTensor.of(new float[8], 2, 1, 2, 2), "a_label.pt", "expected 3×1×2×2");
        }
    }

    @Nested
    class WrongLists {
        @Test
        void aMissingListIsNamed() {
            assertThatThrownBy(OfficialCasesTests.this::read)
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("train.csv: no such file")
                    .hasMessageContaining("dataset_parameters.train_dataset_args.root");
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', textBlock = """
                        path,name;a,b                    | expected data_path and case_name
                        data_path,case_name              | lists no cases
                        data_path,case_name;a            | line 2 has 1 fields
                        data_path,case_name;/no/such,b   | found no b_modalities.pt
                        """)
        void wrongLinesAreNamed(String content, String expected) throws IOException {
            Files.writeString(root.resolve("train.csv"), content.replace(';', '\n'));

            assertThatThrownBy(OfficialCasesTests.this::read)
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("train.csv")
                    .hasMessageContaining(expected);
        }

        @Test
        void withoutARootTheKeyIsNamed() {
            assertThatThrownBy(() -> OfficialCases.read(
                            new CaseList(Optional.empty(), false, OptionalInt.of(2)), "val", Type.BRATS2021_SEG, false))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("dataset_parameters.val_dataset_args.root")
                    .hasMessageContaining("validation_fold_2.csv");
        }
    }
}
