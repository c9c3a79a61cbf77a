package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.train.demo.PhantomDataset;

/** From a data set to scores through the command line: split, train, predict, evaluate. */
class WholeJobTests {
    @TempDir
    static Path folder;

    private static Path data;
    private static Path config;
    private static Path run;
    private static Run training;

    @BeforeAll
    static void train() throws IOException {
        data = folder.resolve("data");
        new PhantomDataset(6, 3).write(data);
        Path split = folder.resolve("split.json");
        assertThat(Run.of("split", "--data", data, "--output", split, "--test-fraction", "0.34")
                        .code())
                .isZero();
        config = Files.writeString(folder.resolve("experiment.yaml"), """
                project: small
                model_parameters:
                  in_channels: 1
                  num_classes: 2
                  embed_dims: [4, 4, 5, 8]
                  depths: [1, 1, 1, 1]
                  mlp_ratios: [1, 1, 1, 1]
                  decoder_head_embedding_dim: 8
                sliding_window_inference: {roi: [32, 32, 32], sw_batch_size: 2}
                training_parameters: {num_epochs: 1, seed: 1}
                optimizer: {optimizer_type: adamw, optimizer_args: {lr: 0.01}}
                dataset_parameters:
                  dataset_type: decathlon
                  root: data
                  split: {file: split.json}
                  labels: {mode: sigmoid}
                  train_dataloader_args: {batch_size: 2}
                """);
        run = folder.resolve("run");
        training = Run.of("train", "--config", config, "--output", run, "--threads", "1", "--quiet");
    }

    @Test
    void trainingEndsWithABundle() {
        assertThat(training.err()).isEmpty();
        assertThat(training.code()).isZero();
        assertThat(training.out())
                .contains("run     " + run)
                .contains("bundle  ")
                .contains("report  " + run.resolve("report.html"))
                .contains("organ")
                .contains("lesion");
        assertThat(run.resolve("bundle/bundle.json")).exists();
        assertThat(run.resolve("curve.png")).exists();
        assertThat(run.resolve("report.html")).exists();
    }

    @Test
    void aUsedRunFolderIsRefusedAndLeftAlone() throws IOException {
        Map<String, byte[]> before = contents(run);
        Run again = Run.of("train", "--config", config, "--output", run, "--quiet");
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.err()).contains(run.toString()).contains("resume").hasLineCount(1);
        assertThat(contents(run)).containsExactlyEntriesOf(before);
    }

    @Test
    void aTrainedModelPredictsInTheScansOwnGeometryAndIsScored() throws IOException {
        Path output = folder.resolve("predictions");
        Run predict = Run.of(
                "predict",
                "--model",
                run.resolve("bundle"),
                "--input",
                data.resolve("imagesTr"),
                "--output",
                output,
                "--threads",
                "1",
                "--overlap=0",
                "--save-probabilities",
                "--quiet");
        assertThat(predict.err()).isEmpty();
        assertThat(predict.code()).isZero();
        assertThat(predict.out()).contains("6 of 6 cases segmented").contains("peak memory");
        for (int n = 1; n <= 6; n++) {
            String name = "phantom_00" + n + ".nii.gz";
            Volume image = NiftiReader.read(data.resolve("imagesTr").resolve(name));
            Volume labels = NiftiReader.read(output.resolve(name));
            assertThat(labels.geometry().size()).isEqualTo(image.geometry().size());
            assertThat(labels.geometry().affine()).isEqualTo(image.geometry().affine());
            assertThat(NiftiReader.read(output.resolve("probabilities").resolve(name))
                            .channels())
                    .isEqualTo(2);
        }

        Path scores = folder.resolve("scores");
        Run evaluate = Run.of(
                "evaluate",
                "--predictions",
                output,
                "--labels",
                data.resolve("labelsTr"),
                "--data",
                data,
                "--output",
                scores);
        assertThat(evaluate.code()).isZero();
        assertThat(evaluate.out()).contains("organ").contains("lesion").contains("phantom_006");
        JsonNode json =
                new ObjectMapper().readTree(scores.resolve("evaluation.json").toFile());
        assertThat(json.get("cases")).hasSize(6);
        assertThat(scores.resolve("evaluation.csv")).exists();

        Run report = Run.of(
                "evaluate",
                "--predictions",
                output,
                "--labels",
                data.resolve("labelsTr"),
                "--model",
                run.resolve("bundle"),
                "--output",
                scores,
                "--report");
        assertThat(report.code()).isZero();
        assertThat(report.out()).contains("report:  " + scores.resolve("report.html"));
        // Scans, curves and settings were found without being named.
        assertThat(Files.readString(scores.resolve("report.html")))
                .contains("<h1>small</h1>", "<h2>Learning curves</h2>", "data:image/png", "project: small")
                .doesNotContain("isn't at hand");

        Path comparison = folder.resolve("comparison");
        Run compare = Run.of(
                "evaluate",
                "--compare",
                scores,
                output,
                "--labels",
                data.resolve("labelsTr"),
                "--data",
                data,
                "--output",
                comparison);
        assertThat(compare.err()).isEmpty();
        assertThat(compare.code()).isZero();
        assertThat(compare.out())
                .contains("A  " + scores)
                .contains("B  " + output)
                .containsPattern("organ +Dice +6 .*\\+0\\.0000 +\\+0\\.0000 … \\+0\\.0000 +1\\.0000");
        assertThat(new ObjectMapper()
                        .readTree(comparison.resolve("comparison.json").toFile())
                        .get("cases"))
                .hasSize(6);
    }

    @Test
    void runsThatCannotBeComparedAreNamed() {
        Run none = Run.of("evaluate", "--compare", data, folder.resolve("no"));
        assertThat(none.code()).isEqualTo(1);
        assertThat(none.err()).contains(data + ": holds no evaluation.json").hasLineCount(1);
        Run both = Run.of("evaluate", "--compare", data, data, "--predictions", data);
        assertThat(both.code()).isEqualTo(2);
        assertThat(both.err()).contains("remove --predictions");
        Run nowhere = Run.of("evaluate", "--predictions", data, "--labels", data, "--report");
        assertThat(nowhere.code()).isEqualTo(2);
        assertThat(nowhere.err()).contains("--report needs a file");
        Run noRun = Run.of(
                "evaluate",
                "--predictions",
                data.resolve("labelsTr"),
                "--labels",
                data.resolve("labelsTr"),
                "--report=" + folder.resolve("r.html"),
                "--run",
                data);
        assertThat(noRun.code()).isEqualTo(1);
        assertThat(noRun.err()).contains("no config.resolved.yaml");
        Run nothing = Run.of("evaluate", "--labels", data);
        assertThat(nothing.code()).isEqualTo(2);
        assertThat(nothing.err()).contains("'--predictions=DIR'");
    }

    @Test
    void aBundlePredictsAsExperimentAndWeightsDo() throws IOException {
        Path scan = data.resolve("imagesTr/phantom_002.nii.gz");
        Path zip = folder.resolve("model.zip");
        Path weights = run.resolve("bundle/weights.safetensors");
        assertThat(Run.of("bundle", "--config", config, "--weights", weights, "--output", zip)
                        .code())
                .isZero();
        Path first = folder.resolve("p1");
        Path second = folder.resolve("p2");
        Run one = Run.of("predict", "--model", zip, "--input", scan, "--output", first, "--json", "--quiet");
        assertThat(one.code()).isZero();
        assertThat(new ObjectMapper().readTree(one.out()).get("written")).hasSize(1);
        Run two = Run.of(
                "predict", "--config", config, "--weights", weights, "--input", scan, "--output", second, "--quiet");
        assertThat(two.code()).isZero();
        assertThat(NiftiReader.read(first.resolve("phantom_002.nii.gz")).values())
                .isEqualTo(
                        NiftiReader.read(second.resolve("phantom_002.nii.gz")).values());
    }

    @ParameterizedTest
    @ValueSource(strings = {"nifti", "npy"})
    void preprocessedCasesAreADataSet(String format) {
        Path output = folder.resolve("prepared-" + format);
        Run preprocess = Run.of("preprocess", "--config", config, "--output", output, "--format", format, "--quiet");
        assertThat(preprocess.err()).isEmpty();
        assertThat(preprocess.code()).isZero();
        assertThat(preprocess.out()).contains("6 cases with labels");
        Run training = Run.of(
                "train",
                "--config",
                config,
                "--output",
                folder.resolve("run-" + format),
                "--set",
                "dataset_parameters.root='" + output + "'",
                "--set",
                "dataset_parameters.preprocessing={orientation: as_is, normalization: none}",
                "--set",
                "validation.test=false",
                "--threads",
                "1",
                "--quiet");
        assertThat(training.err()).isEmpty();
        assertThat(training.code()).isZero();

        Run again = Run.of("preprocess", "--config", config, "--output", output, "--quiet");
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.err()).contains("isn't empty").hasLineCount(1);
    }

    @Nested
    class Predicting {
        private Run predict(Object... more) {
            return Run.with(List.of("predict", "--model", run.resolve("bundle")), more);
        }

        @Test
        void refusesToOverwriteAScan() throws IOException {
            Path scan = data.resolve("imagesTr/phantom_001.nii.gz");
            byte[] before = Files.readAllBytes(scan);
            Run refused = predict("--input", scan, "--output", data.resolve("imagesTr"), "--quiet");
            assertThat(refused.code()).isEqualTo(1);
            assertThat(refused.err()).contains("would replace the input");
            assertThat(Files.readAllBytes(scan)).isEqualTo(before);
        }

        @Test
        void goesOnAfterADamagedScan() throws IOException {
            Path scans = Files.createDirectories(folder.resolve("scans"));
            Files.copy(data.resolve("imagesTr/phantom_001.nii.gz"), scans.resolve("a.nii.gz"));
            Files.writeString(scans.resolve("b.nii.gz"), "no scan");
            Run some = predict("--input", scans, "--output", folder.resolve("some"), "--quiet");
            assertThat(some.code()).isEqualTo(1);
            assertThat(some.err())
                    .startsWith("segformer3d: case 'b' failed: ")
                    .contains("segformer3d: 1 case segmented, 1 failed:\n  b: ")
                    .contains("b.nii.gz")
                    .hasLineCount(3);
            assertThat(some.out()).contains("1 of 2 cases");
            assertThat(folder.resolve("some/a.nii.gz")).exists();
            assertThat(folder.resolve("some/b.nii.gz")).doesNotExist();
        }

        @Test
        void leavesOutWhatIsDoneAndShowsThePlan() throws IOException {
            Path scan = data.resolve("imagesTr/phantom_001.nii.gz");
            Path output = folder.resolve("continued");
            Run first = predict("--input", scan, "--output", output, "--quiet", "--memory", "3GiB", "--verbose");
            assertThat(first.code()).isZero();
            assertThat(first.err())
                    .startsWith("phantom_001: ")
                    .contains("; estimated memory ")
                    .contains("may use 3,072 MiB");
            byte[] before = Files.readAllBytes(output.resolve("phantom_001.json"));
            Run again = predict("--input", scan, "--output", output, "--quiet", "--continue");
            assertThat(again.out()).contains("done before").contains("0 of 1 cases segmented");
            assertThat(again.code()).isZero();
            assertThat(output.resolve("phantom_001.json")).hasBinaryContent(before);
        }

        @Test
        void refusesWhatDoesntFitTheMemoryWithTheNumberNeeded() {
            Path scan = data.resolve("imagesTr/phantom_001.nii.gz");
            Path output = folder.resolve("refused");
            Run refused = predict("--input", scan, "--output", output, "--quiet", "--memory", "100M");
            assertThat(refused.code()).isEqualTo(1);
            assertThat(refused.err())
                    .containsPattern("case 'phantom_001' failed: phantom_001: needs [0-9,]+ MiB of memory at least")
                    .contains("but may use 100 MiB; raise --memory");
            assertThat(output.resolve("phantom_001.nii.gz")).doesNotExist();
            Run wrong = predict("--input", scan, "--output", output, "--memory", "much");
            assertThat(wrong.code()).isEqualTo(2);
            assertThat(wrong.err()).contains("'much'").contains("such as 4GiB, 900M or 50%");
        }

        @Test
        void namesWhatIsMissing() throws IOException {
            Run missing = predict("--input", folder.resolve("none.nii.gz"), "--output", folder.resolve("o"), "--quiet");
            assertThat(missing.code()).isEqualTo(1);
            assertThat(missing.err()).contains("none.nii.gz").hasLineCount(1);
            Path empty = Files.createDirectories(folder.resolve("empty"));
            missing = predict("--input", empty, "--output", folder.resolve("o"), "--quiet");
            assertThat(missing.code()).isEqualTo(1);
            assertThat(missing.err()).contains("empty").contains(".nii.gz").hasLineCount(1);
            Run noModel = Run.of(
                    "predict", "--model", folder.resolve("nothing"), "--input", empty, "--output", folder.resolve("o"));
            assertThat(noModel.code()).isEqualTo(1);
            assertThat(noModel.err()).contains("nothing").hasLineCount(1);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "--overlap=1",
                    "--overlap=-0.5",
                    "--blend=linear",
                    "--roi=0",
                    "--window-batch=0",
                    "--tta-axes=3"
                })
        void refusesSettingsThatMakeNoSense(String option) {
            Run refused = predict(
                    "--input", data.resolve("imagesTr/phantom_001.nii.gz"), "--output", folder.resolve("o"), option);
            assertThat(refused.code()).isEqualTo(2);
            assertThat(refused.err()).contains("expected");
        }

        @Test
        void needsExactlyOneModel() {
            assertThat(predict("--config", config, "--input", data, "--output", folder)
                            .code())
                    .isEqualTo(2);
            Run none = Run.of("predict", "--input", data, "--output", folder);
            assertThat(none.code()).isEqualTo(2);
            assertThat(none.err()).contains("--model").contains("--weights");
        }
    }

    @Nested
    class Evaluating {
        @Test
        void failsForLabelsWithoutPredictionUnlessThatIsAllowed() throws IOException {
            Path one = Files.createDirectories(folder.resolve("one"));
            Path file = one.resolve("phantom_003.nii.gz");
            if (!Files.exists(file)) {
                Files.copy(data.resolve("labelsTr/phantom_003.nii.gz"), file);
            }
            Run some = Run.of("evaluate", "--predictions", one, "--labels", data.resolve("labelsTr"));
            assertThat(some.code()).isEqualTo(1);
            assertThat(some.out()).contains("1.0000", "5 cases could not be compared");
            assertThat(some.err())
                    .contains("5 of 6 cases could not be compared (phantom_", "phantom_005, ", "the first 'phantom_")
                    .hasLineCount(1);

            Run allowed =
                    Run.of("evaluate", "--predictions", one, "--labels", data.resolve("labelsTr"), "--allow-missing");
            assertThat(allowed.code()).isZero();
            assertThat(allowed.out()).contains("1.0000", "5 cases left out");
            assertThat(allowed.err())
                    .contains("case 'phantom_005' has no prediction")
                    .hasLineCount(5);
        }

        @Test
        void scoresRegionsThatAreNamed() {
            Run named = Run.of(
                    "evaluate",
                    "--predictions",
                    data.resolve("labelsTr"),
                    "--labels",
                    data.resolve("labelsTr"),
                    "--class",
                    "whole=1,2",
                    "--class",
                    "core=2",
                    "--json");
            assertThat(named.code()).isZero();
            assertThat(named.out()).contains("\"whole\"").contains("\"core\"");
            Run wrong = Run.of("evaluate", "--predictions", data, "--labels", data, "--class", "whole=one");
            assertThat(wrong.code()).isEqualTo(2);
            assertThat(wrong.err()).contains("whole=one");
        }

        @Test
        void namesAMissingFolder() {
            Run missing = Run.of("evaluate", "--predictions", folder.resolve("no"), "--labels", data);
            assertThat(missing.code()).isEqualTo(1);
            assertThat(missing.err()).contains("no such folder").hasLineCount(1);
        }
    }

    @Nested
    class Training {
        private Run train(Object... more) {
            return Run.with(List.of("train", "--config", config, "--output", folder.resolve("never"), "--quiet"), more);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "training_parameters.num_epoch=2",
                    "training_parameters.num_epochs=none",
                    "training_parameters.num_epochs",
                    "optimizer.optimizer_args.lr=-1",
                    "model_parameters.num_heads=[3, 3, 3, 3]",
                    "dataset_parameters.root=/nowhere",
                    "model_parameters.num_classes=5",
                    "model_parameters.in_channels=4"
                })
        void refusesWrongValuesByNameBeforeAnythingIsWritten(String assignment) {
            Run refused = train("--set", assignment);
            assertThat(refused.code()).isNotZero();
            String key = assignment.replaceAll("=.*", "").replaceAll(".*\\.", "");
            assertThat(refused.err()).hasLineCount(1).containsAnyOf(key, "/nowhere");
            assertThat(folder.resolve("never")).doesNotExist();
        }

        @Test
        void suggestsTheKeyThatWasMeant() {
            Run refused = train("--set", "training_parameters.num_epoch=2");
            assertThat(refused.code()).isEqualTo(2);
            assertThat(refused.err()).contains("did you mean 'num_epochs'?");
        }

        @Test
        void needsABackendThatTrains() {
            Run refused = train("--backend", "onnxruntime");
            assertThat(refused.code()).isNotZero();
            assertThat(refused.err()).contains("onnxruntime").hasLineCount(1);
        }
    }

    private static Map<String, byte[]> contents(Path folder) throws IOException {
        Map<String, byte[]> contents = new TreeMap<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
                contents.put(folder.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
        return contents;
    }
}
