package org.segformer3d.train.tracking;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.zip.CRC32C;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class TrackingTests {
    @TempDir
    private Path folder;

    private static EpochRecord record(int epoch, double loss, double dice) {
        Map<String, Double> classes = new LinkedHashMap<>();
        classes.put("core, inner", dice);
        classes.put("rim", Double.NaN);
        return new EpochRecord(
                epoch,
                3L * (epoch + 1),
                1e-3,
                loss,
                OptionalDouble.empty(),
                OptionalDouble.of(dice),
                classes,
                false,
                true,
                2.0,
                0.5);
    }

    private static EpochRecord unvalidated(int epoch) {
        return new EpochRecord(
                epoch,
                3L * (epoch + 1),
                5e-4,
                0.25,
                OptionalDouble.empty(),
                OptionalDouble.empty(),
                Map.of(),
                false,
                false,
                2.0,
                0.5);
    }

    @Nested
    class History {
        private final List<EpochRecord> history = List.of(unvalidated(0), record(1, 0.125, 0.75));

        @Test
        void csvHasAColumnPerClassAndEmptyCellsWhereNothingWasMeasured() throws IOException {
            HistoryFiles.csv(folder.resolve("history.csv")).epoch(history);

            assertThat(Files.readString(folder.resolve("history.csv"))).isEqualTo("""
                            epoch,steps,learning_rate,loss,dice,"dice_core, inner",dice_rim,averaged,best,seconds,wait_share
                            0,3,5.0E-4,0.25,,,,false,false,2.0,0.25
                            1,6,0.001,0.125,0.75,0.75,NaN,false,true,2.0,0.25
                            """);
        }

        @Test
        void csvHasAColumnForTheValidationLossWhereThereIsOne() throws IOException {
            EpochRecord plain = new EpochRecord(
                    1, 6, 1e-3, 0.5, OptionalDouble.of(0.625), OptionalDouble.empty(), Map.of(), false, false, 2, 0.5);
            HistoryFiles.csv(folder.resolve("history.csv")).epoch(List.of(unvalidated(0), plain));

            assertThat(Files.readString(folder.resolve("history.csv"))).isEqualTo("""
                            epoch,steps,learning_rate,loss,validation_loss,dice,averaged,best,seconds,wait_share
                            0,3,5.0E-4,0.25,,,false,false,2.0,0.25
                            1,6,0.001,0.5,0.625,,false,false,2.0,0.25
                            """);
            assertThat(EpochRecord.fromMap(plain.toMap())).isEqualTo(plain);
        }

        @Test
        void everyJsonLineReadsBackAsItsRecord() throws IOException {
            HistoryFiles.jsonLines(folder.resolve("history.jsonl")).epoch(history);

            List<EpochRecord> again = new ArrayList<>();
            for (String line : Files.readAllLines(folder.resolve("history.jsonl"))) {
                again.add(EpochRecord.fromMap(new ObjectMapper().readValue(line, Map.class)));
            }
            assertThat(again).isEqualTo(history);
        }

        @Test
        void aResumedRunForgetsWhatLiesBeyondItsCheckpoint() throws IOException {
            Tracker tracker = HistoryFiles.jsonLines(folder.resolve("history.jsonl"));
            tracker.epoch(history);

            tracker.start(history.subList(0, 1), 3);

            assertThat(Files.readAllLines(folder.resolve("history.jsonl"))).hasSize(1);
        }

        @Test
        void aRecordWithoutItsLossIsRefused() {
            Map<String, Object> map = new LinkedHashMap<>(unvalidated(0).toMap());
            map.remove("loss");

            assertThatThrownBy(() -> EpochRecord.fromMap(map))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("found null, expected a number");
        }
    }

    @Nested
    class TensorBoard {
        /** One event: what a reader of the record format sees. */
        private record Event(long step, String version, String tag, float value, int session) {}

        @Test
        void recordsHaveValidChecksumsAndHoldWhatWasTracked() throws IOException {
            try (TensorBoardEvents events = new TensorBoardEvents(folder.resolve("tb"))) {
                events.start(List.of(), 0);
                events.step(300, 0.5, 2.0);
                events.epoch(List.of(record(99, 0.125, 0.75)));
            }

            List<Event> read = read(folder.resolve("tb"));

            assertThat(read.get(0).version()).isEqualTo("brain.Event:2");
            assertThat(read).contains(new Event(300, "", "train/loss", 0.5f, 0));
            assertThat(read).contains(new Event(300, "", "validation/dice", 0.75f, 0));
            assertThat(read).contains(new Event(300, "", "validation/dice_core, inner", 0.75f, 0));
            assertThat(read).contains(new Event(300, "", "epoch/learning_rate", 1e-3f, 0));
        }

        /** With {@code -Dtest.argLine=-Dsegformer3d.python=PYTHON}, a Python that has the package tensorboard. */
        @Test
        @EnabledIfSystemProperty(named = "segformer3d.python", matches = ".+")
        void isReadByTensorBoardItself() throws Exception {
            for (long steps : new long[] {0, 6}) {
                try (TensorBoardEvents events = new TensorBoardEvents(folder.resolve("tb"))) {
                    events.start(List.of(), steps);
                    for (long step = steps + 1; step <= steps + 9; step++) {
                        events.step(step, step + 0.5, 2.0);
                    }
                    events.epoch(List.of(record((int) steps / 3, 0.125, 0.75)));
                }
            }

            Process python = new ProcessBuilder(
                            System.getProperty("segformer3d.python"),
                            "-c",
                            """
                            import sys
                            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
                            events = EventAccumulator(sys.argv[1])
                            events.Reload()
                            print([(e.step, e.value) for e in events.Scalars('train/loss')])
                            print([(e.step, e.value) for e in events.Scalars('validation/dice_core, inner')])
                            """,
                            folder.resolve("tb").toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String found = new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

            List<String> losses = new ArrayList<>();
            for (int step = 1; step <= 15; step++) {
                losses.add("(" + step + ", " + step + ".5)");
            }
            assertThat(found.lines()).containsExactly(losses.toString(), "[(3, 0.75), (9, 0.75)]");
        }

        @Test
        void aResumedRunTellsWhereItGoesOn() throws IOException {
            for (long steps : new long[] {0, 6}) {
                try (TensorBoardEvents events = new TensorBoardEvents(folder.resolve("tb"))) {
                    events.start(List.of(), steps);
                    events.step(steps + 1, 0.5, 2.0);
                }
            }

            try (var files = Files.list(folder.resolve("tb"))) {
                assertThat(files).hasSize(2);
            }
            assertThat(read(folder.resolve("tb"))).contains(new Event(7, "", "", 0, 1));
        }

        private static List<Event> read(Path folder) throws IOException {
            List<Event> events = new ArrayList<>();
            try (var files = Files.list(folder)) {
                for (Path file : files.sorted().toList()) {
                    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
                    while (in.hasRemaining()) {
                        int length = Math.toIntExact(in.getLong(in.position()));
                        byte[] prefix = new byte[8];
                        in.get(prefix);
                        assertThat(in.getInt()).isEqualTo(masked(prefix));
                        byte[] data = new byte[length];
                        in.get(data);
                        assertThat(in.getInt()).isEqualTo(masked(data));
                        events.add(parse(ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN)));
                    }
                }
            }
            return events;
        }

        private static int masked(byte[] data) {
            CRC32C crc = new CRC32C();
            crc.update(data);
            int value = (int) crc.getValue();
            return (value >>> 15 | value << 17) + 0xa282ead8;
        }

        private static Event parse(ByteBuffer in) {
            long step = 0;
            String version = "";
            String tag = "";
            float value = 0;
            int session = 0;
            while (in.hasRemaining()) {
                long key = varint(in);
                switch ((int) (key >> 3)) {
                    case 1 -> in.getDouble();
                    case 2 -> step = varint(in);
                    case 3 -> version = text(in);
                    case 7 -> {
                        ByteBuffer log = part(in);
                        assertThat(varint(log)).isEqualTo(8);
                        session = (int) varint(log);
                    }
                    default -> {
                        ByteBuffer summary = part(in);
                        assertThat(varint(summary)).isEqualTo(10);
                        ByteBuffer entry = part(summary);
                        assertThat(varint(entry)).isEqualTo(10);
                        tag = text(entry);
                        assertThat(varint(entry)).isEqualTo(21);
                        value = entry.getFloat();
                    }
                }
            }
            return new Event(step, version, tag, value, session);
        }

        private static ByteBuffer part(ByteBuffer in) {
            int length = (int) varint(in);
            ByteBuffer part = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
            in.position(in.position() + length);
            return part;
        }

        private static String text(ByteBuffer in) {
            byte[] bytes = new byte[(int) varint(in)];
            in.get(bytes);
            return new String(bytes, StandardCharsets.UTF_8);
        }

        private static long varint(ByteBuffer in) {
            long value = 0;
            for (int shift = 0; ; shift += 7) {
                byte b = in.get();
                value |= (long) (b & 0x7f) << shift;
                if (b >= 0) {
                    return value;
                }
            }
        }
    }

    @Nested
    class Curve {
        @Test
        void isAPictureWithLinesInIt() throws IOException {
            Path file = folder.resolve("curve.png");
            List<EpochRecord> history = new ArrayList<>();
            for (int epoch = 0; epoch < 10; epoch++) {
                history.add(record(epoch, 1.0 / (epoch + 1), 1 - 1.0 / (epoch + 1)));
            }

            new CurvePicture(file, "a run").epoch(history);

            BufferedImage image = ImageIO.read(file.toFile());
            Set<Integer> colours = new HashSet<>();
            for (int x = 100; x < image.getWidth() / 2; x++) {
                for (int y = 60; y < image.getHeight() - 80; y++) {
                    colours.add(image.getRGB(x, y));
                }
            }
            assertThat((double) image.getWidth() / image.getHeight()).isCloseTo(900.0 / 420, within(0.01));
            assertThat(colours).hasSizeGreaterThan(5);
        }
    }
}
