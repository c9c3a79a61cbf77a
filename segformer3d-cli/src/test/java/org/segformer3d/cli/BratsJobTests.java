package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.CaseTable;
import org.segformer3d.data.dataset.CaseTable.Row;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.weights.PyTorchFile;

/** The official way: raw BraTS scans, the script's files, lists, training under the official configuration. */
class BratsJobTests {
    /** x, y, z: 16 voxels of each axis lie in the official box. */
    private static final Grid SIZE = new Grid(72, 72, 29);

    @TempDir
    static Path folder;

    private static Path decathlon;
    private static Path challenge;
    private static Path prepared;

    @BeforeAll
    static void writePhantoms() throws IOException {
        decathlon = folder.resolve("decathlon");
        challenge = folder.resolve("challenge");
        for (int n = 1; n <= 5; n++) {
            String id = "BRATS_00" + n;
            for (int modality = 0; modality < 4; modality++) {
                write(decathlon.resolve("train/imagesTr/" + id + "_000" + modality + ".nii.gz"), image(n, modality));
            }
            write(decathlon.resolve("train/labelsTr/" + id + ".nii.gz"), label(2, 1, 3));
        }
        List<String> names = List.of("t2f", "t1n", "t1c", "t2w");
        for (int modality = 0; modality < 4; modality++) {
            write(challenge.resolve("BraTS-GLI-1/BraTS-GLI-1-" + names.get(modality) + ".nii.gz"), image(1, modality));
        }
        write(challenge.resolve("BraTS-GLI-1/BraTS-GLI-1-seg.nii.gz"), label(1, 2, 4));
        prepared = folder.resolve("brats2017_seg");
        Run preprocess =
                Run.of("preprocess", "--dataset", "brats2017", "--data", decathlon, "--output", prepared, "--quiet");
        assertThat(preprocess.err()).isEmpty();
        assertThat(preprocess.out()).contains("5 cases");
    }

    private static void write(Path file, Volume volume) throws IOException {
        Files.createDirectories(file.getParent());
        if (file.toString().contains("labels") || file.toString().contains("seg")) {
            NiftiWriter.writeLabels(file, volume);
        } else {
            NiftiWriter.write(file, volume);
        }
    }

    private static Geometry geometry() {
        return Geometry.of(SIZE, Affine.IDENTITY);
    }

    private static Volume image(int scan, int modality) {
        SplittableRandom random = new SplittableRandom(100 * scan + modality);
        float[] values = new float[SIZE.tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = random.nextInt(1000);
        }
        return Volume.of(values, 1, geometry());
    }

    private static Volume label(int core, int edema, int enhancing) {
        int[] labels = new int[SIZE.tokens()];
        for (int n = 0; n < labels.length; n++) {
            int z = n % SIZE.width();
            labels[n] = z < 15 ? 0 : z < 18 ? edema : z < 21 ? core : z < 24 ? enhancing : 0;
        }
        return Volume.ofLabels(labels, geometry());
    }

    @Test
    void preprocessingWritesTheOfficialPairs() throws IOException {
        Path one = prepared.resolve("BraTS2017_Training_Data/BRATS_001");

        HostTensor image = PyTorchFile.readTensor(one.resolve("BRATS_001_modalities.pt"));
        HostTensor masks = PyTorchFile.readTensor(one.resolve("BRATS_001_label.pt"));

        assertThat(image.dtype()).isEqualTo(DType.FLOAT32);
        assertThat(image.shape()).containsExactly(4, 16, 16, 16);
        assertThat(masks.dtype()).isEqualTo(DType.BOOL);
        assertThat(masks.shape()).containsExactly(3, 16, 16, 16);
        double[] slices = {0, 0, 2, 2, 2, 3, 3, 3, 7, 7, 7, 0, 0, 0, 0, 0};
        for (int z = 0; z < 16; z++) {
            double found = masks.get(z * 256) + 2 * masks.get((16 + z) * 256) + 4 * masks.get((32 + z) * 256);
            assertThat(found).as("TC + 2 WT + 4 ET in slice %d", z).isEqualTo(slices[z]);
        }
        assertThat(prepared.resolve("preprocessing.json")).content().contains("official brats2017");
    }

    @Test
    void bothCodingsGiveTheSamePair() throws IOException {
        Path output = folder.resolve("brats2023_seg");

        Run run = Run.of(
                "preprocess", "--dataset", "brats2023", "--data", challenge, "--output", output, "--quiet", "--json");

        assertThat(run.err()).isEmpty();
        assertThat(run.out()).contains("BraTS-GLI-1");
        Path one = output.resolve("BraTS2023_Training_Data/BraTS-GLI-1");
        Path other = prepared.resolve("BraTS2017_Training_Data/BRATS_001");
        assertThat(one.resolve("BraTS-GLI-1_modalities.pt"))
                .hasSameBinaryContentAs(other.resolve("BRATS_001_modalities.pt"));
        assertThat(one.resolve("BraTS-GLI-1_label.pt")).hasSameBinaryContentAs(other.resolve("BRATS_001_label.pt"));
    }

    @Test
    void listsDivideTheCasesIntoFolds() throws IOException {
        Path lists = folder.resolve("lists");

        Run run = Run.of("split", "--data", prepared, "--output", lists, "--folds", "5", "--seed", "3");

        assertThat(run.err()).isEmpty();
        List<String> validated = new ArrayList<>();
        for (int fold = 1; fold <= 5; fold++) {
            List<Row> train =
                    CaseTable.read(lists.resolve("train_fold_" + fold + ".csv")).rows();
            List<Row> validation = CaseTable.read(lists.resolve("validation_fold_" + fold + ".csv"))
                    .rows();
            assertThat(train).hasSize(4).doesNotContainAnyElementsOf(validation);
            assertThat(train)
                    .allSatisfy(row -> assertThat(Path.of(row.dataPath(), row.caseName() + "_label.pt"))
                            .exists());
            validation.forEach(row -> validated.add(row.caseName()));
        }
        assertThat(validated)
                .containsExactlyInAnyOrder("BRATS_001", "BRATS_002", "BRATS_003", "BRATS_004", "BRATS_005");
        Run six = Run.of("split", "--data", prepared, "--output", folder.resolve("six"), "--folds", "6");
        assertThat(six.code()).isEqualTo(1);
        assertThat(six.err()).contains(prepared + ": expected at least 2 folds").hasLineCount(1);
        Path again = folder.resolve("again");
        Run.of("split", "--data", prepared, "--output", again, "--folds", "5", "--seed", "3");
        assertThat(again.resolve("train_fold_2.csv")).hasSameTextualContentAs(lists.resolve("train_fold_2.csv"));
    }

    /** Tiny, but every other key as in the official file. */
    private static Run train(Path root, String run) {
        Path example = Path.of("").toAbsolutePath().getParent().resolve("examples/brats2017.yaml");
        return Run.of(
                "train",
                "--config",
                example,
                "--output",
                folder.resolve(run),
                "--set",
                "dataset_parameters.train_dataset_args.root='" + root + "'",
                "--set",
                "dataset_parameters.val_dataset_args.root='" + root + "'",
                "--set",
                "training_parameters.num_epochs=1",
                "--set",
                "model_parameters={embed_dims: [4, 4, 4, 4], num_heads: [1, 1, 1, 1], depths: [1, 1, 1, 1],"
                        + " decoder_head_embedding_dim: 8}",
                "--set",
                "dataset_parameters.patch_size=16",
                "--set",
                "sliding_window_inference.roi=[16, 16, 16]",
                "--threads",
                "1",
                "--quiet");
    }

    @Test
    void theOfficialConfigurationTrainsOnThePairsAndOnRawScansAlike() throws IOException {
        Run split = Run.of("split", "--data", prepared, "--validation-fraction", "0.2");
        assertThat(split.err()).isEmpty();
        assertThat(split.out()).contains("train.csv: 4 cases").contains("validation.csv: 1 case");

        Run pairs = train(prepared, "run-pairs");
        assertThat(pairs.err()).isEmpty();
        assertThat(pairs.code()).isZero();
        assertThat(folder.resolve("run-pairs/history.csv")).content().contains("TC", "WT", "ET");
        // Two steps: four cases in twos, each with its four crops.
        assertThat(Files.readAllLines(folder.resolve("run-pairs/history.csv")).get(1))
                .startsWith("0,2,");

        Path predictions = folder.resolve("predictions");
        Run predict = Run.of(
                "predict",
                "--model",
                folder.resolve("run-pairs/bundle"),
                "--input",
                decathlon.resolve("train/imagesTr"),
                "--output",
                predictions,
                "--threads",
                "1",
                "--quiet");
        assertThat(predict.err()).isEmpty();
        assertThat(NiftiReader.read(predictions.resolve("BRATS_001.nii.gz"))
                        .geometry()
                        .size())
                .isEqualTo(SIZE);

        Run raw = train(decathlon, "run-raw");
        assertThat(raw.err()).isEmpty();
        assertThat(raw.code()).isZero();
        assertThat(folder.resolve("run-raw/split.json")).content().contains("BRATS_003");
    }

    @Test
    void wrongCallsAreOneLine() {
        Run without = Run.of("preprocess", "--dataset", "brats2017", "--output", folder.resolve("x"));
        assertThat(without.code()).isEqualTo(2);
        assertThat(without.err()).contains("--data");
        Run format = Run.of(
                "preprocess",
                "--dataset",
                "brats2017",
                "--data",
                decathlon,
                "--output",
                folder.resolve("x"),
                "--format",
                "npy");
        assertThat(format.code()).isEqualTo(2);
        assertThat(format.err()).contains("--format");
        Run empty = Run.of(
                "preprocess",
                "--dataset",
                "brats2021",
                "--data",
                folder.resolve("none"),
                "--output",
                folder.resolve("x"));
        assertThat(empty.code()).isEqualTo(1);
        assertThat(empty.err()).contains("no such folder").hasLineCount(1);
        assertThat(folder.resolve("x")).doesNotExist();
    }
}
