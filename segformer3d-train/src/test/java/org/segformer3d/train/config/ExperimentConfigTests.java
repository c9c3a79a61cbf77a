package org.segformer3d.train.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.OptimizerSpec;
import org.segformer3d.train.schedule.ScheduleSpec;

class ExperimentConfigTests {
    private static final Path BASE = Path.of("/data/experiments");

    private static ExperimentConfig parse(String yaml) {
        return ExperimentConfig.parse(yaml, "f.yaml", BASE);
    }

    private static void refuses(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOf(ConfigException.class)
                .message()
                .contains(parts)
                .doesNotContain("\n");
    }

    @Nested
    class OfficialFiles {
        @Test
        void everyOfficialKeyIsRead() throws Exception {
            Path file =
                    Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference/official_schema.yaml");
            Assumptions.assumeTrue(Files.exists(file), "no reference values here");

            ExperimentConfig config = ExperimentConfig.read(file);

            assertThat(config.project()).isEqualTo("segfmr3d");
            assertThat(config.network()).isEqualTo(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()));
            assertThat(config.loss()).isEqualTo(LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID));
            assertThat(config.optimizer()).isEqualTo(OptimizerSpec.adamW(0.01));
            assertThat(config.schedule().baseRate()).isEqualTo(1e-4);
            assertThat(config.schedule().warmupEpochs()).isEqualTo(20);
            assertThat(config.schedule().warmup()).isEqualTo(ScheduleSpec.Warmup.OFFICIAL);
            assertThat(config.schedule().kind()).isEqualTo(ScheduleSpec.Kind.COSINE);
            assertThat(config.schedule().cycleEpochs()).isEqualTo(400);
            assertThat(config.schedule().minRate()).isEqualTo(6e-6);
            assertThat(config.training().seed()).isEqualTo(42);
            assertThat(config.training().epochs()).isEqualTo(400);
            assertThat(config.training().emaDecay()).isEmpty();
            assertThat(config.training().clipNorm()).isEmpty();
            assertThat(config.start().kind()).isEqualTo(StartSettings.Kind.SCRATCH);
            assertThat(config.validation().roi()).isEqualTo(new Grid(128, 128, 128));
            assertThat(config.validation().windowBatch()).isEqualTo(4);
            assertThat(config.validation().overlap()).isEqualTo(0.5);
            assertThat(config.validation().gaussian()).isFalse();
            DatasetSettings dataset = config.dataset();
            assertThat(dataset.type()).isEqualTo(DatasetSettings.Type.BRATS2017_SEG);
            assertThat(dataset.patch()).isEqualTo(new Grid(96, 96, 96));
            assertThat(dataset.samplesPerCase()).isEqualTo(4);
            assertThat(dataset.batchSize()).isEqualTo(2);
            assertThat(dataset.workers()).isEqualTo(8);
            assertThat(dataset.trainList().fileName()).isEqualTo("train.csv");
            assertThat(dataset.validationList().fileName()).isEqualTo("validation.csv");
            assertThat(dataset.trainList().root().orElseThrow().toString()).endsWith("data/brats2017_seg");
            assertThat(config.output().runFolder().orElseThrow().toString())
                    .endsWith("model_checkpoints/best_dice_checkpoint");
        }

        @Test
        void theWordNoneMeansNull() {
            ExperimentConfig config = parse("training_parameters: {cutoff_epoch: None, num_epochs: 7}\nloss_fn: None");

            assertThat(config.training().epochs()).isEqualTo(7);
        }

        @Test
        void numbersWithoutADotAreNumbers() {
            assertThat(parse("optimizer: {optimizer_args: {lr: 1e-4}}")
                            .schedule()
                            .baseRate())
                    .isEqualTo(1e-4);
        }

        @Test
        void wordsMeanWhatPyYamlTakesThemFor() {
            ExperimentConfig config = parse("""
                    project: y
                    wandb_parameters: {name: 2024-05-01, mode: "online", resume: No}
                    ema: {enabled: yes}
                    clip_gradients: {enabled: On}
                    training_parameters: {num_epochs: 1_000, cutoff_epoch: ~}
                    """);

            assertThat(config.project()).isEqualTo("y");
            assertThat(config.toMap().get("wandb_parameters"))
                    .isEqualTo(Map.of("name", "2024-05-01", "mode", "online", "resume", false));
            assertThat(config.training().emaDecay()).isPresent();
            assertThat(config.training().clipNorm()).isPresent();
            assertThat(config.training().epochs()).isEqualTo(1000);
        }

        @Test
        void anchorsAliasesAndMergeKeysAreFollowed() {
            ExperimentConfig config = parse("""
                    sliding_window_inference: {roi: &size [64, 48, 32]}
                    dataset_parameters:
                      patch_size: *size
                      train_dataloader_args: &loader {batch_size: 3, num_workers: 2}
                      val_dataloader_args: {<<: *loader, batch_size: 1}
                    """);

            assertThat(config.dataset().patch()).isEqualTo(new Grid(64, 48, 32));
            assertThat(config.dataset().batchSize()).isEqualTo(3);
        }

        @Test
        void argumentsThatTheLossOrOptimizerDoesNotLookAtAreRefused() {
            refuses(
                    () -> parse("loss_fn: {loss_type: dice, loss_args: {gamma: 3}}"),
                    "loss_fn.loss_args.gamma: found 3.0, expected nothing or 2.0",
                    "no effect with loss_fn.loss_type dice, only with diceFocal");
            refuses(
                    () -> parse("loss_fn: {loss_type: crossentropy, loss_args: {include_background: false}}"),
                    "loss_args.include_background: found false",
                    "only with dice, diceCE, diceFocal, generalizedDice");
            refuses(
                    () -> parse("loss_fn: {loss_type: generalizedDice, loss_args: {batch: true}}"),
                    "loss_args.batch: found true");
            refuses(
                    () -> parse("optimizer: {optimizer_type: adam, optimizer_args: {nesterov: true}}"),
                    "optimizer_args.nesterov: found true",
                    "only with sgd");
            refuses(
                    () -> parse("optimizer: {optimizer_type: sgd, optimizer_args: {betas: [0.8, 0.9]}}"),
                    "optimizer_args.betas: found [0.8, 0.9]");
            ExperimentConfig focal = parse("loss_fn: {loss_type: diceFocal, loss_args: {gamma: 3, batch: true}}");
            assertThat(focal.loss().focalGamma()).isEqualTo(3);
            assertThat(parse("loss_fn: {loss_type: dice, loss_args: {gamma: 2}}")
                            .loss())
                    .isEqualTo(parse("loss_fn: {loss_type: dice}").loss());
        }

        @Test
        void everyOfficialLossOptimizerAndScheduleIsRead() {
            for (String loss : List.of("crossentropy", "binarycrossentropy", "dice", "diceCE")) {
                parse("loss_fn: {loss_type: " + loss + ", loss_args: None}").loss();
            }
            for (String optimizer : List.of("adam", "adamw", "sgd")) {
                parse("optimizer: {optimizer_type: " + optimizer + ", optimizer_args: {lr: 0.1, weight_decay: 0}}");
            }
            assertThat(parse("""
                            optimizer: {optimizer_type: sgd, optimizer_args: {lr: 0.01, weight_decay: 0.0001}}
                            train_scheduler: {scheduler_type: reducelronplateau, mode: max, patience: 7}
                            """).schedule())
                    .extracting(ScheduleSpec::kind, ScheduleSpec::watched, ScheduleSpec::patience)
                    .containsExactly(ScheduleSpec.Kind.PLATEAU, ScheduleSpec.Watched.DICE, 7);
            assertThat(parse("train_scheduler: {scheduler_type: poly_lr, scheduler_args: {power: 0.5}}")
                            .schedule()
                            .power())
                    .isEqualTo(0.5);
        }

        @Test
        void foldsNameTheirLists() {
            assertThat(parse("dataset_parameters: {train_dataset_args: {fold_id: 3}}")
                            .dataset()
                            .trainList()
                            .fileName())
                    .isEqualTo("train_fold_3.csv");
        }
    }

    @Nested
    class WrongFiles {
        @Test
        void unknownKeysSuggestTheNearestOne() {
            refuses(
                    () -> parse("training_parameters: {num_epocs: 3}"),
                    "f.yaml: training_parameters.num_epocs",
                    "did you mean 'num_epochs'");
            refuses(() -> parse("trainig_parameters: {num_epochs: 3}"), "did you mean 'training_parameters'");
            refuses(() -> parse("model_parameters: {embed_dim: [1]}"), "did you mean 'embed_dims'");
            refuses(() -> parse("num_epochs: 3"), "did you mean 'training_parameters.num_epochs'");
            refuses(
                    () -> parse("training_parameters: {batch_size: 3}"),
                    "training_parameters.batch_size: unknown key; did you mean"
                            + " 'dataset_parameters.train_dataloader_args.batch_size' or"
                            + " 'dataset_parameters.val_dataloader_args.batch_size'?");
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', textBlock = """
                        training_parameters: {num_epochs: 0}               | training_parameters.num_epochs: found 0
                        training_parameters: {num_epochs: many}            | training_parameters.num_epochs: found many
                        training_parameters: {num_epochs: 1.5}             | training_parameters.num_epochs: found 1.5
                        training_parameters: 3                             | training_parameters: found 3
                        ema: {ema_decay: 1}                                | ema.ema_decay: found 1
                        ema: {enabled: 'yes'}                              | ema.enabled: found yes
                        optimizer: {optimizer_type: adamm}                 | did you mean 'adam'
                        optimizer: {optimizer_args: {lr: -1}}              | optimizer.optimizer_args.lr: found -1
                        optimizer: {optimizer_args: {betas: [0.9, 1.5]}}   | optimizer.optimizer_args.betas[1]: found 1.5
                        sliding_window_inference: {roi: [64, 64]}          | sliding_window_inference.roi: found [64, 64]
                        sliding_window_inference: {roi: [64, 64, 0]}       | sliding_window_inference.roi[2]: found 0
                        model_name: unet                                   | model_name: found 'unet'
                        backend: {device: gpu}                             | backend.device: found 'gpu'
                        backend: {threads: -1}                             | backend.threads: found -1
                        validation: {overlap: 1}                           | validation.overlap: found 1
                        dataset_parameters: {labels: {mode: soft}}         | dataset_parameters.labels.mode: found soft
                        dataset_parameters: {augmentation: flips}          | dataset_parameters.augmentation
                        """)
        void wrongValuesNameKeyAndFinding(String yaml, String expected) {
            refuses(() -> parse(yaml), "f.yaml: ", expected);
        }

        @Test
        void syntaxErrorsNameTheLine() {
            refuses(() -> parse("project: a\nema: {enabled: true"), "f.yaml: not valid YAML, line 2");
        }

        @Test
        void aKeyGivenTwiceIsRefused() {
            refuses(() -> parse("project: a\nproject: b"), "f.yaml: not valid YAML, line 2", "uplicate");
        }

        @Test
        void aListIsNotAnExperiment() {
            refuses(() -> parse("[1, 2]"), "f.yaml: found [1, 2], expected a map of sections");
        }

        @Test
        void aMissingFileIsNamed() {
            refuses(() -> ExperimentConfig.read(Path.of("nowhere/x.yaml")), "nowhere/x.yaml: no such file");
        }

        @Test
        void loadingNeedsOnePathAndOneKind() {
            String load = "training_parameters: {load_checkpoint: {load_model_only: true%s}}";
            refuses(() -> parse(load.formatted("")), "load_checkpoint_path: found null");
            refuses(
                    () -> parse(load.formatted(", load_full_checkpoint: true, load_checkpoint_path: x")),
                    "both true, expected at most one");
        }
    }

    @Nested
    class Extensions {
        @Test
        void haveTheirOwnSections() {
            ExperimentConfig config = parse("""
                    backend: {name: reference, device: "cuda:1", threads: 3, precision: float64, implementation: plain}
                    loss_fn: {loss_type: diceCE, loss_args: {include_background: false, lambda_other: 0.5}}
                    dataset_parameters:
                      dataset_type: decathlon
                      root: ../scans
                      labels: {mode: softmax}
                      patch_size: 48
                      split: {test_fraction: 0.2, validation_fraction: 0, seed: -1}
                    training_parameters: {early_stop: {enabled: true, patience: 3}}
                    """);

            assertThat(config.backend().name()).contains("reference");
            assertThat(config.backend().options().device()).isEqualTo(new Device(Device.Type.CUDA, 1));
            assertThat(config.backend().options().computeType()).isEqualTo(DType.FLOAT64);
            assertThat(config.backend().options().threads()).isEqualTo(3);
            assertThat(config.loss().kind()).isEqualTo(LossSpec.Kind.DICE_CROSS_ENTROPY);
            assertThat(config.loss().activation()).isEqualTo(LossSpec.Activation.SOFTMAX);
            assertThat(config.loss().includeBackground()).isFalse();
            assertThat(config.loss().otherWeight()).isEqualTo(0.5);
            assertThat(config.dataset().root()).contains(Path.of("/data/scans"));
            assertThat(config.dataset().patch()).isEqualTo(new Grid(48, 48, 48));
            assertThat(config.dataset().split().seed()).isEqualTo(-1);
            assertThat(config.training().earlyStop()).contains(new TrainingSettings.EarlyStop(3, 0));
        }

        @Test
        void theCosineFillsTheEpochsThatAreLeftUnlessToldOtherwise() {
            String yaml = "training_parameters: {num_epochs: 30}\nwarmup_scheduler: {enabled: true, warmup_epochs: 5}";

            assertThat(parse(yaml).schedule().cycleEpochs()).isEqualTo(25);
        }

        @Test
        void aRunFolderGoesBeforeTheOfficialOne() {
            ExperimentConfig config = parse("training_parameters: {checkpoint_save_dir: a}\noutput: {run_dir: /b}");

            assertThat(config.output().runFolder()).contains(Path.of("/b"));
        }
    }

    @Nested
    class Overrides {
        private final ExperimentConfig config = parse("project: p\ndataset_parameters: {root: scans}");

        @Test
        void changeOneKeyAndKeepTheRest() {
            ExperimentConfig changed = config.withOverrides(
                    List.of("training_parameters.num_epochs=3", "sliding_window_inference.roi=[8, 16, 24]"));

            assertThat(changed.training().epochs()).isEqualTo(3);
            assertThat(changed.validation().roi()).isEqualTo(new Grid(8, 16, 24));
            assertThat(changed.project()).isEqualTo("p");
            assertThat(changed.dataset().root()).contains(Path.of("/data/experiments/scans"));
            assertThat(config.training().epochs()).isEqualTo(100);
        }

        @Test
        void reachIntoMaps() {
            ExperimentConfig changed = config.withOverrides(
                    List.of("model_parameters.in_channels=1", "dataset_parameters.labels.mode=softmax"));

            assertThat(changed.network().inChannels()).isEqualTo(1);
            assertThat(changed.dataset().labels().softmax()).isTrue();
        }

        @Test
        void relativePathsStartFromTheWorkingDirectory() {
            assertThat(config.withOverrides(List.of("dataset_parameters.root=here"))
                            .dataset()
                            .root())
                    .contains(Path.of("here").toAbsolutePath());
        }

        @Test
        void aValueMayHoldAnEqualsSign() {
            assertThat(config.withOverrides(List.of("project=a=b")).project()).isEqualTo("a=b");
        }

        @ParameterizedTest
        @ValueSource(strings = {"training_parameters.num_epochs", "=3", ""})
        void withoutKeyOrEqualsSignAreRefused(String assignment) {
            refuses(() -> config.withOverrides(List.of(assignment)), "--set", "expected key=value");
        }

        @Test
        void withUnknownKeysAreRefused() {
            refuses(
                    () -> config.withOverrides(List.of("training_parameters.epochs=3")),
                    "--set: training_parameters.epochs: unknown key");
            refuses(() -> config.withOverrides(List.of("ema.enabled={a")), "--set ema.enabled: not valid YAML");
        }
    }

    @Nested
    class WrittenBack {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "{}",
                    "project: 'yes'",
                    "project: '1e-4'",
                    "project: 'a: b # c'",
                    "project: '1:30'",
                    "project: '0x1F'",
                    "project: '1_000'",
                    "project: '010'",
                    "project: '.inf'",
                    "project: '2024-05-01'",
                    "project: '~'",
                    "project: '<<'",
                    "project: '='",
                    "project: ' spaced '",
                    "project: \"two\\nlines\"",
                    "project: \"öffne \\\"x\\\"\"",
                    "optimizer: {optimizer_args: {lr: 0.000006, eps: 1.0e-12}}",
                    "dataset_parameters: {dataset_type: decathlon, root: x, labels: {mode: softmax}, patch_size: [48, 64, 48]}",
                    "wandb_parameters: {entity: e, tags: [a, 1, 2.5, null], nested: {deep: 'on'}}",
                    "training_parameters: {seed: -9223372036854775808}"
                })
        void aConfigurationReadsBackAsItself(String yaml) {
            ExperimentConfig config = parse(yaml);

            assertThat(ExperimentConfig.parse(config.toYaml(), "again", Path.of("/elsewhere")))
                    .isEqualTo(config)
                    .hasSameHashCodeAs(config);
        }

        @Test
        void filesAreWrittenAndRead(@TempDir Path folder) throws Exception {
            ExperimentConfig config = parse("project: x\noutput: {run_dir: run}");
            config.write(folder.resolve("resolved.yaml"));

            ExperimentConfig again = ExperimentConfig.read(folder.resolve("resolved.yaml"));

            assertThat(again).isEqualTo(config);
            assertThat(again.output().runFolder()).isEqualTo(Optional.of(Path.of("/data/experiments/run")));
        }

        @Test
        void differentValuesAreNotEqual() {
            assertThat(parse("project: x")).isNotEqualTo(parse("project: y"));
            assertThat(ExperimentConfig.of(Map.of("project", "x"), BASE)).isEqualTo(parse("project: x"));
        }
    }
}
