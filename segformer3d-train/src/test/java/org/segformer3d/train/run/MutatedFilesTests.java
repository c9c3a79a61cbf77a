package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.Checkpoint.Position;

/** Whatever is done to a checkpoint, a bundle or an experiment's file, it is read or refused by an exception that names it. */
class MutatedFilesTests {
    private static final String YAML = """
            project: x
            model_parameters: {in_channels: 1, num_classes: 3, embed_dims: [8, 8, 8, 8], num_heads: [1, 1, 1, 1]}
            dataset_parameters:
              dataset_type: decathlon
              root: /nowhere
              split: {validation_fraction: 0.2, seed: 3}
              patch_size: [16, 16, 16]
            training_parameters:
              num_epochs: 3
            sliding_window_inference:
              roi: [32, 32, 32]
            """;

    @TempDir
    Path folder;

    /** A reader of one kind. */
    private interface Reader {
        void read() throws IOException;
    }

    private static byte[] mutated(byte[] sound, Random random) {
        byte[] bytes = sound.clone();
        for (int n = random.nextInt(3); n >= 0 && bytes.length > 2; n--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(6)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = (byte) random.nextInt(256);
                case 2 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 4), (byte) 0xff);
                case 3 -> bytes = Arrays.copyOf(bytes, at);
                case 4 -> bytes[at] = (byte) "{}[]:,\"'&*-\t\0 9".charAt(random.nextInt(15));
                default -> {
                    int from = random.nextInt(bytes.length);
                    System.arraycopy(bytes, from, bytes, at, Math.min(24, bytes.length - Math.max(at, from)));
                }
            }
        }
        return bytes;
    }

    private void damage(List<Path> files, int rounds, Reader reader) throws IOException {
        reader.read();
        int refused = 0;
        for (Path file : files) {
            byte[] sound = Files.readAllBytes(file);
            long seed = 14 + file.getFileName().hashCode();
            Random random = new Random(seed);
            for (int round = 0; round < rounds; round++) {
                Files.write(file, mutated(sound, random));
                try {
                    reader.read();
                } catch (FileFormatException | FileNotFoundException | ConfigException e) {
                    assertThat(e.getMessage()).contains(folder.toString()).doesNotContain("\n");
                    refused++;
                } catch (IOException | RuntimeException | Error e) {
                    fail(file + ", seed " + seed + ", round " + round + ": " + e, e);
                }
            }
            Files.write(file, sound);
        }
        assertThat(refused).isPositive();
    }

    private static StateDict tensors(float... values) {
        return StateDict.of(Map.of("a", HostTensor.of(values, values.length)));
    }

    @Test
    void ofACheckpointAreNamed() throws IOException {
        Path last = folder.resolve("last");
        new Checkpoint(
                        new TrainingState(tensors(1, 2), tensors(3), Optional.empty(), 11),
                        new Position(2, 3, 1.25, 11, OptionalDouble.of(0.75), 1),
                        List.of(),
                        ExperimentConfig.of(Map.of("project", "x"), Path.of("/"))
                                .toMap(),
                        Map.of("backend", "fake"))
                .write(last);
        damage(
                List.of(
                        last.resolve("checkpoint.json"),
                        last.resolve("weights.safetensors"),
                        last.resolve("optimizer.safetensors")),
                200,
                () -> Checkpoint.read(last));
    }

    @ParameterizedTest
    @ValueSource(strings = {"bundle", "bundle.zip"})
    void ofABundleAreNamed(String name) throws IOException {
        ExperimentConfig config = ExperimentConfig.parse(YAML, "test", folder);
        Path bundle = folder.resolve(name);
        ModelBundle.random(
                        config.network(),
                        PreprocessingSpec.fromMap(Map.of()),
                        LabelSpec.sigmoid("a", "b", "c"),
                        InferenceSpec.fromMap(Map.of("roi", List.of(32, 32, 32))),
                        1)
                .write(bundle);
        List<Path> files = Files.isDirectory(bundle)
                ? List.of(bundle.resolve("bundle.json"), bundle.resolve("weights.safetensors"))
                : List.of(bundle);
        damage(files, 80, () -> ModelBundle.read(bundle));
    }

    @Test
    void ofAnExperimentAreNamed() throws IOException {
        Path file = folder.resolve("experiment.yaml");
        Files.writeString(file, YAML);
        damage(List.of(file), 600, () -> ExperimentConfig.read(file));
        for (String charset : new String[] {"UTF-16", "UTF-32", "IBM037"}) {
            Files.write(file, YAML.getBytes(Charset.forName(charset)));
            assertThatThrownBy(() -> ExperimentConfig.read(file))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining(file.toString());
        }
    }
}
