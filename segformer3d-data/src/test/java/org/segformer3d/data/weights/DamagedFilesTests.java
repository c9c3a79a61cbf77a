package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.FileFormatException;
import org.segformer3d.data.io.UnsupportedFileException;

/** Truncated, flipped, spliced and absurd files end in the documented exceptions, in bounded memory. */
class DamagedFilesTests {
    /** Far above what the fixtures of a few kilobytes need and far below what a forged size could ask for. */
    private static final long MAX_ALLOCATION = 64L << 20;

    @TempDir
    Path folder;

    /** Reads a damaged file from memory; returns the weights, or {@code null} when it was refused as it should be. */
    private static StateDict read(String name, byte[] bytes, Object what) {
        long before = Allocations.ofThisThread();
        try {
            return WeightFiles.read(new ArraySource(name, bytes));
        } catch (FileFormatException e) {
            if (!e.getMessage().startsWith(name + ": ") || e.getMessage().contains("\n")) {
                throw new AssertionError(name + ", " + what + ": message '" + e.getMessage() + "'", e);
            }
            return null;
        } catch (RuntimeException | Error | IOException e) {
            throw new AssertionError(name + ", " + what + ": undocumented " + e, e);
        } finally {
            long allocated = Allocations.ofThisThread() - before;
            assertThat(allocated).as("bytes allocated").isLessThan(MAX_ALLOCATION);
        }
    }

    @Nested
    class TruncationAtEveryByte {
        @ParameterizedTest
        @ValueSource(
                strings = {"types.pt", "types_legacy.pt", "types.safetensors", "views_legacy.pt", "arrays_protocol5.pkl"
                })
        void isAlwaysNoticed(String name) throws IOException {
            byte[] whole = Files.readAllBytes(Fixtures.file(name));
            for (int length = 0; length < whole.length; length++) {
                if (read(name, Arrays.copyOf(whole, length), length) != null) {
                    throw new AssertionError(name + " cut at " + length + " is read as if it were whole");
                }
            }
        }
    }

    @Nested
    class FlippedBits {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "types.pt",
                    "types_legacy.pt",
                    "types_without_sums.pt",
                    "types.safetensors",
                    "arrays_protocol0.pkl",
                    "arrays_protocol2.pkl",
                    "arrays_protocol5.pkl",
                    "weights.pkl"
                })
        void endInDocumentedExceptionsOrOtherValues(String name) throws IOException {
            byte[] whole = Files.readAllBytes(Fixtures.file(name));
            // Every byte once, every bit in turn: a prime step spreads bits over positions.
            for (int position = 0; position < whole.length; position++) {
                byte[] bytes = whole.clone();
                int bit = position * 5 % 8;
                bytes[position] ^= (byte) (1 << bit);
                read(name, bytes, "bit " + bit + " of byte " + position);
            }
        }

        @Test
        void inNumbersAreNoticedByTheirSum() throws IOException {
            byte[] whole = Files.readAllBytes(Fixtures.file("types.pt"));
            int at = new String(whole, StandardCharsets.ISO_8859_1).indexOf("\0%J\u006f\u0094\u00b9");
            assertThat(at).isPositive();
            whole[at + 2] ^= 1;
            Path file = Files.write(folder.resolve("types.pt"), whole);
            assertThatThrownBy(() -> WeightFiles.read(file))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageContaining("entry 'types/data/8' has the CRC-32")
                    .hasMessageContaining("copy the file again");
        }
    }

    @Nested
    class SeededMutations {
        @ParameterizedTest
        @ValueSource(
                strings = {
                    "types.pt",
                    "types_legacy.pt",
                    "views.pt",
                    "checkpoint.pt",
                    "checkpoint_legacy.pt",
                    "types.safetensors",
                    "arrays_protocol0.pkl",
                    "arrays_protocol4.pkl"
                })
        void endInDocumentedExceptionsOrOtherValues(String name) throws IOException {
            byte[] whole = Files.readAllBytes(Fixtures.file(name));
            for (int seed = 0; seed < 1000; seed++) {
                read(name, mutate(whole, new SplittableRandom(seed)), "seed " + seed);
            }
        }

        private byte[] mutate(byte[] whole, SplittableRandom random) {
            byte[] bytes = whole.clone();
            int changes = 1 + random.nextInt(4);
            for (int i = 0; i < changes; i++) {
                // Half of the changes hit the first kilobyte, where headers and pickles are.
                int range = random.nextBoolean() ? Math.min(1024, bytes.length) : bytes.length;
                int at = random.nextInt(range);
                switch (random.nextInt(5)) {
                    case 0 -> bytes[at] = (byte) random.nextInt(256);
                    case 1 -> {
                        byte[] extremes = {0, 1, -1, 0x7f, (byte) 0x80};
                        Arrays.fill(
                                bytes,
                                at,
                                Math.min(bytes.length, at + 1 + random.nextInt(8)),
                                extremes[random.nextInt(extremes.length)]);
                    }
                    case 2 -> {
                        int from = random.nextInt(bytes.length);
                        int length = Math.min(random.nextInt(64), bytes.length - Math.max(from, at));
                        System.arraycopy(bytes, from, bytes, at, length);
                    }
                    case 3 -> {
                        int length = Math.min(random.nextInt(16), bytes.length - at);
                        byte[] shorter = new byte[bytes.length - length];
                        System.arraycopy(bytes, 0, shorter, 0, at);
                        System.arraycopy(bytes, at + length, shorter, at, shorter.length - at);
                        bytes = shorter.length == 0 ? bytes : shorter;
                    }
                    default -> {
                        byte[] longer = new byte[bytes.length + 1 + random.nextInt(8)];
                        System.arraycopy(bytes, 0, longer, 0, at);
                        System.arraycopy(bytes, at, longer, longer.length - (bytes.length - at), bytes.length - at);
                        bytes = longer;
                    }
                }
            }
            return bytes;
        }
    }

    @Nested
    class AbsurdClaims {
        private byte[] withPickle(String pickle, String data) throws IOException {
            // The zip file of our own writer around another pickle, and data instead of the storage's.
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
            try (java.util.zip.ZipOutputStream zip = new java.util.zip.ZipOutputStream(bytes)) {
                zip.setMethod(java.util.zip.ZipOutputStream.STORED);
                stored(zip, "a/data.pkl", pickle);
                stored(zip, "a/data/0", data);
            }
            return bytes.toByteArray();
        }

        private void stored(java.util.zip.ZipOutputStream zip, String name, String content) throws IOException {
            byte[] bytes = content.getBytes(StandardCharsets.ISO_8859_1);
            java.util.zip.ZipEntry entry = new java.util.zip.ZipEntry(name);
            java.util.zip.CRC32 sum = new java.util.zip.CRC32();
            sum.update(bytes);
            entry.setSize(bytes.length);
            entry.setCrc(sum.getValue());
            zip.putNextEntry(entry);
            zip.write(bytes);
            zip.closeEntry();
        }

        /** {'w': a tensor over a storage of floats}, everything given as pickle code. */
        private String tensor(String elements, String offset, String size, String stride) {
            return "}U\u0001wctorch._utils\n_rebuild_tensor_v2\n((U\u0007storagectorch\nFloatStorage\nU\u00010U\u0003cpu"
                    + elements + "tQ" + offset + size + stride + "I00\n}tRs.";
        }

        private void refused(byte[] bytes, Class<? extends IOException> type, String message) throws IOException {
            Path file = Files.write(folder.resolve("absurd.pt"), bytes);
            assertThatThrownBy(() -> WeightFiles.read(file)).isInstanceOf(type).hasMessageContaining(message);
            read("absurd.pt", bytes, message);
        }

        @Test
        void aboutATensorsReachAreRefused() throws IOException {
            String eight = "\0\0\0\0\0\0\u0080?";
            assertThat(read("good.pt", withPickle(tensor("K\u0002", "K\0", "(K\u0002t", "(K\u0001t"), eight), "good")
                            .get("w")
                            .toDoubles())
                    .containsExactly(0, 1);
            refused(
                    withPickle(tensor("K\u0002", "K\u0001", "(K\u0002t", "(K\u0001t"), eight),
                    CorruptFileException.class,
                    "'w' reaches element 2");
            refused(
                    withPickle(tensor("K\u0002", "K\0", "(K\u0002t", "(K\u0002t"), eight),
                    CorruptFileException.class,
                    "'w' reaches element 2");
            refused(
                    withPickle(tensor("K\u0002", "J\u00ff\u00ff\u00ff\u00ff", "(K\u0002t", "(K\u0001t"), eight),
                    CorruptFileException.class,
                    "isn't negative");
            refused(
                    withPickle(tensor("K\u0002", "K\0", "(K\u0002t", "(J\u00ff\u00ff\u00ff\u00fft"), eight),
                    CorruptFileException.class,
                    "isn't negative");
            refused(
                    withPickle(tensor("K\u0002", "K\0", "(K\u0002K\u0001t", "(K\u0001t"), eight),
                    CorruptFileException.class,
                    "2 sizes and 1 strides");
            String huge = "\u008a\u0008\0\0\0\0\0\0\0\u0040";
            refused(
                    withPickle(tensor("K\u0002", "K\0", "(" + huge + huge + "t", "(" + huge + "K\u0001t"), eight),
                    CorruptFileException.class,
                    "impossible shape");
            refused(
                    withPickle(tensor("K\u0002", huge, "(K\u0002t", "(" + huge + "t"), eight),
                    CorruptFileException.class,
                    "impossible shape");
        }

        @Test
        void aboutAStoragesSizeAreRefused() throws IOException {
            refused(
                    withPickle(tensor("K\u0003", "K\0", "(K\u0002t", "(K\u0001t"), "12345678"),
                    CorruptFileException.class,
                    "entry 'a/data/0' has 8 bytes, expected 3 FLOAT32 elements");
            refused(
                    withPickle(tensor("\u008a\u0008\0\0\0\0\0\0\0\u0040", "K\0", "(K\u0002t", "(K\u0001t"), "12345678"),
                    CorruptFileException.class,
                    "elements");
            refused(
                    withPickle(
                            tensor("K\u0001", "K\0", "(K\u0002t", "(K\u0001t").replace("U\u00010", "U\u00011"), "1234"),
                    CorruptFileException.class,
                    "no entry 'a/data/1'");
        }

        @Test
        void aboutRepeatedElementsAreRefusedBeforeMemoryIsTaken() throws IOException {
            refused(
                    withPickle(tensor("K\u0001", "K\0", "(J\0\0\0\u001ft", "(K\0t"), "1234"),
                    UnsupportedFileException.class,
                    "take more than");
            refused(
                    withPickle(tensor("K\u0001", "K\0", "(J\0\0\0\u007ft", "(K\0t"), "1234"),
                    UnsupportedFileException.class,
                    "exceeds 2 GiB");
        }

        @Test
        void aboutALegacyStorageAreRefused() throws IOException {
            byte[] whole = Files.readAllBytes(Fixtures.file("types_legacy.pt"));
            // The first storage's number of elements lies just behind the list of keys: 8 bytes before its first
            // number.
            ByteBuffer bytes = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN);
            int at = new String(whole, StandardCharsets.ISO_8859_1).lastIndexOf("e.") + 2;
            bytes.putLong(at, Long.MAX_VALUE);
            refused(whole, CorruptFileException.class, "elements, expected");
        }

        @Test
        void aboutAZipDirectoryAreRefused() throws IOException {
            byte[] good = withPickle(tensor("K\u0001", "K\0", "(K\u0001t", "(K\u0001t"), "1234");
            ByteBuffer bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN);
            int end = good.length - 22;
            bytes.putInt(end + 12, -1);
            refused(bytes.array(), CorruptFileException.class, "lies outside the file");
            bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putShort(end + 10, (short) -1);
            refused(bytes.array(), CorruptFileException.class, "claims 65535 entries");
            bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN);
            int central = bytes.getInt(end + 16);
            bytes.putInt(central + 42, 0x7fffffff);
            refused(bytes.array(), CorruptFileException.class, "begins outside the file");
            bytes = ByteBuffer.wrap(good.clone()).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putInt(central + 20, 0x7fffffff).putInt(central + 24, 0x7fffffff);
            refused(bytes.array(), CorruptFileException.class, "reaches past the end");
        }

        @Test
        void aboutOneNameTwiceAreRefused() throws IOException {
            byte[] good = withPickle(tensor("K\u0001", "K\0", "(K\u0001t", "(K\u0001t"), "1234");
            // The same central entry a second time in the place of the first one's directory.
            ByteBuffer bytes = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN);
            int end = good.length - 22;
            int central = bytes.getInt(end + 16);
            ByteBuffer twice = ByteBuffer.allocate(good.length + end - central).order(ByteOrder.LITTLE_ENDIAN);
            twice.put(good, 0, end).put(good, central, end - central).put(good, end, 22);
            int newEnd = twice.capacity() - 22;
            twice.putShort(newEnd + 10, (short) 4).putInt(newEnd + 12, 2 * (end - central));
            refused(twice.array(), CorruptFileException.class, "two entries named 'a/data.pkl'");
        }

        @Test
        void areNotWhatZip64RecordsMake() throws IOException {
            byte[] good = withPickle(tensor("K\u0001", "K\0", "(K\u0001t", "(K\u0001t"), "\0\0\u0080?");
            ByteBuffer bytes = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN);
            int end = good.length - 22;
            int central = bytes.getInt(end + 16);
            // Moves every number of the directory into its 64-bit place, as files above 4 GiB have them.
            ByteBuffer wide =
                    ByteBuffer.allocate(good.length + 56 + 20 + 2 * 28).order(ByteOrder.LITTLE_ENDIAN);
            wide.put(good, 0, central);
            for (int at = central; at < end; ) {
                int name = bytes.getShort(at + 28);
                assertThat(bytes.getShort(at + 30) + bytes.getShort(at + 32)).isZero();
                int entry = wide.position();
                wide.put(good, at, 46 + name);
                wide.putInt(entry + 20, -1)
                        .putInt(entry + 24, -1)
                        .putInt(entry + 42, -1)
                        .putShort(entry + 30, (short) 28);
                wide.putShort((short) 1).putShort((short) 24);
                wide.putLong(bytes.getInt(at + 24))
                        .putLong(bytes.getInt(at + 20))
                        .putLong(bytes.getInt(at + 42));
                at += 46 + name;
            }
            int record = wide.position();
            wide.putInt(0x06064b50).putLong(44).putInt(0).putLong(0);
            wide.putLong(2).putLong(2).putLong(record - central).putLong(central);
            wide.putInt(0x07064b50).putInt(0).putLong(record).putInt(1);
            wide.putInt(0x06054b50).putInt(0).putInt(-1).putInt(-1).putInt(-1).putShort((short) 0);
            assertThat(wide.hasRemaining()).isFalse();
            assertThat(read("wide.pt", wide.array(), "zip64").get("w").toDoubles())
                    .containsExactly(1);
            refused(
                    ByteBuffer.wrap(wide.array().clone())
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(record + 48, Long.MAX_VALUE)
                            .array(),
                    CorruptFileException.class,
                    "lies outside the file");
        }
    }

    @Nested
    class OtherFiles {
        private void refused(String name, byte[] bytes, Class<? extends IOException> type, String message)
                throws IOException {
            Path file = Files.write(folder.resolve(name), bytes);
            assertThatThrownBy(() -> WeightFiles.read(file))
                    .isInstanceOf(type)
                    .hasMessageStartingWith(file + ": ")
                    .hasMessageContaining(message);
        }

        private byte[] text(String text) {
            return text.getBytes(StandardCharsets.ISO_8859_1);
        }

        @Test
        void areNamedForWhatTheyAre() throws IOException {
            refused("a.pt", new byte[0], CorruptFileException.class, "is empty");
            refused(
                    "a.pt",
                    text("version https://git-lfs.github.com/spec/v1\noid"),
                    UnsupportedFileException.class,
                    "git lfs");
            refused("a.onnx", text("\u0008\u0007pytorch"), UnsupportedFileException.class, "neither a safetensors nor");
            refused("a.pt", text("<!DOCTYPE html>"), CorruptFileException.class, "may not be a pickle");
            refused("a.safetensors", text("<!DOCTYPE html>"), CorruptFileException.class, "claims a header");
            byte[] tar = new byte[512];
            System.arraycopy(text("storages/"), 0, tar, 0, 9);
            System.arraycopy(text("ustar"), 0, tar, 257, 5);
            refused("a.pth", tar, UnsupportedFileException.class, "tar file");
        }

        @Test
        void thatAreZipsOfSomethingElseAreListed() throws IOException {
            java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
            try (java.util.zip.ZipOutputStream zip = new java.util.zip.ZipOutputStream(bytes)) {
                zip.putNextEntry(new java.util.zip.ZipEntry("arr_0.npy"));
            }
            refused("a.npz", bytes.toByteArray(), UnsupportedFileException.class, "is a zip file with arr_0.npy");
            bytes.reset();
            try (java.util.zip.ZipOutputStream zip = new java.util.zip.ZipOutputStream(bytes)) {
                zip.putNextEntry(new java.util.zip.ZipEntry("a/data.pkl"));
                zip.write(new byte[100]);
            }
            refused("a.pt", bytes.toByteArray(), UnsupportedFileException.class, "is compressed");
        }

        @Test
        void withoutWeightsAreDescribed() throws IOException {
            refused(
                    "a.pkl",
                    text("}U\u0005epochK\u0003s."),
                    UnsupportedFileException.class,
                    "holds a dict with epoch and no weights");
            refused("a.pkl", text("\u0080\u0002]N\u0085."), UnsupportedFileException.class, "holds a list of 1");
            refused("a.pkl", text("N."), UnsupportedFileException.class, "holds None");
            refused(
                    "a.safetensors",
                    text("\u0008\0\0\0\0\0\0\0{}      "),
                    UnsupportedFileException.class,
                    "no tensors");
        }

        @Test
        void thatDoNotExistAreNamed() throws IOException {
            assertThatThrownBy(() -> WeightFiles.read(folder.resolve("none.pt")))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("none.pt: there is no such file");
            Files.writeString(folder.resolve("readme.txt"), "");
            assertThatThrownBy(() -> WeightFiles.read(folder))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("looked for model.safetensors, pytorch_model.bin")
                    .hasMessageContaining("found readme.txt");
            Files.writeString(folder.resolve("model.safetensors.index.json"), "{}");
            assertThatThrownBy(() -> WeightFiles.read(folder))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("shards");
        }

        @Test
        void areNotWrittenUnderUnknownNames() {
            assertThatThrownBy(() -> WeightFiles.write(StateDict.of(java.util.Map.of()), folder.resolve("a.onnx")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("a.onnx: unknown kind");
        }
    }
}
