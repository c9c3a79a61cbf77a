package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.segformer3d.train.run.StepLimit.stoppingAfter;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;
import org.segformer3d.train.run.TrainingOutcome.End;

/** The loop on the backend that people train with. */
class LibtorchTrainingTests {
    @TempDir
    private static Path data;

    private static Backend backend;

    @TempDir
    private Path folder;

    @BeforeAll
    static void prepare() throws IOException {
        new PhantomDataset(8, 3).write(data.resolve("phantoms"));
        // One thread: two that wait for each other crawl where other builds use the processors as well.
        backend = Backends.provider("libtorch").open(BackendOptions.defaults().withThreads(1));
    }

    @AfterAll
    static void close() {
        backend.close();
    }

    private ExperimentConfig config(String run, String... more) {
        ExperimentConfig demo = PhantomDataset.demo().experiment(data.resolve("phantoms"), folder.resolve(run));
        return demo.withOverrides(List.of(
                        "model_parameters.embed_dims=[8, 16, 16, 16]",
                        "model_parameters.num_heads=[1, 2, 2, 2]",
                        "model_parameters.decoder_head_embedding_dim=16",
                        "model_parameters.decoder_dropout=0.1",
                        "dataset_parameters.augmentation=standard",
                        "dataset_parameters.samples_per_case=2",
                        "validation.every=2",
                        "validation.test=false",
                        "training_parameters.num_epochs=4",
                        "ema={enabled: true, ema_decay: 0.9}"))
                .withOverrides(List.of(more));
    }

    @Test
    void aRunStoppedTwiceAndResumedEndsWithTheSameBitsAsAnUninterruptedOne() throws IOException {
        TrainingOutcome straight = Trainer.run(config("straight"), TrainerOptions.defaults(), backend);

        TrainingOutcome outcome = Trainer.run(config("run"), stoppingAfter(3), backend);
        assertThat(outcome.end()).isEqualTo(End.STOPPED);
        outcome = Trainer.run(config("run"), stoppingAfter(4).resuming(true), backend);
        assertThat(outcome.end()).isEqualTo(End.STOPPED);
        outcome = Trainer.run(config("run"), TrainerOptions.defaults().resuming(true), backend);

        assertThat(outcome.end()).isEqualTo(End.FINISHED);
        assertThat(outcome.weightsHash()).isEqualTo(straight.weightsHash());
        Checkpoint a = Checkpoint.read(folder.resolve("straight/checkpoints/last"));
        Checkpoint b = Checkpoint.read(folder.resolve("run/checkpoints/last"));
        assertThat(b.state()).isEqualTo(a.state());
        assertThat(b.history())
                .extracting(r -> r.loss())
                .isEqualTo(a.history().stream().map(r -> r.loss()).toList());
    }

    @Test
    void trainingLearnsTheOrgan() throws IOException {
        TrainingOutcome outcome = Trainer.run(
                config(
                        "run",
                        "training_parameters.num_epochs=10",
                        "ema.enabled=false",
                        "model_parameters.decoder_dropout=0",
                        "dataset_parameters.augmentation=none",
                        "dataset_parameters.samples_per_case=4",
                        "validation.test=true",
                        "validation.every=10"),
                TrainerOptions.defaults(),
                backend);

        assertThat(outcome.test().orElseThrow().dicePerClass().get("organ")).isGreaterThan(0.7);
    }
}
