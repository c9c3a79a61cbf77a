package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.demo.PhantomDataset;
import org.segformer3d.train.run.TrainingProcess.Place;

/**
 * Runs in processes that are killed with SIGKILL wherever they are, saves included, and resumed each time.
 *
 * <p>The suite kills a few times. The long form, 20 kills of a run on one process and 10 of one on two:
 *
 * <pre>./mvnw -pl segformer3d-train -am test -Dtest=KilledRunTests -Dsurefire.failIfNoSpecifiedTests=false \
 *     -Dtest.argLine="-Dsegformer3d.kills=20 -Dsegformer3d.kill-seed=1"</pre>
 */
class KilledRunTests {
    private static final int KILLS = Integer.getInteger("segformer3d.kills", 2);
    private static final long SEED = Long.getLong("segformer3d.kill-seed", 20);

    @TempDir
    private Path folder;

    /** 4 whole batches an epoch; every step is saved, so that most of the time goes into saves. */
    private Path experiment(String run, int processes, int epochs) throws IOException {
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
                        "dataset_parameters.train_dataloader_args.batch_size=" + 2 / processes,
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

    /** Starts the processes of a run; the first one, which leads, is held after each step where that is asked for. */
    private List<TrainingProcess> start(String backend, int processes, String how, String file, boolean held)
            throws IOException {
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        List<TrainingProcess> all = new ArrayList<>();
        for (int rank = 0; rank < processes; rank++) {
            List<String> arguments = new ArrayList<>(List.of(backend, how, file));
            if (held && rank == 0) {
                arguments.add("held");
            }
            all.add(TrainingProcess.start(
                    folder, new Place(rank, processes, port, 300), arguments.toArray(new String[0])));
        }
        return all;
    }

    private static String end(List<TrainingProcess> all) throws Exception {
        String hash = all.get(0).lastLine();
        for (TrainingProcess one : all) {
            assertThat(one.exitValue()).as(one.errors()).isZero();
        }
        return hash;
    }

    private void endsAsIfItHadNeverBeenKilled(String backend, int processes, int kills) throws Exception {
        new PhantomDataset(5, 3).write(folder.resolve("phantoms"));
        // No kill comes more than three steps after the last one, so the run doesn't end before the last kill.
        int epochs = 1 + kills * 3 / 4;
        String expected = end(start(
                backend,
                processes,
                "start",
                experiment("straight", processes, epochs).toString(),
                false));

        SplittableRandom random = new SplittableRandom(SEED);
        String file = experiment("run", processes, epochs).toString();
        for (int kill = 0; kill < kills; kill++) {
            List<TrainingProcess> run = start(backend, processes, kill == 0 ? "start" : "resume", file, true);
            TrainingProcess leader = run.get(0);
            int wanted = random.nextInt(3);
            long took = 100;
            for (int n = 0; n <= wanted; n++) {
                long start = System.nanoTime();
                assertThat(leader.line()).as(leader.errors()).startsWith("step ");
                took = n == 0 ? took : (System.nanoTime() - start) / 1_000_000;
                leader.letGoOn();
            }
            // Anywhere between this step and the next one: in its save, or in computing.
            Thread.sleep(random.nextLong(took + 1));
            int victim = random.nextInt(processes);
            run.get(victim).kill();
            for (int rank = 0; rank < processes; rank++) {
                if (rank != victim) {
                    TrainingProcess other = run.get(rank);
                    other.letGo();
                    other.lastLine();
                    assertThat(other.exitValue()).isEqualTo(1);
                    assertThat(other.errors()).contains("rank " + victim + " is gone (connection closed) at step ");
                    if (rank == 0) {
                        assertThat(other.errors())
                                .contains("; the last checkpoint is " + folder.resolve("run/checkpoints/last")
                                        + "; go on from it with --resume");
                    }
                }
            }
        }
        String found = end(start(backend, processes, "resume", file, false));

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
        endsAsIfItHadNeverBeenKilled("libtorch", 1, KILLS);
    }

    /** One of them is killed, whichever, and the other one ends by itself. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void aRunOnTwoProcessesEndsAsIfItHadNeverBeenKilled() throws Exception {
        endsAsIfItHadNeverBeenKilled("libtorch", 2, (KILLS + 1) / 2);
    }
}
