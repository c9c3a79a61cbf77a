package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.eval.bundle.EnsembleFolder;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.EvaluationSummary;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;

class CrossValidationTests {
    @TempDir
    private static Path data;

    @TempDir
    private Path folder;

    private final FakeBackend backend = new FakeBackend();

    @BeforeAll
    static void writePhantoms() throws IOException {
        new PhantomDataset(8, 3).write(data.resolve("phantoms"));
    }

    private CrossValidation validation(int folds, String... changes) throws IOException {
        ExperimentConfig config = ExperimentConfig.parse("""
                project: fake
                model_parameters:
                  in_channels: 1
                  num_classes: 3
                  embed_dims: [4, 4, 4, 4]
                  num_heads: [1, 1, 1, 1]
                  depths: [1, 1, 1, 1]
                  decoder_head_embedding_dim: 4
                sliding_window_inference: {roi: 32, sw_batch_size: 2}
                training_parameters: {num_epochs: 1, seed: 5}
                dataset_parameters:
                  dataset_type: decathlon
                  labels: {mode: softmax}
                  patch_size: 8
                  split: {test_fraction: 0.25, validation_fraction: 0.3}
                validation: {overlap: 0}
                tracking: {curve: false, tensorboard: false, report: false}
                """, "test", folder);
        List<String> all = new ArrayList<>(List.of("dataset_parameters.root='" + data.resolve("phantoms") + "'"));
        all.addAll(Arrays.asList(changes));
        return CrossValidation.of(config.withOverrides(all), folds, folder.resolve("cv"));
    }

    @Test
    void everyCaseButTheTestCasesIsHeldOutOnceAndNeverSteersItsOwnFold() throws IOException {
        validation(3).run(List.of(), TrainerOptions.defaults(), backend);

        Set<String> held = new HashSet<>();
        Set<String> all = new HashSet<>();
        for (int fold = 0; fold < 3; fold++) {
            Split split = Split.read(folder.resolve("cv/splits/fold-" + fold + ".json"));
            assertThat(split.validation()).isNotEmpty();
            split.test().forEach(id -> assertThat(held.add(id)).as(id).isTrue());
            all.addAll(split.train());
            all.addAll(split.validation());
        }
        assertThat(held).hasSize(6).isEqualTo(all);
    }

    @Test
    void gathersHeldOutPredictionsAndMakesAnEnsemble() throws IOException {
        CrossValidation.Outcome outcome = validation(3).run(List.of(0, 1, 2), TrainerOptions.defaults(), backend);

        Path cv = folder.resolve("cv");
        assertThat(outcome.complete()).isTrue();
        EvaluationSummary scores = EvaluationSummary.read(cv.resolve("evaluation.json"));
        assertThat(scores.cases()).hasSize(6);
        assertThat(outcome.foldDice()).hasSize(3);
        assertThat(EvaluationSummary.read(cv.resolve("test/evaluation.json")).cases())
                .hasSize(2);
        List<Path> members = EnsembleFolder.members(cv.resolve("ensemble"));
        assertThat(members).hasSize(3);
        for (int fold = 0; fold < 3; fold++) {
            ModelBundle member = ModelBundle.read(members.get(fold));
            assertThat(member.weights())
                    .isEqualTo(ModelBundle.read(cv.resolve("fold-" + fold + "/bundle"))
                            .weights());
            assertThat(member.provenance()).containsKey(PostprocessingChoice.PROVENANCE);
        }
        Map<String, Object> summary = Json.parse(Files.readString(cv.resolve("cross-validation.json")));
        assertThat(summary).containsEntry("cases", 6).containsEntry("folds", 3);
        assertThat(cv.resolve("report.html")).exists();
    }

    @Test
    void foldsCanBeTrainedOneByOneAndFinishedOnesStay() throws IOException {
        CrossValidation.Outcome first = validation(2).run(List.of(1), TrainerOptions.defaults(), backend);
        byte[] weights = Files.readAllBytes(folder.resolve("cv/fold-1/bundle/weights.safetensors"));

        assertThat(first.complete()).isFalse();
        assertThat(first.missing()).containsExactly(0);
        CrossValidation.Outcome second =
                validation(2).run(List.of(0, 1), TrainerOptions.defaults().resuming(true), backend);

        assertThat(second.complete()).isTrue();
        assertThat(folder.resolve("cv/fold-1/bundle/weights.safetensors")).hasBinaryContent(weights);
    }

    @Test
    void refusesToMixExperimentsAndFolds() throws IOException {
        validation(2).run(List.of(1), TrainerOptions.defaults(), backend);
        TrainerOptions resuming = TrainerOptions.defaults().resuming(true);

        assertThatThrownBy(() -> validation(2).run(List.of(0), TrainerOptions.defaults(), backend))
                .isInstanceOf(RunFolderException.class)
                .hasMessageContaining("--resume");
        assertThatThrownBy(() -> validation(3).run(List.of(0), resuming, backend))
                .isInstanceOf(RunFolderException.class)
                .hasMessageContaining("folds");
        assertThatThrownBy(() -> validation(2, "loss_fn.loss_type=diceCE").run(List.of(1), resuming, backend))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("loss_fn.loss_type")
                .hasMessageContaining("fold 1");
    }

    @Test
    void refusesMoreFoldsThanCases() {
        assertThatThrownBy(() -> validation(20))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("20 folds");
    }
}
