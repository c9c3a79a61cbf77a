package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.train.demo.PhantomDataset;
import org.segformer3d.train.run.TrainingProcess.Place;

/**
 * Processes that train together. What happens when one is killed is in {@link KilledRunTests}.
 *
 * <p>The suite takes 20 steps on 2 processes, in float32. The long form, more of both, in float64:
 *
 * <pre>./mvnw -pl segformer3d-train -am test -Dtest=SeveralProcessesTests -Dsurefire.failIfNoSpecifiedTests=false \\
 *     -Dtest.argLine="-Dsegformer3d.processes=4 -Dsegformer3d.process-epochs=20"</pre>
 */
@EnabledOnOs(OS.LINUX)
class SeveralProcessesTests {
    private static final int PROCESSES = Integer.getInteger("segformer3d.processes", 2);
    private static final int EPOCHS = Integer.getInteger("segformer3d.process-epochs", 4);
    /** Over more steps than the suite's, float32's rounding grows beyond any tolerance, in one process as in several. */
    private static final DType TYPE = EPOCHS > 4 ? DType.FLOAT64 : DType.FLOAT32;

    private static final int USUAL_TIMEOUT = 300;

    @TempDir
    private static Path data;

    @TempDir
    private Path folder;

    private int port;

    @BeforeAll
    static void writePhantoms() throws IOException {
        new PhantomDataset(7, 3).write(data.resolve("phantoms"));
    }

    @BeforeEach
    void choosePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
    }

    /** 5 training cases × 4 samples: 20 steps in 4 epochs with a whole batch of 4, 12 with one of 8, whose last one is smaller. */
    private Path experiment(String run, int batch, String... changes) throws IOException {
        Path file = folder.resolve(run + ".yaml");
        PhantomDataset.demo()
                .experiment(data.resolve("phantoms"), folder.resolve(run))
                .withOverrides(List.of(
                        "model_parameters.embed_dims=[8, 8, 8, 8]",
                        "model_parameters.num_heads=[1, 1, 1, 1]",
                        "model_parameters.depths=[1, 1, 1, 1]",
                        // Every stage keeps more than one voxel: on one alone more gradients vanish, see Agreement.
                        "model_parameters.patch_stride=[4, 1, 1, 1]",
                        "model_parameters.sr_ratios=[2, 2, 1, 1]",
                        "model_parameters.decoder_head_embedding_dim=8",
                        "model_parameters.decoder_dropout=0.1",
                        "dataset_parameters.patch_size=16",
                        "dataset_parameters.samples_per_case=4",
                        "dataset_parameters.augmentation=standard",
                        "dataset_parameters.train_dataloader_args.batch_size=" + batch,
                        "training_parameters.num_epochs=" + EPOCHS,
                        "clip_gradients={enabled: true, clip_gradients_value: 0.5}",
                        "ema={enabled: true, ema_decay: 0.9}",
                        "validation.every=100",
                        "validation.test=false",
                        "sliding_window_inference.roi=32",
                        "tracking.curve=false",
                        "tracking.report=false",
                        "backend.precision=" + TYPE.name().toLowerCase(Locale.ROOT),
                        "backend.threads=1"))
                .withOverrides(List.of(changes))
                .write(file);
        return file;
    }

    private TrainingProcess start(Path file, String how, int rank, String... more) throws IOException {
        return start(file, how, rank, USUAL_TIMEOUT, more);
    }

    private TrainingProcess start(Path file, String how, int rank, int timeout, String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("libtorch", how, file.toString()));
        arguments.addAll(List.of(more));
        return TrainingProcess.start(
                folder, new Place(rank, PROCESSES, port, timeout), arguments.toArray(new String[0]));
    }

    private List<TrainingProcess> startAll(Path file, String how) throws IOException {
        List<TrainingProcess> all = new ArrayList<>();
        for (int rank = 0; rank < PROCESSES; rank++) {
            all.add(start(file, how, rank));
        }
        return all;
    }

    private static List<String> ends(List<TrainingProcess> all) throws Exception {
        List<String> hashes = new ArrayList<>();
        for (TrainingProcess one : all) {
            hashes.add(one.lastLine());
            assertThat(one.exitValue()).as(one.errors()).isZero();
        }
        return hashes;
    }

    private Checkpoint last(String run) throws IOException {
        return Checkpoint.read(folder.resolve(run).resolve("checkpoints/last"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"fused", "plain"})
    void withPartsOfABatchDoWhatOneDoesWithTheWhole(String form) throws Exception {
        String implementation = "backend.implementation=" + form;
        TrainingProcess alone = TrainingProcess.start(
                folder,
                List.of(),
                "libtorch",
                "start",
                experiment("alone", 2 * PROCESSES, implementation).toString());
        alone.lastLine();
        assertThat(alone.exitValue()).as(alone.errors()).isZero();

        List<String> hashes = ends(startAll(experiment("together", 2, implementation), "start"));

        assertThat(hashes).hasSize(PROCESSES).containsOnly(hashes.get(0));
        Checkpoint expected = last("alone");
        Checkpoint found = last("together");
        assertThat(found.position().steps()).isEqualTo(expected.position().steps());
        Agreement agreement = new Agreement(TYPE);
        agreement.check(found.state().weights(), expected.state().weights());
        agreement.check(
                found.state().averaged().orElseThrow(),
                expected.state().averaged().orElseThrow());
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            assertThat(found.history().get(epoch).loss())
                    .isCloseTo(expected.history().get(epoch).loss(), within(1e-5));
        }
    }

    @Test
    void endWhenOneFallsSilent() throws Exception {
        Path file = experiment("run", 3);
        TrainingProcess leader = start(file, "start", 0, 6, "held");
        List<TrainingProcess> others = new ArrayList<>();
        for (int rank = 1; rank < PROCESSES; rank++) {
            others.add(start(file, "start", rank, 6));
        }
        assertThat(leader.line()).as(leader.errors()).startsWith("step ");
        others.get(0).freeze();
        leader.letGoOn();
        leader.lastLine();
        others.get(0).kill();

        assertThat(leader.exitValue()).isEqualTo(1);
        assertThat(leader.errors()).contains("rank 1 doesn't answer (silent for 6 s) at step 2");
    }

    @Test
    void endWhenTheirExperimentsDiffer() throws Exception {
        TrainingProcess leader = start(experiment("run", 2), "start", 0);
        Path other = experiment("other", 2, "training_parameters.seed=77");
        List<TrainingProcess> others = new ArrayList<>();
        for (int rank = 1; rank < PROCESSES; rank++) {
            others.add(start(other, "start", rank));
        }

        String said = "rank 1 was started otherwise than rank 0: training_parameters.seed is 77 there";
        leader.lastLine();
        assertThat(leader.exitValue()).isNotZero();
        assertThat(leader.errors()).contains(said);
        for (TrainingProcess one : others) {
            one.lastLine();
            assertThat(one.exitValue()).isNotZero();
            assertThat(one.errors()).contains(said);
        }
        assertThat(Files.exists(folder.resolve("run"))).isFalse();
    }
}
