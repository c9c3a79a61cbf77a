package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;

/**
 * Runs in processes that are killed with SIGKILL wherever they are, saves included, and resumed each time.
 *
 * <p>The suite kills a few times. The long form, 20 kills on each backend:
 *
 * <pre>./mvnw -pl segformer3d-train -am test -Dtest=KilledRunTests -Dsurefire.failIfNoSpecifiedTests=false \
 *     -Dtest.argLine="-Dsegformer3d.kills=20 -Dsegformer3d.kill-seed=1"</pre>
 */
class KilledRunTests {
    private static final int KILLS = Integer.getInteger("segformer3d.kills", 2);
    private static final long SEED = Long.getLong("segformer3d.kill-seed", 20);

    @TempDir
    private Path folder;

    /** 4 batches an epoch; every step is saved, so that most of the time goes into saves. */
    private Path experiment(String run, int epochs) throws IOException {
        ExperimentConfig demo = PhantomDataset.demo()
                .experiment(folder.resolve("phantoms"), folder.resolve(run))
                .withOverrides(List.of(
                        "model_parameters.embed_dims=[8, 8, 8, 8]",
                        "model_parameters.num_heads=[1, 1, 1, 1]",
                        "model_parameters.depths=[1, 1, 1, 1]",
                        "model_parameters.decoder_head_embedding_dim=8",
                        "model_parameters.decoder_dropout=0.1",
                        "sliding_window_inference.roi=32",
                        "dataset_parameters.patch_size=16",
                        "dataset_parameters.samples_per_case=2",
                        "dataset_parameters.augmentation=standard",
                        "dataset_parameters.train_dataloader_args.batch_size=2",
                        "dataset_parameters.cache_dir='" + folder.resolve("cache") + "'",
                        "validation.test=false",
                        "training_parameters.num_epochs=" + epochs,
                        "ema={enabled: true, ema_decay: 0.9, val_ema_every: 2}",
                        "output.checkpoint_every_steps=1",
                        "output.keep_last=2",
                        "tracking.curve=false",
                        "backend.threads=1"));
        Path file = folder.resolve(run + ".yaml");
        demo.write(file);
        return file;
    }

    private void endsAsIfItHadNeverBeenKilled(String backend) throws Exception {
        new PhantomDataset(5, 3).write(folder.resolve("phantoms"));
        // No kill comes more than three steps after the last one, so the run doesn't end before the last kill.
        int epochs = 1 + KILLS * 3 / 4;
        TrainingProcess straight = TrainingProcess.start(
                folder,
                List.of(),
                backend,
                "start",
                experiment("straight", epochs).toString());
        String expected = straight.lastLine();
        assertThat(straight.exitValue()).as(straight.errors()).isZero();

        SplittableRandom random = new SplittableRandom(SEED);
        String file = experiment("run", epochs).toString();
        for (int kill = 0; kill < KILLS; kill++) {
            TrainingProcess run =
                    TrainingProcess.start(folder, List.of(), backend, kill == 0 ? "start" : "resume", file, "held");
            int wanted = random.nextInt(3);
            long took = 100;
            for (int n = 0; n <= wanted; n++) {
                long start = System.nanoTime();
                assertThat(run.line()).as(run.errors()).startsWith("step ");
                took = n == 0 ? took : (System.nanoTime() - start) / 1_000_000;
                run.letGoOn();
            }
            // Anywhere between this step and the next one: in its save, or in computing.
            Thread.sleep(random.nextLong(took + 1));
            run.kill();
        }
        TrainingProcess last = TrainingProcess.start(folder, List.of(), backend, "resume", file);
        String found = last.lastLine();

        assertThat(last.exitValue()).as(last.errors()).isZero();
        assertThat(found).startsWith("hash ").isEqualTo(expected);
        Path one = folder.resolve("straight/checkpoints");
        Path other = folder.resolve("run/checkpoints");
        for (String name : List.of("last", "best", "epoch-%04d".formatted(epochs))) {
            assertThat(Checkpoint.read(other.resolve(name)).state())
                    .as(name)
                    .isEqualTo(Checkpoint.read(one.resolve(name)).state());
        }
        assertThat(losses("run")).isEqualTo(losses("straight"));
        try (Stream<Path> all = Files.walk(folder.resolve("run"))) {
            assertThat(all).noneMatch(path -> path.toString().endsWith(".tmp"));
        }
    }

    private List<Object> losses(String run) throws IOException {
        return Checkpoint.read(folder.resolve(run).resolve("checkpoints/last")).history().stream()
                .<Object>map(record ->
                        List.of(record.epoch(), record.steps(), record.loss(), record.dice(), record.dicePerClass()))
                .toList();
    }

    @Test
    void aRunOnLibtorchEndsAsIfItHadNeverBeenKilled() throws Exception {
        endsAsIfItHadNeverBeenKilled("libtorch");
    }
}
