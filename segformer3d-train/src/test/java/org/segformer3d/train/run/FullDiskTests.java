package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.demo.PhantomDataset;

/** A disk that is full, a quota that is used up, and a folder that can't be written to. */
@EnabledOnOs(OS.LINUX)
class FullDiskTests {
    @TempDir
    private Path folder;

    private Path experiment;
    private Path run;

    @BeforeEach
    void prepare() throws IOException {
        new PhantomDataset(5, 3).write(folder.resolve("phantoms"));
        run = folder.resolve("disk/run");
        Files.createDirectories(run.getParent());
    }

    private void write(int epochs) throws IOException {
        experiment = folder.resolve("experiment.yaml");
        PhantomDataset.demo()
                .experiment(folder.resolve("phantoms"), run)
                .withOverrides(List.of(
                        "model_parameters.embed_dims=[8, 8, 8, 8]",
                        "model_parameters.num_heads=[1, 1, 1, 1]",
                        "model_parameters.depths=[1, 1, 1, 1]",
                        "model_parameters.decoder_head_embedding_dim=8",
                        "dataset_parameters.patch_size=16",
                        "dataset_parameters.samples_per_case=1",
                        "dataset_parameters.train_dataloader_args.batch_size=2",
                        "validation.test=false",
                        "tracking={csv: false, jsonl: false, tensorboard: false, curve: false}",
                        "training_parameters.num_epochs=" + epochs))
                .write(experiment);
    }

    private static String hash(Path checkpoint) throws IOException {
        return Checkpoint.read(checkpoint).state().weights().hash();
    }

    /** Trains one epoch, and returns the hash that two uninterrupted ones end with. */
    private String expectedOfTwoEpochs() throws Exception {
        Path place = run;
        run = folder.resolve("straight");
        write(2);
        TrainingProcess straight = TrainingProcess.start(folder, List.of(), "fake", "start", experiment.toString());
        String expected = straight.lastLine();
        assertThat(straight.exitValue()).as(straight.errors()).isZero();
        run = place;
        write(1);
        return expected;
    }

    @Test
    void aUsedUpQuotaStopsTheRunWithTheOldCheckpointIntact() throws Exception {
        String expected = expectedOfTwoEpochs();
        TrainingProcess first = TrainingProcess.start(folder, List.of(), "fake", "start", experiment.toString());
        first.lastLine();
        assertThat(first.exitValue()).as(first.errors()).isZero();
        Path last = run.resolve("checkpoints/last");
        String before = hash(last);
        write(2);

        // No file may grow beyond 16 KiB: the checkpoint's weights do.
        TrainingProcess limited = TrainingProcess.start(
                folder,
                List.of("bash", "-c", "ulimit -f 16; exec \"$@\"", "bash"),
                "fake",
                "resume",
                experiment.toString());
        limited.lastLine();

        assertThat(limited.exitValue()).isNotZero();
        assertThat(limited.errors())
                .contains("RunFolderException")
                .contains("can't be written")
                .contains("File too large")
                .contains("--resume");
        assertThat(hash(last)).isEqualTo(before);
        try (Stream<Path> all = Files.walk(run)) {
            assertThat(all).noneMatch(path -> path.toString().endsWith(".tmp"));
        }
        TrainingProcess again = TrainingProcess.start(folder, List.of(), "fake", "resume", experiment.toString());
        assertThat(again.lastLine()).as(again.errors()).isEqualTo(expected);
    }

    /** In a mount namespace of its own, where the system lets users make one. */
    private List<String> withDisk(String between) {
        return List.of(
                "unshare",
                "--map-root-user",
                "--mount",
                "bash",
                "-c",
                """
                set -e
                disk=%s; cd %s
                mount -t tmpfs -o size=2m tmpfs "$disk"
                "$@"
                cp "$disk"/run/checkpoints/last/checkpoint.json before.json
                sed -i 's/num_epochs: 1$/num_epochs: 2/' experiment.yaml
                set -- "${@/%%start/resume}"
                %s
                if "$@" >second.txt 2>&1; then echo "should have failed"; exit 3; fi
                cmp "$disk"/run/checkpoints/last/checkpoint.json before.json
                find "$disk" -name '*.tmp' > leftovers.txt
                mount -o remount,rw "$disk"; rm -f "$disk"/filler
                "$@"
                """.formatted(run.getParent(), folder, between),
                "bash");
    }

    private void requireNamespaces() throws Exception {
        Process probe;
        try {
            probe = new ProcessBuilder(
                            "unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", folder + "/disk")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            Assumptions.abort("no unshare here");
            return;
        }
        Assumptions.assumeTrue(probe.waitFor() == 0, "this system lets nobody make mount namespaces");
    }

    private void stopsAndGoesOn(String between, String reason) throws Exception {
        requireNamespaces();
        String expected = expectedOfTwoEpochs();

        TrainingProcess process =
                TrainingProcess.start(folder, withDisk(between), "fake", "start", experiment.toString());
        String found = process.lastLine();

        assertThat(process.exitValue()).as(process.errors()).isZero();
        assertThat(found).isEqualTo(expected);
        assertThat(Files.readString(folder.resolve("second.txt")))
                .contains("RunFolderException")
                .contains("can't be written")
                .contains(reason);
        assertThat(Files.readString(folder.resolve("leftovers.txt"))).isEmpty();
    }

    @Test
    void aFullDiskStopsTheRunWithTheOldCheckpointIntact() throws Exception {
        stopsAndGoesOn("dd if=/dev/zero of=\"$disk\"/filler bs=1k 2>/dev/null || true", "No space left on device");
    }

    @Test
    void aReadOnlyFolderStopsTheRunWithTheOldCheckpointIntact() throws Exception {
        stopsAndGoesOn("mount -o remount,ro \"$disk\"", "Read-only file system");
    }
}
