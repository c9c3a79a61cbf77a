package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.training.TrainingSession.TrainingState;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.TooOldFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.eval.result.Json;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.run.Checkpoint.Position;
import org.segformer3d.train.tracking.EpochRecord;

class CheckpointTests {
    @TempDir
    private Path folder;

    private Path last;

    private static StateDict tensors(float... values) {
        return StateDict.of(Map.of("a", HostTensor.of(values, values.length), "n", HostTensor.of(new long[] {7}, 1)));
    }

    private static Checkpoint checkpoint(Optional<StateDict> averaged) {
        return new Checkpoint(
                new TrainingState(tensors(1, 2, 3), tensors(4, 5), averaged, 11),
                new Position(2, 3, 1.25, 11, OptionalDouble.of(0.75), 1),
                List.of(
                        new EpochRecord(
                                0,
                                4,
                                1e-4,
                                0.5,
                                OptionalDouble.empty(),
                                OptionalDouble.empty(),
                                Map.of(),
                                false,
                                false,
                                1,
                                0),
                        new EpochRecord(
                                1,
                                8,
                                1e-4,
                                0.1 + 0.2,
                                OptionalDouble.of(0.1 + 0.7),
                                OptionalDouble.of(0.75),
                                Map.of("rim", Double.NaN),
                                true,
                                true,
                                1,
                                0)),
                ExperimentConfig.of(Map.of("project", "x"), Path.of("/")).toMap(),
                Map.of("backend", "fake"));
    }

    @BeforeEach
    void write() throws IOException {
        last = folder.resolve("last");
        checkpoint(Optional.of(tensors(8, 9))).write(last);
    }

    @Nested
    class ReadBack {
        @Test
        void isWhatWasWritten() throws IOException {
            Checkpoint expected = checkpoint(Optional.of(tensors(8, 9)));

            Checkpoint found = Checkpoint.read(last);

            assertThat(found.state()).isEqualTo(expected.state());
            assertThat(found.position()).isEqualTo(expected.position());
            assertThat(found.history()).isEqualTo(expected.history());
            assertThat(found.provenance()).isEqualTo(expected.provenance());
            assertThat(ExperimentConfig.of(found.configuration(), Path.of("/")))
                    .isEqualTo(ExperimentConfig.of(Map.of("project", "x"), Path.of("/")));
        }

        @Test
        void withoutAverageHasNone() throws IOException {
            checkpoint(Optional.empty()).write(last);

            assertThat(Checkpoint.read(last).state().averaged()).isEmpty();
            assertThat(last.resolve("averaged.safetensors")).doesNotExist();
        }

        @Test
        void beforeTheFirstValidationHasNoBest() throws IOException {
            Checkpoint written =
                    new Checkpoint(checkpoint(Optional.empty()).state(), Position.START, List.of(), Map.of(), Map.of());
            written.write(last);

            assertThat(Checkpoint.read(last).position()).isEqualTo(Position.START);
        }
    }

    @Nested
    class Damaged {
        @ParameterizedTest
        @ValueSource(
                strings = {"checkpoint.json", "weights.safetensors", "optimizer.safetensors", "averaged.safetensors"})
        void byOneBitIsRefusedNamingTheFile(String name) throws IOException {
            Path file = last.resolve(name);
            byte[] sound = Files.readAllBytes(file);
            SplittableRandom random = new SplittableRandom(name.hashCode());
            for (int trial = 0; trial < 20; trial++) {
                byte[] damaged = sound.clone();
                int at = random.nextInt(damaged.length);
                damaged[at] ^= (byte) (1 << random.nextInt(8));
                Files.write(file, damaged);
                if (name.endsWith(".json") && sameContent(sound, damaged)) {
                    continue;
                }

                assertThatThrownBy(() -> Checkpoint.read(last))
                        .as("bit flipped in byte %d", at)
                        .isInstanceOfAny(
                                CorruptFileException.class,
                                UnsupportedFileException.class,
                                TooNewFileException.class,
                                TooOldFileException.class)
                        .hasMessageContaining(name);
            }
        }

        /** A flip between kinds of white space changes nothing that is said. */
        private boolean sameContent(byte[] one, byte[] other) {
            try {
                return Json.parse(new String(one, StandardCharsets.UTF_8))
                        .equals(Json.parse(new String(other, StandardCharsets.UTF_8)));
            } catch (IOException e) {
                return false;
            }
        }

        @ParameterizedTest
        @ValueSource(strings = {"checkpoint.json", "weights.safetensors"})
        void byBeingCutOffIsRefused(String name) throws IOException {
            Path file = last.resolve(name);
            byte[] sound = Files.readAllBytes(file);
            Files.write(file, java.util.Arrays.copyOf(sound, sound.length - 5));

            assertThatThrownBy(() -> Checkpoint.read(last))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining(name);
        }

        @Test
        void byAMissingPartIsRefused() throws IOException {
            Files.delete(last.resolve("optimizer.safetensors"));

            assertThatThrownBy(() -> Checkpoint.read(last))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("optimizer.safetensors: no such file");
        }

        @Test
        void byEditingIsRefused() throws IOException {
            edit("steps", 12);

            assertThatThrownBy(() -> Checkpoint.read(last))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("it was damaged or edited");
        }
    }

    @Nested
    class OfAnotherKind {
        @Test
        void newerVersionsAreToldApart() throws IOException {
            edit("version", 2);

            assertThatThrownBy(() -> Checkpoint.read(last)).isInstanceOf(TooNewFileException.class);
        }

        @Test
        void olderVersionsAreToldApart() throws IOException {
            edit("version", 0);

            assertThatThrownBy(() -> Checkpoint.read(last)).isInstanceOf(TooOldFileException.class);
        }

        @Test
        void otherFormatsAreToldApart() throws IOException {
            edit("format", "something");

            assertThatThrownBy(() -> Checkpoint.read(last))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("found format something, expected segformer3d-checkpoint");
        }

        @Test
        void nothingIsNotACheckpoint() throws IOException {
            assertThat(Checkpoint.exists(folder.resolve("none"))).isFalse();
            assertThatThrownBy(() -> Checkpoint.read(folder.resolve("none")))
                    .isInstanceOf(FileNotFoundException.class)
                    .hasMessageContaining("expected a checkpoint folder");
        }
    }

    @Nested
    class Replaced {
        @Test
        void byAFailingWriteStaysWhatItWas() throws IOException {
            Checkpoint broken = new Checkpoint(
                    checkpoint(Optional.empty()).state(),
                    new Position(5, 0, Double.NaN, 1, OptionalDouble.empty(), -1),
                    List.of(),
                    Map.of(),
                    Map.of());

            assertThatThrownBy(() -> broken.write(last)).isInstanceOf(IllegalArgumentException.class);

            assertThat(Checkpoint.read(last).position().epoch()).isEqualTo(2);
            try (var inside = Files.list(folder)) {
                assertThat(inside).containsExactly(last);
            }
        }

        @Test
        void afterACrashBetweenTheTwoRenamesIsFoundAgain() throws IOException {
            // What AtomicFiles leaves behind in that instant.
            Files.move(last, folder.resolve(".last.replaced"));

            assertThat(Checkpoint.exists(last)).isTrue();
            assertThat(Checkpoint.read(last).position().epoch()).isEqualTo(2);
        }
    }

    private void edit(String key, Object value) throws IOException {
        Path file = last.resolve("checkpoint.json");
        Map<String, Object> map = Json.parse(Files.readString(file));
        map.put(key, value);
        Files.writeString(file, Json.pretty(map));
    }
}
