package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.demo.PhantomDataset;

/** {@code train --nproc}, as a command of its own that starts others. */
@EnabledOnOs(OS.LINUX)
@Timeout(value = 3, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SeveralProcessesTests {
    @TempDir
    private Path folder;

    /** @param changes keys and values of the experiment */
    private Process train(int processes, String... changes) throws IOException {
        Path config = folder.resolve("experiment.yaml");
        PhantomDataset.demo()
                .experiment(folder.resolve("data"), folder.resolve("run"))
                .withOverrides(List.of(
                        "model_parameters.embed_dims=[8, 8, 8, 8]",
                        "model_parameters.num_heads=[1, 1, 1, 1]",
                        "model_parameters.decoder_head_embedding_dim=8",
                        "dataset_parameters.patch_size=16",
                        "dataset_parameters.train_dataloader_args.batch_size=1",
                        "output.checkpoint_every_steps=1",
                        "tracking.curve=false"))
                .withOverrides(List.of(changes))
                .write(config);
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx512m",
                "org.segformer3d.cli.Main",
                "train",
                "--config",
                config.toString(),
                "--nproc",
                String.valueOf(processes),
                "--quiet"));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectOutput(folder.resolve("out.txt").toFile())
                .redirectError(folder.resolve("err.txt").toFile());
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        return builder.start();
    }

    private String errors() throws IOException {
        return Files.readString(folder.resolve("err.txt"));
    }

    @Test
    void endInOneLineWhenOneIsKilled() throws Exception {
        new PhantomDataset(5, 3).write(folder.resolve("data"));
        Process leader = train(2);
        Path last = folder.resolve("run/checkpoints/last");
        while (!Files.exists(last)) {
            assertThat(leader.isAlive()).as(errors()).isTrue();
            Thread.sleep(50);
        }
        ProcessHandle other = leader.children().findFirst().orElseThrow();
        other.destroyForcibly();

        assertThat(leader.waitFor()).isEqualTo(1);
        assertThat(errors())
                .containsPattern("^segformer3d: rank 1 is gone \\(.*\\) at step \\d+; the last checkpoint is ")
                .endsWith(last + "; go on from it with --resume\n")
                .hasLineCount(1);
    }

    /** Killed before the other one has even found it. */
    @Test
    void leaveNobodyBehind() throws Exception {
        Process leader = train(2);
        while (leader.children().findAny().isEmpty()) {
            assertThat(leader.isAlive()).as(errors()).isTrue();
            Thread.sleep(10);
        }
        ProcessHandle other = leader.children().findFirst().orElseThrow();
        leader.destroyForcibly();

        other.onExit().get(1, TimeUnit.MINUTES);
        assertThat(other.isAlive()).isFalse();
    }

    /** All of them find that out, and one says it. */
    @Test
    void endInOneLineWhereTheDataAreMissing() throws Exception {
        Process leader = train(3);

        assertThat(leader.waitFor()).isNotZero();
        assertThat(errors()).contains(folder.resolve("data").toString()).hasLineCount(1);
        assertThat(folder.resolve("run")).doesNotExist();
    }
}
