package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.train.run.StepLimit.stoppingAfter;

import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.metrics.Evaluation;
import org.segformer3d.eval.metrics.PostprocessingChoice;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;
import org.segformer3d.train.run.TrainingOutcome.End;
import org.segformer3d.train.tracking.EpochRecord;

class TrainerTests {
    @TempDir
    private static Path data;

    @TempDir
    private Path folder;

    private final FakeBackend backend = new FakeBackend();

    @BeforeAll
    static void writePhantoms() throws IOException {
        new PhantomDataset(7, 3).write(data.resolve("phantoms"));
    }

    /** 4 training cases × 2 samples / 2 = 4 batches, 1 validation case, 2 test cases. */
    private ExperimentConfig config(String... changes) {
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
                training_parameters: {num_epochs: 4, seed: 5}
                dataset_parameters:
                  dataset_type: decathlon
                  labels: {mode: softmax}
                  patch_size: 8
                  samples_per_case: 2
                  augmentation: light
                  split: {test_fraction: 0.25, validation_fraction: 0.2}
                validation: {overlap: 0, test: false}
                tracking: {curve: false, tensorboard: false}
                """, "test", folder);
        List<String> all = new ArrayList<>(List.of(
                "dataset_parameters.root='" + data.resolve("phantoms") + "'",
                "output.run_dir='" + folder.resolve("run") + "'"));
        all.addAll(Arrays.asList(changes));
        return config.withOverrides(all);
    }

    private TrainingOutcome train(String... changes) throws IOException {
        return Trainer.run(config(changes), TrainerOptions.defaults(), backend);
    }

    private TrainingOutcome resume(String... changes) throws IOException {
        return Trainer.run(config(changes), TrainerOptions.defaults().resuming(true), backend);
    }

    /** Notes what the run tells. */
    private static TrainerOptions telling(List<String> messages) {
        return TrainerOptions.defaults().listenedBy(new ProgressListener() {
            @Override
            public void message(String line) {
                messages.add(line);
            }
        });
    }

    @Nested
    class ARunToTheEnd {
        @Test
        void leavesCheckpointsHistoryBundleAndScores() throws IOException {
            TrainingOutcome outcome = train("validation.test=true");

            Path run = folder.resolve("run");
            assertThat(outcome.end()).isEqualTo(End.FINISHED);
            assertThat(outcome.epochs()).isEqualTo(4);
            assertThat(outcome.steps()).isEqualTo(16);
            assertThat(outcome.bestDice().getAsDouble()).isBetween(0.0, 1.0);
            assertThat(Files.readAllLines(run.resolve("history.csv"))).hasSize(5);
            assertThat(Files.readAllLines(run.resolve("history.jsonl"))).hasSize(4);
            assertThat(ExperimentConfig.read(run.resolve("config.resolved.yaml")))
                    .isEqualTo(config("validation.test=true"));
            assertThat(Split.read(run.resolve("split.json")).train()).hasSize(4);
            Checkpoint last = Checkpoint.read(run.resolve("checkpoints/last"));
            assertThat(last.position().epoch()).isEqualTo(4);
            assertThat(last.state().weights().hash()).isEqualTo(outcome.weightsHash());
            assertThat(last.history()).hasSize(4);
            ModelBundle bundle = ModelBundle.read(outcome.bundle().orElseThrow());
            assertThat(bundle.weights())
                    .isEqualTo(Checkpoint.read(run.resolve("checkpoints/best"))
                            .state()
                            .weights());
            assertThat(bundle.labels().names()).containsExactly("background", "organ", "lesion");
            assertThat(bundle.provenance())
                    .containsEntry("project", "fake")
                    .containsKeys("test_cases", "data_fingerprint");
            assertThat(outcome.test().orElseThrow().cases()).hasSize(2);
            assertThat(outcome.test().orElseThrow().dicePerClass()).containsOnlyKeys("organ", "lesion");
            assertThat(run.resolve("test/evaluation.json")).exists();
            assertThat(outcome.report()).contains(run.resolve("report.html"));
            assertThat(Files.readString(run.resolve("report.html")))
                    .contains("2 test cases, ", "<h2>Scores</h2>", "<h2>Learning curves</h2>", "project: fake");
        }

        @Test
        void showsItsValidationCasesWhereThereAreNoTestCases() throws IOException {
            String[] changes = {"validation.test=true", "dataset_parameters.split.test_fraction=0"};
            TrainingOutcome outcome = train(changes);
            assertThat(outcome.test()).isEmpty();
            int cases =
                    Split.read(folder.resolve("run/split.json")).validation().size();
            assertThat(cases).isPositive();
            assertThat(folder.resolve("run/validation/evaluation.json")).exists();
            assertThat(Files.readString(outcome.report().orElseThrow()))
                    .contains("validation case")
                    .contains("by which the weights were chosen too");
        }

        @Test
        void choosesPostprocessingOnItsValidationCasesWhenTold() throws IOException {
            List<String> messages = new ArrayList<>();
            ExperimentConfig config = config("validation.test=true", "validation.choose_postprocessing=true");
            TrainingOutcome outcome = Trainer.run(config, telling(messages), backend);

            Path run = folder.resolve("run");
            Map<String, Object> choice = Json.parse(Files.readString(run.resolve("postprocessing/choice.json")));
            ModelBundle bundle = ModelBundle.read(outcome.bundle().orElseThrow());
            // The phantoms have a decoy as bright as what is looked for, and noise.
            assertThat(bundle.inference().postprocessing()).isNotEmpty();
            assertThat(choice.get("steps"))
                    .isEqualTo(bundle.inference().postprocessing().stream()
                            .map(PostprocessingStep::toMap)
                            .toList());
            assertThat(bundle.provenance().get("postprocessing_choice"))
                    .asInstanceOf(InstanceOfAssertFactories.map(String.class, Object.class))
                    .containsEntry("dice_after", choice.get("dice_after"))
                    .containsKeys("chosen_on", "dice_before", "trials");
            assertThat(messages).anyMatch(line -> line.startsWith("postprocessing on the validation cases: taken: "));
            assertThat(Files.readString(run.resolve("report.html")))
                    .contains("Postprocessing choice", "at the end of the training");
            // Chosen on the validation cases alone, for what the network says without it, and used on the test cases.
            List<String> validation = Split.read(run.resolve("split.json")).validation();
            assertThat(predictionsIn(run.resolve("postprocessing"))).containsExactlyElementsOf(validation);
            PostprocessingChoice onTest = PostprocessingChoice.of(
                    new Evaluation(run.resolve("test/predictions"), data.resolve("phantoms/labelsTr")),
                    bundle.labels(),
                    bundle.inference().postprocessing());
            assertThat(onTest.before()).isEqualTo(onTest.trials().get(0).dice());
        }

        private static List<String> predictionsIn(Path folder) throws IOException {
            try (Stream<Path> files = Files.list(folder.resolve("predictions"))) {
                return files.map(file -> file.getFileName().toString().replace(".nii.gz", ""))
                        .sorted()
                        .toList();
            }
        }

        @Test
        void choosesPostprocessingAnewWhenItGoesOn() throws IOException {
            String choose = "validation.choose_postprocessing=true";
            ModelBundle first = ModelBundle.read(train(choose).bundle().orElseThrow());
            ModelBundle second = ModelBundle.read(resume(choose).bundle().orElseThrow());
            assertThat(second.inference()).isEqualTo(first.inference());
            assertThat(second.inference().postprocessing()).isNotEmpty();
        }

        @Test
        void choosesNoPostprocessingByItself() throws IOException {
            ModelBundle bundle = ModelBundle.read(train().bundle().orElseThrow());
            assertThat(bundle.inference().postprocessing()).isEmpty();
            assertThat(bundle.provenance()).doesNotContainKey("postprocessing_choice");
            assertThat(folder.resolve("run/postprocessing")).doesNotExist();
        }

        @Test
        void namesTheChannelsOfItsScansInTheBundle() throws IOException {
            assertThat(ModelBundle.read(train().bundle().orElseThrow()).channelNames())
                    .containsExactly("synthetic");
        }

        @Test
        void writesNoReportWhenNoneIsWanted() throws IOException {
            assertThat(train("tracking.report=false").report()).isEmpty();
            assertThat(folder.resolve("run/validation")).doesNotExist();
        }

        @Test
        void tellsItsListenerEveryStepAndEpoch() throws IOException {
            List<String> heard = new ArrayList<>();
            ProgressListener listener = new ProgressListener() {
                @Override
                public void started(Start start) {
                    heard.add("start " + start.trainingCases() + " " + start.validationCases() + " " + start.testCases()
                            + " " + start.stepsPerEpoch());
                }

                @Override
                public void step(Step step) {
                    heard.add("step " + step.epoch() + "/" + step.step());
                    assertThat(step.waitShare()).isBetween(0.0, 1.0);
                    assertThat(step.remaining().isNegative()).isFalse();
                }

                @Override
                public void epoch(EpochSummary epoch) {
                    heard.add("epoch " + epoch.epoch());
                    assertThat(epoch.dicePerClass()).containsOnlyKeys("organ", "lesion");
                }

                @Override
                public void finished(TrainingOutcome outcome) {
                    heard.add("end");
                }
            };

            Trainer.run(
                    config("training_parameters.num_epochs=2", "training_parameters.grad_accumulate_steps=2"),
                    TrainerOptions.defaults().listenedBy(listener),
                    backend);

            assertThat(heard)
                    .containsExactly(
                            "start 4 1 2 2",
                            "step 0/1",
                            "step 0/2",
                            "epoch 0",
                            "step 1/1",
                            "step 1/2",
                            "epoch 1",
                            "end");
        }

        @Test
        void saysHowEverySoManiethStepWent() throws IOException {
            List<String> messages = new ArrayList<>();

            Trainer.run(config("training_parameters.print_every=3"), telling(messages), backend);

            assertThat(messages)
                    .filteredOn(line -> line.startsWith("step "))
                    .hasSize(5)
                    .first()
                    .asString()
                    .matches("step 3, epoch 1/4: loss \\d\\.\\d{4}, rate 1\\.00e-04, gradient norm \\S+");
        }

        @Test
        void trainsEveryEpochAtItsScheduledRate() throws IOException {
            train(
                    "warmup_scheduler={enabled: true, warmup_epochs: 2}",
                    "train_scheduler.scheduler_args.t_0_epochs=10",
                    "optimizer.optimizer_args.lr=0.5",
                    "validation.every=4");

            assertThat(backend.rates.subList(0, 4)).containsOnly(0.5);
            assertThat(backend.rates.subList(4, 8)).containsOnly(0.5);
            assertThat(backend.rates.subList(8, 12)).containsOnly(0.75);
            assertThat(backend.rates.get(12)).isCloseTo(0.5 * (1 + Math.cos(Math.PI / 10)) / 2, within(1e-12));
        }

        @Test
        void accumulatesBatchesWithEqualShares() throws IOException {
            TrainingOutcome outcome =
                    train("training_parameters.grad_accumulate_steps=3", "training_parameters.num_epochs=1");

            assertThat(backend.factors).containsOnly(1.0 / 3).hasSize(4);
            assertThat(outcome.steps())
                    .as("an incomplete group still makes a step")
                    .isEqualTo(2);
        }

        @Test
        void endsAtTheCutoff() throws IOException {
            assertThat(train("training_parameters.cutoff_epoch=2").epochs()).isEqualTo(2);
        }

        @Test
        void passesTheStepsRulesToTheBackend() throws IOException {
            train(
                    "clip_gradients={enabled: true, clip_gradients_value: 0.25}",
                    "ema={enabled: true, ema_decay: 0.5}",
                    "training_parameters.recompute_activations=true",
                    "training_parameters.amp=true",
                    "loss_fn={loss_type: diceCE, loss_args: {include_background: false}}",
                    "training_parameters.num_epochs=1");

            assertThat(backend.specs.get(0).clipNorm()).hasValue(0.25);
            assertThat(backend.specs.get(0).emaDecay()).hasValue(0.5);
            assertThat(backend.specs.get(0).recomputes()).isTrue();
            assertThat(backend.specs.get(0).mixed()).isTrue();
            assertThat(backend.specs.get(0).loss().includeBackground()).isFalse();
            assertThat(backend.specs.get(0).initialWeights())
                    .isEqualTo(WeightInitializer.initialize(config().network().parameters(), 5));
        }

        @Test
        void leavesVoxelsToIgnoreOutOfLossAndValidation() throws IOException {
            // Organ and lesion share a value with nothing; the lesion is what nobody labelled.
            String labels =
                    "dataset_parameters.labels={mode: softmax, ignore: 2, regions: [{name: background, values: 0},"
                            + " {name: organ, values: 1}]}";
            TrainingOutcome outcome = train(
                    labels,
                    "model_parameters.num_classes=2",
                    "dataset_parameters.patch_size=32",
                    "training_parameters.num_epochs=1");

            assertThat(backend.masks).hasSize(4);
            assertThat(backend.masks.stream().filter(Optional::isPresent)).isNotEmpty();
            backend.masks.stream().flatMap(Optional::stream).forEach(mask -> {
                assertThat(mask.shape()).containsExactly(2, 1, 32, 32, 32);
                assertThat(mask.toFloats()).contains(0f, 1f);
            });
            ModelBundle bundle = ModelBundle.read(outcome.bundle().orElseThrow());
            assertThat(bundle.labels().ignored()).containsExactly(2);
            assertThat(bundle.labels().names()).containsExactly("background", "organ");
        }

        @Test
        void leavesVoxelsToIgnoreOutOfThePlainValidationsLoss() throws IOException {
            train(
                    "dataset_parameters.labels={mode: softmax, ignore: 2, regions: [{name: background, values: 0},"
                            + " {name: organ, values: 1}]}",
                    "model_parameters.num_classes=2",
                    "dataset_parameters.patch_size=32",
                    "training_parameters.num_epochs=1",
                    "training_parameters.calculate_metrics=false");

            // four batches of training, one of validation
            assertThat(backend.masks).hasSize(5);
            assertThat(backend.masks.get(4)).isPresent();
        }

        @Test
        void aValueThatNobodyNamedIsRefusedWithItsCase() {
            assertThatThrownBy(() -> train(
                            "dataset_parameters.labels={mode: softmax, regions: [{name: background, values: 0},"
                                    + " {name: organ, values: 1}]}",
                            "model_parameters.num_classes=2"))
                    .hasMessageContainingAll("case", "label value 2", "ignore: 2");
        }

        @Test
        void writesTheAveragedWeightsIntoTheBundleWhenTheyWereValidated() throws IOException {
            backend.drift = 0.001;

            train("ema={enabled: true, ema_decay: 0.5}", "training_parameters.num_epochs=1");

            Checkpoint best = Checkpoint.read(folder.resolve("run/checkpoints/best"));
            StateDict bundled = ModelBundle.read(folder.resolve("run/bundle")).weights();
            assertThat(bundled).isEqualTo(best.state().averaged().orElseThrow());
            assertThat(bundled).isNotEqualTo(best.state().weights());
        }

        @Test
        void looksAtTheTrainingDataOnceMoreForTheStatisticsOfAveragedWeights() throws IOException {
            String average = "ema={enabled: true, ema_decay: 0.5, val_ema_every: 2}";
            train(average, "training_parameters.num_epochs=3");

            assertThat(backend.observed)
                    .as("4 batches in epoch 2 and at the end")
                    .hasSize(8);
            backend.observed.clear();
            train(
                    average,
                    "ema.batch_norm=averaged",
                    "training_parameters.num_epochs=3",
                    "output.run_dir='" + folder.resolve("averaged") + "'");
            assertThat(backend.observed).isEmpty();
        }

        @Test
        void keepsPreparedCasesOnDiskWhenAFolderIsNamed() throws IOException {
            String hash = train("training_parameters.num_epochs=1").weightsHash();
            Path cache = folder.resolve("cache");
            for (String run : List.of("first", "second")) {
                TrainingOutcome outcome = train(
                        "training_parameters.num_epochs=1",
                        "dataset_parameters.cache_dir='" + cache + "'",
                        "output.run_dir='" + folder.resolve(run) + "'");
                assertThat(outcome.weightsHash()).isEqualTo(hash);
                try (var entries = Files.list(cache)) {
                    assertThat(entries.filter(path -> path.toString().endsWith(".safetensors")))
                            .as("4 training cases and one to validate")
                            .hasSize(5);
                }
            }
        }

        @Test
        void savesAmidAnEpochWhenTold() throws IOException {
            backend.loss = n -> n == 7 ? Double.NaN : 1;

            assertThatThrownBy(() -> train("output.checkpoint_every_steps=3"))
                    .isInstanceOf(TrainingDivergedException.class);

            Checkpoint last = Checkpoint.read(folder.resolve("run/checkpoints/last"));
            assertThat(last.position().steps()).isEqualTo(6);
            assertThat(last.position().epoch()).isEqualTo(1);
            assertThat(last.position().batches()).isEqualTo(2);
        }
    }

    @Nested
    class TheBestWeights {
        @Test
        void areThoseOfTheEpochWithTheHighestDice() throws IOException {
            // The lesion's threshold moves up and away from where it is right.
            backend.drift = -0.2;

            TrainingOutcome outcome = train("optimizer.optimizer_args.lr=1.0e-12");

            List<Double> dice = Checkpoint.read(folder.resolve("run/checkpoints/last")).history().stream()
                    .map(record -> record.dice().getAsDouble())
                    .toList();
            double highest = dice.stream().mapToDouble(d -> d).max().orElseThrow();
            assertThat(dice).doesNotHaveDuplicates();
            assertThat(outcome.bestDice()).isEqualTo(OptionalDouble.of(highest));
            assertThat(outcome.bestEpoch()).isEqualTo(dice.indexOf(highest)).isLessThan(3);
            assertThat(Checkpoint.read(folder.resolve("run/checkpoints/best"))
                            .position()
                            .epoch())
                    .isEqualTo(outcome.bestEpoch() + 1);
        }

        @Test
        void areTheNewerOnesAmongEquals() throws IOException {
            TrainingOutcome outcome = train("optimizer.optimizer_args.lr=1.0e-12");

            assertThat(outcome.bestEpoch()).isEqualTo(3);
        }

        @Test
        void areTheLastOnesWithoutValidation() throws IOException {
            TrainingOutcome outcome = train("training_parameters.calculate_metrics=false");

            assertThat(outcome.bestDice()).isEmpty();
            assertThat(ModelBundle.read(outcome.bundle().orElseThrow())
                            .weights()
                            .hash())
                    .isEqualTo(outcome.weightsHash());
        }

        @Test
        void areTheLastOnesWithPlainValidationOfALoss() throws IOException {
            backend.drift = -0.2;

            TrainingOutcome outcome = train(
                    "training_parameters.calculate_metrics=false",
                    "optimizer.optimizer_args.lr=1.0e-12",
                    "validation.every=2");

            List<EpochRecord> history =
                    Checkpoint.read(folder.resolve("run/checkpoints/last")).history();
            assertThat(history)
                    .extracting(record -> record.validationLoss().isPresent())
                    .containsExactly(false, true, false, true);
            assertThat(history.get(1).validationLoss().getAsDouble()).isBetween(0.0, 1.0);
            assertThat(history.get(1).validationLoss())
                    .isNotEqualTo(history.get(3).validationLoss());
            assertThat(outcome.bestDice()).isEmpty();
            assertThat(Files.readAllLines(folder.resolve("run/history.csv")).get(0))
                    .contains("validation_loss");
        }

        @Test
        void areValidatedEverySoManyEpochsAndAtTheEnd() throws IOException {
            train("validation.every=3");

            assertThat(Checkpoint.read(folder.resolve("run/checkpoints/last")).history())
                    .extracting(record -> record.dice().isPresent())
                    .containsExactly(false, false, true, true);
        }
    }

    @Nested
    class Ending {
        @Test
        void earlyWhenDiceStopsRising() throws IOException {
            String rule = "training_parameters.early_stop={enabled: true, patience: 2}";

            TrainingOutcome outcome = train(
                    rule,
                    "optimizer.optimizer_args.lr=1.0e-12",
                    "training_parameters.num_epochs=9",
                    "validation.test=true");

            assertThat(outcome.end()).isEqualTo(End.EARLY);
            assertThat(outcome.epochs()).isEqualTo(3);
            assertThat(outcome.test()).isPresent();
            assertThat(resume(rule, "optimizer.optimizer_args.lr=1.0e-12", "training_parameters.num_epochs=9")
                            .epochs())
                    .as("a resumed run has not forgotten that it ended")
                    .isEqualTo(3);
        }

        @Test
        void onRequestSavesTheStateAfterTheStep() throws IOException {
            TrainingOutcome outcome = Trainer.run(config(), stoppingAfter(6), backend);

            assertThat(outcome.end()).isEqualTo(End.STOPPED);
            assertThat(outcome.steps()).isEqualTo(6);
            Checkpoint last = Checkpoint.read(folder.resolve("run/checkpoints/last"));
            assertThat(last.position().epoch()).isEqualTo(1);
            assertThat(last.position().batches()).isEqualTo(2);
            assertThat(last.state().weights().hash()).isEqualTo(outcome.weightsHash());
        }

        @Test
        void onRequestAmidAValidationDoesNotWaitForItsEnd() throws IOException {
            // A validation of one case, window by window.
            String[] windows = {"sliding_window_inference={roi: 16, sw_batch_size: 1}"};
            String straight = train("output.run_dir='" + folder.resolve("straight") + "'", windows[0])
                    .weightsHash();
            AtomicInteger steps = new AtomicInteger();
            AtomicInteger asked = new AtomicInteger();
            ProgressListener counting = new ProgressListener() {
                @Override
                public void step(Step step) {
                    steps.incrementAndGet();
                }
            };

            TrainingOutcome stopped = Trainer.run(
                    config(windows),
                    TrainerOptions.defaults()
                            .listenedBy(counting)
                            .stoppingWhen(() -> steps.get() == 4 && asked.incrementAndGet() >= 4),
                    backend);

            assertThat(stopped.end()).isEqualTo(End.STOPPED);
            assertThat(asked)
                    .as("the fourth question is the last but that of the run's end")
                    .hasValueBetween(4, 5);
            assertThat(stopped.bestDice()).isEmpty();
            assertThat(Checkpoint.read(folder.resolve("run/checkpoints/last"))
                            .position()
                            .batches())
                    .isEqualTo(4);
            TrainingOutcome resumed = resume(windows);
            assertThat(resumed.weightsHash()).isEqualTo(straight);
            assertThat(resumed.steps()).isEqualTo(16);
        }

        @Test
        void onALossThatIsNoNumberNamesTheCasesAndKeepsTheLastGoodState() throws IOException {
            backend.loss = n -> n == 6 ? Double.NaN : 1;

            assertThatThrownBy(() -> train())
                    .isInstanceOf(TrainingDivergedException.class)
                    .hasMessageContaining("epoch 2, step 7: the loss is NaN with the cases phantom_")
                    .hasMessageContaining("checkpoints/last")
                    .satisfies(e ->
                            assertThat(((TrainingDivergedException) e).cases()).hasSize(2));

            assertThat(Checkpoint.read(folder.resolve("run/checkpoints/last"))
                            .position()
                            .steps())
                    .isEqualTo(4);
        }

        @Test
        void onGradientsThatAreNoNumbersNamesAllCasesOfTheStep() {
            backend.norm = n -> Double.POSITIVE_INFINITY;

            assertThatThrownBy(() -> train("training_parameters.grad_accumulate_steps=2"))
                    .isInstanceOf(TrainingDivergedException.class)
                    .hasMessageContaining("the gradients' norm is Infinity")
                    .hasMessageContaining("there is no earlier checkpoint")
                    .satisfies(e ->
                            assertThat(((TrainingDivergedException) e).cases()).hasSize(4));
        }
    }

    @Nested
    class Resumed {
        @ParameterizedTest
        @ValueSource(ints = {1, 3, 4, 5, 8, 11, 15})
        void aRunEndsAsIfItHadNeverStopped(int steps) throws IOException {
            String straight =
                    train("output.run_dir='" + folder.resolve("straight") + "'").weightsHash();

            TrainingOutcome stopped = Trainer.run(config(), stoppingAfter(steps), backend);
            TrainingOutcome outcome = resume();

            assertThat(stopped.steps()).isEqualTo(steps);
            assertThat(stopped.weightsHash()).isNotEqualTo(straight);
            assertThat(outcome.weightsHash()).isEqualTo(straight);
            assertThat(outcome.steps()).isEqualTo(16);
            assertThat(losses("run")).isEqualTo(losses("straight"));
            assertThat(ModelBundle.read(folder.resolve("run/bundle")).weights())
                    .isEqualTo(
                            ModelBundle.read(folder.resolve("straight/bundle")).weights());
        }

        private List<Object> losses(String run) throws IOException {
            // Losses of the fake count batches, also across runs; rates, steps and Dice are what must agree.
            return Checkpoint.read(folder.resolve(run).resolve("checkpoints/last")).history().stream()
                    .<Object>map(r -> List.of(r.epoch(), r.steps(), r.learningRate(), r.dice(), r.best()))
                    .toList();
        }

        @Test
        void withAccumulationItStopsBetweenStepsOnly() throws IOException {
            String accumulate = "training_parameters.grad_accumulate_steps=3";
            String straight = train("output.run_dir='" + folder.resolve("straight") + "'", accumulate)
                    .weightsHash();

            Trainer.run(config(accumulate), stoppingAfter(1), backend);
            Trainer.run(config(accumulate), stoppingAfter(2).resuming(true), backend);

            assertThat(resume(accumulate).weightsHash()).isEqualTo(straight);
        }

        @Test
        void aFinishedRunGoesOnWhenItsEpochsAreRaised() throws IOException {
            String straight = train(
                            "output.run_dir='" + folder.resolve("straight") + "'",
                            "train_scheduler.scheduler_args.t_0_epochs=9")
                    .weightsHash();

            train("training_parameters.num_epochs=2", "train_scheduler.scheduler_args.t_0_epochs=9");

            assertThat(resume("train_scheduler.scheduler_args.t_0_epochs=9").weightsHash())
                    .isEqualTo(straight);
        }

        @Test
        void aFinishedRunIsFinishedAtOnce() throws IOException {
            String hash = train().weightsHash();
            int updates = backend.rates.size();

            assertThat(resume().weightsHash()).isEqualTo(hash);
            assertThat(backend.rates).hasSize(updates);
        }

        @Test
        void aRunThatWasKilledBeforeItsFirstCheckpointBeginsAgain() throws IOException {
            Files.createDirectories(folder.resolve("run"));
            Files.writeString(folder.resolve("run/history.csv"), "rubbish");

            assertThat(resume().steps()).isEqualTo(16);
        }

        @Test
        void aRunThatWasKilledAmidASaveLeavesNothingBehind() throws IOException {
            train("training_parameters.num_epochs=1");
            Path half = folder.resolve("run/checkpoints/.best.0652dbbc-871e-41e7-8dc5-2687a7a34eb0.tmp");
            Files.createDirectories(half);
            Files.writeString(half.resolve("weights.safetensors"), "half");

            resume();

            assertThat(half).doesNotExist();
            assertThat(folder.resolve("run/checkpoints/best/weights.safetensors"))
                    .exists();
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "training_parameters.seed=6",
                    "dataset_parameters.patch_size=16",
                    "dataset_parameters.split.seed=9",
                    "model_parameters.depths=[1, 1, 1, 2]",
                    "optimizer.optimizer_type=sgd",
                    "ema.enabled=true"
                })
        void otherSettingsThatMakeAnotherRunAreRefused(String change) throws IOException {
            train("training_parameters.num_epochs=1");

            assertThatThrownBy(() -> resume(change))
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining(
                            "can't go on from the checkpoint: " + change.substring(0, change.indexOf('=')))
                    .hasMessageContaining("start a new run in another folder");
        }

        @Test
        void aSettingThatIsLeftOutNowIsRefused() throws IOException {
            train("training_parameters.num_epochs=1", "dataset_parameters.preprocessing={normalization: min_max}");

            assertThatThrownBy(() -> resume())
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining(
                            "dataset_parameters.preprocessing.normalization was min_max and is now z_score");
        }

        @Test
        void theSettingThatChangedIsNamedAndNotOneThatWasNeverWritten() throws IOException {
            train("training_parameters.num_epochs=1");

            assertThatThrownBy(() -> resume("dataset_parameters.preprocessing={spacing: [2, 2, 2]}"))
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining(
                            "dataset_parameters.preprocessing.spacing was null and is now [2.0, 2.0, 2.0]");
        }

        @Test
        void aPatchThatFollowsTheWindowIsRefusedWithTheWindowNamed() throws IOException {
            train("training_parameters.num_epochs=1", "dataset_parameters.patch_size=null");

            assertThatThrownBy(() -> resume("dataset_parameters.patch_size=null", "sliding_window_inference.roi=16"))
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining(
                            "dataset_parameters.patch_size, which follows sliding_window_inference.roi, was [")
                    .hasMessageContaining("and is now [16, 16, 16]");
        }

        @Test
        void otherDataAreRefused() throws IOException {
            train("training_parameters.num_epochs=1");
            Path other = folder.resolve("other");
            new PhantomDataset(7, 4).write(other);

            assertThatThrownBy(() -> resume("dataset_parameters.root='" + other + "'"))
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining("the data set has changed");
        }

        @Test
        void dataOfTheSameNamesAndSizesWithAnotherContentAreRefused() throws IOException {
            Path copy = folder.resolve("copy");
            new PhantomDataset(7, 3).write(copy);
            String root = "dataset_parameters.root='" + copy + "'";
            train(root, "training_parameters.num_epochs=1");
            // One bit in the checksum at the file's end, which changes neither its size nor what is read.
            Path image = copy.resolve("imagesTr/phantom_002.nii.gz");
            byte[] bytes = Files.readAllBytes(image);
            bytes[9] ^= 1;
            Files.write(image, bytes);

            assertThatThrownBy(() -> resume(root))
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining("phantom_002.nii.gz has another content");
            assertThat(resume(root, "output.hash_data=false").epochs()).isEqualTo(4);
        }

        @Test
        void dataMayBeMendedAsLongAsThereIsNoCheckpoint() throws IOException {
            Path copy = folder.resolve("copy");
            new PhantomDataset(7, 3).write(copy);
            String root = "dataset_parameters.root='" + copy + "'";
            Path label = copy.resolve("labelsTr/phantom_002.nii.gz");
            byte[] good = Files.readAllBytes(label);
            // Its header, which is looked at before, remains.
            Files.write(label, Arrays.copyOf(good, good.length - 30));
            String all = "dataset_parameters.split={test_fraction: 0, validation_fraction: 0}";
            assertThatThrownBy(() -> train(root, all)).hasMessageContaining("phantom_002");

            Files.write(label, good);

            assertThat(resume(root, all).epochs()).isEqualTo(4);
        }

        @Test
        void harmlessChangesAreTold() throws IOException {
            train("training_parameters.num_epochs=1");
            List<String> messages = new ArrayList<>();
            ProgressListener listener = new ProgressListener() {
                @Override
                public void message(String line) {
                    messages.add(line);
                }
            };

            Trainer.run(
                    config("optimizer.optimizer_args.lr=0.5", "dataset_parameters.train_dataloader_args.num_workers=0"),
                    TrainerOptions.defaults().resuming(true).listenedBy(listener),
                    backend);

            assertThat(messages)
                    .anyMatch(line -> line.contains("other values of") && line.contains("optimizer_args.lr"));
            assertThat(messages).anyMatch(line -> line.contains("going on after 1 epochs and 4 steps"));
        }
    }

    @Nested
    class ARunFolder {
        @Test
        void thatIsNotEmptyIsNeverOverwritten() throws IOException {
            train("training_parameters.num_epochs=1");
            String before = Sha256.of(folder.resolve("run/checkpoints/last/checkpoint.json"));

            assertThatThrownBy(() -> train())
                    .isInstanceOf(RunFolderException.class)
                    .hasMessageContaining("isn't empty")
                    .hasMessageContaining("--resume");

            assertThat(Sha256.of(folder.resolve("run/checkpoints/last/checkpoint.json")))
                    .isEqualTo(before);
        }

        @Test
        void isHeldByOneRunAtATime() throws IOException {
            try (RunFolder held = RunFolder.open(folder.resolve("run"), false)) {
                assertThat(held.root()).isDirectory();
                assertThatThrownBy(() -> train())
                        .isInstanceOf(RunFolderException.class)
                        .hasMessageContaining("another run is writing");
            }
            assertThat(train("training_parameters.num_epochs=1").end()).isEqualTo(End.FINISHED);
        }

        @Test
        void thatWasMadeForARunThatNeverBeganGoesAgainWithItsParents() {
            assertThatThrownBy(() -> train(
                            "output.run_dir='" + folder.resolve("a/b/run") + "'",
                            "training_parameters.load_checkpoint={load_full_checkpoint: true, load_checkpoint_path: '"
                                    + folder.resolve("none") + "'}"))
                    .isInstanceOf(java.io.FileNotFoundException.class);

            assertThat(folder.resolve("a")).doesNotExist();
        }

        @Test
        void isNotMadeForARunThatNobodyCanBeToldOf() {
            assertThatThrownBy(() -> train("tracking.mlflow={enabled: true, uri: 'http://127.0.0.1:1'}"))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("http://127.0.0.1:1: no MLflow server answers there");
            assertThatThrownBy(() -> train("tracking.mlflow={enabled: true, uri: 'mlruns'}"))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("tracking.mlflow.uri: found 'mlruns'");

            assertThat(folder.resolve("run")).doesNotExist();
        }

        @Test
        void keepsTheNewestFewEpochs() throws IOException {
            train("output.keep_last=3", "training_parameters.num_epochs=5");

            Path checkpoints = folder.resolve("run/checkpoints");
            assertThat(checkpoints)
                    .isDirectoryContaining("glob:**epoch-0003")
                    .isDirectoryContaining("glob:**epoch-0004")
                    .isDirectoryContaining("glob:**epoch-0005");
            try (var inside = Files.list(checkpoints)) {
                assertThat(inside).hasSize(5);
            }
            assertThat(Checkpoint.read(checkpoints.resolve("epoch-0004"))
                            .position()
                            .epoch())
                    .isEqualTo(4);
            assertThat(Checkpoint.read(checkpoints.resolve("epoch-0005")).state())
                    .isEqualTo(Checkpoint.read(checkpoints.resolve("last")).state());
        }

        @Test
        void tellsWhatTheRunWasMadeOf() throws IOException {
            Trainer.run(config(), stoppingAfter(6), backend);
            resume();

            Map<String, Object> provenance = Json.parse(Files.readString(folder.resolve("run/provenance.json")));
            assertThat(provenance).containsEntry("seed", 5).containsKeys("data_fingerprint", "project");
            assertThat((List<?>) provenance.get("runs"))
                    .hasSize(2)
                    .element(1)
                    .asInstanceOf(InstanceOfAssertFactories.map(String.class, Object.class))
                    .containsEntry("resumed", true)
                    .containsEntry("steps", 6)
                    .containsEntry("backend_versions", Map.of("fake", "1"))
                    .containsKeys("version", "java", "device", "configuration_sha256");
            Path image = data.resolve("phantoms/imagesTr/phantom_001.nii.gz");
            assertThat((List<?>) provenance.get("files"))
                    .hasSize(14)
                    .anySatisfy(one -> assertThat((Map<?, ?>) one)
                            .isEqualTo(Map.of(
                                    "file", image.toString(),
                                    "bytes", (int) Files.size(image),
                                    "modified", Files.getLastModifiedTime(image).toString(),
                                    "sha256", Sha256.of(image))));
        }

        @Test
        void mustBeNamed() {
            ExperimentConfig config = config("output.run_dir=null");

            assertThatThrownBy(() -> Trainer.run(config, TrainerOptions.defaults(), backend))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("output.run_dir");
        }
    }

    @Nested
    class StartingFrom {
        @Test
        void aWeightFileTakesItsWeights() throws IOException {
            StateDict weights = WeightInitializer.initialize(config().network().parameters(), 99);
            WeightFiles.write(weights, folder.resolve("w.safetensors"));

            train("training_parameters.load_checkpoint={load_model_only: true, load_checkpoint_path: '"
                    + folder.resolve("w.safetensors") + "'}");

            assertThat(backend.specs.get(0).initialWeights()).isEqualTo(weights);
        }

        @Test
        void weightsOfOtherClassesAndChannelsInitialisesWhatDependsOnThemAndNamesIt() throws IOException {
            StateDict weights = WeightInitializer.initialize(
                    config().network().withChannels(4, 2).parameters(), 99);
            WeightFiles.write(weights, folder.resolve("w.pt"));
            List<String> messages = new ArrayList<>();

            Trainer.run(config(loading("w.pt")), telling(messages), backend);

            StateDict initial = backend.specs.get(0).initialWeights();
            StateDict fresh = WeightInitializer.initialize(config().network().parameters(), 5);
            List<String> anew = List.of(
                    "segformer_encoder.embed_1.patch_embeddings.weight",
                    "segformer_decoder.linear_pred.weight",
                    "segformer_decoder.linear_pred.bias");
            for (String name : initial.names()) {
                assertThat(initial.get(name)).as(name).isEqualTo((anew.contains(name) ? fresh : weights).get(name));
            }
            assertThat(messages)
                    .filteredOn(line -> line.startsWith("initialised anew"))
                    .singleElement()
                    .asString()
                    .contains(anew)
                    .contains("segformer_decoder.linear_pred.bias (found 2, expected 3)");
            assertThat(Files.readString(folder.resolve("run/provenance.json")))
                    .contains("initialised_anew")
                    .contains(anew);
        }

        @Test
        void weightsOfAnotherNetworkNamesWhatDoesNotFitAndLeavesNothingBehind() throws IOException {
            StateDict weights = WeightInitializer.initialize(
                    config("model_parameters.embed_dims=[4, 4, 4, 8]").network().parameters(), 99);
            WeightFiles.write(weights, folder.resolve("w.safetensors"));

            assertThatThrownBy(() -> train(loading("w.safetensors")))
                    .isInstanceOf(StateDictMismatchException.class)
                    .hasMessageContaining("segformer_encoder.embed_4.patch_embeddings.weight");
            assertThat(folder.resolve("run")).doesNotExist();
        }

        @Test
        void aBundleTakesItsWeightsWhetherItIsAFolderOrAZipFile() throws IOException {
            train("output.run_dir='" + folder.resolve("first") + "'", "training_parameters.num_epochs=1");
            ModelBundle bundle = ModelBundle.read(folder.resolve("first/bundle"));
            bundle.write(folder.resolve("b.zip"));

            train(loading("first/bundle"), "output.run_dir='" + folder.resolve("second") + "'");
            train(loading("b.zip"), "output.run_dir='" + folder.resolve("third") + "'");

            assertThat(backend.specs.get(1).initialWeights()).isEqualTo(bundle.weights());
            assertThat(backend.specs.get(2).initialWeights()).isEqualTo(bundle.weights());
        }

        @Test
        void weightsOfOtherClassesCanNotHaveTheirOptimizersState() throws IOException {
            StateDict weights = WeightInitializer.initialize(
                    config().network().withChannels(1, 2).parameters(), 99);
            WeightFiles.write(weights, folder.resolve("w.safetensors"));

            assertThatThrownBy(() -> train(loading("w.safetensors"), "training_parameters.load_optimizer=true"))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("training_parameters.load_optimizer")
                    .hasMessageContaining("linear_pred.bias");
        }

        private String loading(String path) {
            return "training_parameters.load_checkpoint={load_model_only: true, load_checkpoint_path: '"
                    + folder.resolve(path) + "'}";
        }

        @Test
        void aWholeCheckpointGoesOnInAnotherFolder() throws IOException {
            String straight =
                    train("output.run_dir='" + folder.resolve("straight") + "'").weightsHash();
            Trainer.run(config("output.run_dir='" + folder.resolve("first") + "'"), stoppingAfter(7), backend);

            TrainingOutcome outcome = train("training_parameters.load_checkpoint={load_full_checkpoint: true,"
                    + " load_checkpoint_path: '" + folder.resolve("first/checkpoints/last") + "'}");

            assertThat(outcome.weightsHash()).isEqualTo(straight);
            assertThat(folder.resolve("run/checkpoints/last")).exists();
        }

        @Test
        void aCheckpointsWeightsAndOptimizerBeginsAtEpochZero() throws IOException {
            train("output.run_dir='" + folder.resolve("first") + "'");
            Checkpoint first = Checkpoint.read(folder.resolve("first/checkpoints/last"));
            String load = "training_parameters.load_checkpoint={load_model_only: true, load_checkpoint_path: '"
                    + folder.resolve("first/checkpoints/last") + "'}";

            TrainingOutcome plain = train(load, "output.run_dir='" + folder.resolve("plain") + "'");
            TrainingOutcome withOptimizer = train(load, "training_parameters.load_optimizer=true");

            assertThat(backend.specs.get(1).initialWeights())
                    .isEqualTo(first.state().weights());
            assertThat(plain.steps()).isEqualTo(16);
            assertThat(withOptimizer.steps()).isEqualTo(16);
            assertThat(withOptimizer.weightsHash()).isNotEqualTo(plain.weightsHash());
        }
    }

    @Nested
    class DataThatDontSuit {
        @ParameterizedTest
        @CsvSource(delimiter = '|', textBlock = """
                        model_parameters.num_classes=2 | num_classes: found 2, expected 3, one for each of background, organ, lesion
                        model_parameters.in_channels=4 | in_channels: found 4, expected 1
                        dataset_parameters.train_dataloader_args.batch_size=9 | batch_size: found 9 with only 8 samples per epoch
                        validation.choose_postprocessing=true dataset_parameters.split.validation_fraction=0 | validation.choose_postprocessing: found true, expected false, as there are no validation cases
                        dataset_parameters.root=null   | dataset_parameters.root: found null
                        training_parameters.early_stop.enabled=true training_parameters.calculate_metrics=false | early_stop.enabled: found true, expected false, as there is no validation Dice (training_parameters.calculate_metrics is false)
                        train_scheduler.scheduler_type=reducelronplateau train_scheduler.mode=max dataset_parameters.split.validation_fraction=0 | train_scheduler.mode: found max, expected min, as there is no validation Dice (no validation cases)
                        """)
        void areRefusedBeforeTheRunFolderIsMade(String change, String expected) {
            assertThatThrownBy(() -> train(change.split(" ")))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining(expected);
            assertThat(folder.resolve("run")).doesNotExist();
        }

        @Test
        void aFolderThatIsNotThereIsNamed() {
            assertThatThrownBy(() -> train("dataset_parameters.root=/no/such/data"))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContaining("/no/such/data");
        }

        @Test
        void aTestCaseWhoseLabelHasAnotherSizeIsNamedBeforeTheRunFolderIsMade() throws IOException {
            Path copy = folder.resolve("copy");
            new PhantomDataset(7, 3).write(copy);
            TrainingData seen = TrainingData.open(config("dataset_parameters.root='" + copy + "'"));
            Path label = seen.test().get(0).label().orElseThrow();
            NiftiWriter.writeLabels(
                    label, Volume.of(new float[24], 1, Geometry.of(new Grid(2, 3, 4), Affine.IDENTITY)));

            assertThatThrownBy(() -> train("dataset_parameters.root='" + copy + "'"))
                    .isInstanceOf(DatasetException.class)
                    .hasMessageContainingAll(label.getFileName().toString(), "found 2×3×4 voxels, expected ");
            assertThat(folder.resolve("run")).doesNotExist();
        }

        @Test
        void aSplitFileDecidesWhoTrains() throws IOException {
            new Split(List.of("phantom_001", "phantom_004"), List.of("phantom_002"), List.of())
                    .write(folder.resolve("split.json"));

            TrainingOutcome outcome = train("dataset_parameters.split.file='" + folder.resolve("split.json") + "'");

            assertThat(outcome.steps()).isEqualTo(8);
            assertThat(outcome.test()).isEmpty();
        }

        @Test
        void oneOfNnunetsFoldsDecidesWhoTrains() throws IOException {
            List<String> ids = org.segformer3d.data.dataset.DatasetReader.read(data.resolve("phantoms"))
                    .ids();
            Path file = Files.writeString(
                    folder.resolve("splits_final.json"),
                    "[{\"train\": [\"" + ids.get(0) + "\"], \"val\": [\"" + ids.get(1) + "\"]}, {\"train\": [\""
                            + ids.get(2) + "\", \"" + ids.get(3) + "\"], \"val\": [\"" + ids.get(0) + "\"]}]");
            train("dataset_parameters.split={file: '" + file + "', fold: 1}");
            assertThat(Split.read(folder.resolve("run/split.json")))
                    .isEqualTo(new Split(List.of(ids.get(2), ids.get(3)), List.of(ids.get(0)), List.of()));
            assertThatThrownBy(() -> train("dataset_parameters.split={file: '" + file + "'}"))
                    .hasMessageContainingAll("splits_final.json", "split.fold");
            assertThatThrownBy(() -> train("dataset_parameters.split.fold=1"))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("split.fold", "split.file");
        }

        @Test
        void aSplitWithUnknownCasesIsRefused() throws IOException {
            new Split(List.of("phantom_001", "phantom_999"), List.of(), List.of()).write(folder.resolve("split.json"));

            assertThatThrownBy(() -> train("dataset_parameters.split.file='" + folder.resolve("split.json") + "'"))
                    .hasMessageContaining("phantom_999");
        }
    }

    @Nested
    class TheBackend {
        @Test
        void thatCanNotTrainIsRefusedBeforeTheRunFolderIsMade() {
            FakeBackend fake = new FakeBackend();
            Backend predicts = (Backend) Proxy.newProxyInstance(
                    Backend.class.getClassLoader(),
                    new Class<?>[] {Backend.class},
                    (proxy, method, arguments) ->
                            method.getName().equals("supportsTraining") ? false : method.invoke(fake, arguments));
            assertThatThrownBy(() -> Trainer.run(config(), TrainerOptions.defaults(), predicts))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("'fake', which can't train")
                    .hasMessageContaining("libtorch");
            assertThat(folder.resolve("run")).doesNotExist();
        }

        @Test
        void fromTheOptionsGoesIntoTheRecordedExperiment() {
            ExperimentConfig effective = TrainerOptions.defaults()
                    .withBackend("o'brien")
                    .withThreads(3)
                    .on(org.segformer3d.api.tensor.Device.parse("cuda:1"))
                    .applyTo(config());

            assertThat(effective.backend().name()).contains("o'brien");
            assertThat(effective.backend().options().threads()).isEqualTo(3);
            assertThat(effective.backend().options().device().toString()).isEqualTo("cuda:1");
            assertThat(effective.toMap().get("backend")).isInstanceOf(Map.class);
        }
    }
}
