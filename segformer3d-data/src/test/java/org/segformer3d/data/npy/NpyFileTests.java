package org.segformer3d.data.npy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.volume.VolumeFormatException;

class NpyFileTests {
    @TempDir
    Path folder;

    /** Files that NumPy 2.4 wrote; "arange" there is 0…23 as (2, 3, 4). */
    private Path resource(String name) throws IOException {
        Path file = folder.resolve(name);
        try (InputStream in = NpyFileTests.class.getResourceAsStream(name)) {
            Files.write(file, in.readAllBytes());
        }
        return file;
    }

    private static byte[] npy(String header, byte[] data) {
        byte[] text = header.getBytes(StandardCharsets.ISO_8859_1);
        return ByteBuffer.allocate(10 + text.length + data.length)
                .put(new byte[] {
                    (byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) text.length, (byte) (text.length >> 8)
                })
                .put(text)
                .put(data)
                .array();
    }

    @Nested
    class FromNumPy {
        @ParameterizedTest
        @CsvSource({
            "float32, FLOAT32, 0.5, 0",
            "float64_big, FLOAT64, 0.25, 0",
            "float16, FLOAT16, 0.125, 0",
            "int16_big, INT16, 1, -5",
            "uint16, INT32, 1, 65000",
            "uint32_big, INT64, 1, 4294967000",
            "uint64, INT64, 1, 1099511627776",
            "int8, INT8, 1, -12",
            "uint8, UINT8, 1, 200",
            "int64, INT64, 1, -1125899906842624",
            "int32, INT32, 1, 0",
            "fortran, FLOAT32, 1, 0",
            "fortran_big, INT32, 1, 0"
        })
        void arraysOfEveryTypeAndOrderAreRead(String name, DType type, double factor, double summand)
                throws IOException {
            for (String file : new String[] {"stored.npz", "deflated.npz"}) {
                HostTensor tensor = NpzFile.read(resource(file)).get(name);

                assertThat(tensor.dtype()).isEqualTo(type);
                assertThat(tensor.shape()).containsExactly(2, 3, 4);
                for (int n = 0; n < 24; n++) {
                    assertThat(tensor.get(n)).isEqualTo(n * factor + summand);
                }
            }
        }

        @Test
        void booleansScalarsVectorsAndEmptyArraysAreRead() throws IOException {
            Map<String, HostTensor> arrays = NpzFile.read(resource("stored.npz"));

            assertThat(arrays.get("bool").dtype()).isEqualTo(DType.BOOL);
            assertThat(arrays.get("bool").get(3)).isEqualTo(1);
            assertThat(arrays.get("bool").get(4)).isZero();
            assertThat(arrays.get("scalar").rank()).isZero();
            assertThat(arrays.get("scalar").get(0)).isEqualTo(2.5);
            assertThat(arrays.get("empty").shape()).containsExactly(0, 3);
            assertThat(arrays.get("vector").toDoubles()).containsExactly(1, 2, 3);
            assertThat(arrays.keySet()).startsWith("float32", "float64_big", "float16");
        }

        @ParameterizedTest
        @ValueSource(strings = {"version2.npy", "version3.npy"})
        void laterVersionsAreRead(String name) throws IOException {
            HostTensor tensor = NpyFile.read(resource(name));

            assertThat(tensor.shape()).containsExactly(2, 3, 4);
            for (int n = 0; n < 24; n++) {
                assertThat(tensor.get(n)).isEqualTo(n);
            }
        }

        @Test
        void objectArraysAreRefused() {
            assertThatThrownBy(() -> NpyFile.read(resource("object.npy")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContainingAll("object.npy", "Python objects");
        }
    }

    @Nested
    class Written {
        @ParameterizedTest
        @EnumSource(value = DType.class, mode = EnumSource.Mode.EXCLUDE, names = "BFLOAT16")
        void arraysComeBackTheSame(DType type) throws IOException {
            HostTensor tensor = HostTensor.zeros(type, 3, 1, 7);
            new Random(1)
                    .ints(tensor.bytes().capacity(), 0, type == DType.BOOL ? 2 : 100)
                    .forEach(new java.util.function.IntConsumer() {
                        private int at;

                        @Override
                        public void accept(int value) {
                            tensor.bytes().put(at++, (byte) value);
                        }
                    });

            NpyFile.write(folder.resolve("x.npy"), tensor);
            NpzFile.write(folder.resolve("x.npz"), Map.of("x", tensor));

            assertThat(NpyFile.read(folder.resolve("x.npy"))).isEqualTo(tensor);
            assertThat(NpzFile.read(folder.resolve("x.npz"))).containsExactly(Map.entry("x", tensor));
        }

        @Test
        void headersAreThoseOfNumPy() throws IOException {
            NpyFile.write(folder.resolve("a.npy"), HostTensor.of(new float[6], 2, 3));
            NpyFile.write(folder.resolve("b.npy"), HostTensor.of(new float[6], 6));
            NpyFile.write(folder.resolve("c.npy"), HostTensor.of(new float[1]));

            assertThat(header("a.npy")).startsWith("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
            assertThat(header("b.npy")).contains("'shape': (6,), }");
            assertThat(header("c.npy"))
                    .contains("'shape': (), }")
                    .endsWith("\n")
                    .hasSize(118);
        }

        private String header(String name) throws IOException {
            byte[] bytes = Files.readAllBytes(folder.resolve(name));
            return new String(bytes, 10, bytes[8] & 0xff, StandardCharsets.ISO_8859_1);
        }

        @Test
        void archivesKeepOrderAndAreReproducible() throws IOException {
            Map<String, HostTensor> arrays = new LinkedHashMap<>();
            arrays.put("z", HostTensor.of(new double[] {1, 2}, 2));
            arrays.put("a", HostTensor.of(new byte[] {3}, 1));

            NpzFile.write(folder.resolve("1.npz"), arrays);
            NpzFile.write(folder.resolve("2.npz"), arrays);

            assertThat(NpzFile.read(folder.resolve("1.npz")).keySet()).containsExactly("z", "a");
            assertThat(folder.resolve("1.npz")).hasSameBinaryContentAs(folder.resolve("2.npz"));
        }

        @Test
        void whatNumPyLacksIsRefused() {
            HostTensor brain = HostTensor.zeros(DType.BFLOAT16, 2);

            assertThatThrownBy(() -> NpyFile.write(folder.resolve("x.npy"), brain))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("bfloat16");
            assertThatThrownBy(() -> NpzFile.write(folder.resolve("x.npz"), Map.of("../x", brain)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThat(folder).isEmptyDirectory();
        }
    }

    @Nested
    class Refused {
        private void refused(byte[] bytes, String... phrases) throws IOException {
            Path file = Files.write(folder.resolve("x.npy"), bytes);
            assertThatThrownBy(() -> NpyFile.read(file))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.npy")
                    .hasMessageContainingAll(phrases);
        }

        @ParameterizedTest
        @CsvSource(
                delimiter = '~',
                value = {
                    "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), } ~ '<c8'",
                    "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), } ~ '<U3'",
                    "{'descr': '<f16', 'fortran_order': False, 'shape': (1,), } ~ '<f16'",
                    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), } ~ objects",
                    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), } ~ records",
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), } ~ shape",
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), } ~ claims",
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), } ~ impossible",
                    "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), } ~ True nor False",
                    "{'descr': '<f4', 'fortran_order': False, } ~ missing",
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1} ~ 'x'",
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } import os ~ follows",
                    "__import__('os') ~ no '{'"
                })
        void areHeadersThatDescribeSomethingElse(String header, String phrase) throws IOException {
            refused(npy(header, new byte[16]), phrase.strip());
        }

        @Test
        void areOtherFilesAndTruncatedOnes() throws IOException {
            byte[] good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", new byte[16]);
            refused(new byte[0], "truncated");
            refused(Arrays.copyOf(good, 30), "truncated");
            refused(Arrays.copyOf(good, good.length - 1), "truncated");
            byte[] other = good.clone();
            other[1] = 'X';
            refused(other, "not a .npy file");
            byte[] later = good.clone();
            later[6] = 4;
            refused(later, "version 4");
            assertThatThrownBy(() -> NpyFile.read(folder.resolve("absent.npy")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("no such file");
        }

        @Test
        void areUnsignedNumbersThatDoNotFit() throws IOException {
            byte[] data = new byte[8];
            Arrays.fill(data, (byte) 0xff);
            refused(npy("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }", data), "18446744073709551615");
        }

        @ParameterizedTest
        @ValueSource(strings = {"../evil.npy", "/abs.npy", "a/../../b.npy", "c\\d.npy", "C:x.npy"})
        void areArchivesWithNamesThatLeadElsewhere(String name) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", new byte[4]));
            }
            Path file = Files.write(folder.resolve("x.npz"), bytes.toByteArray());

            assertThatThrownBy(() -> NpzFile.read(file))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining(name);
        }

        @Test
        void areArchivesThatClaimMoreThanTheyHold() throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
                zip.putNextEntry(new ZipEntry("x.npy"));
                zip.write(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (200000000,), }", new byte[4]));
            }
            Path file = Files.write(folder.resolve("x.npz"), bytes.toByteArray());

            assertThatThrownBy(() -> NpzFile.read(file))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("claims");
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void aMutatedFileIsReadOrRefused(long seed) throws IOException {
        Random random = new Random(seed);
        byte[] npy = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }   \n", new byte[12]);
        byte[] npz = Files.readAllBytes(resource("deflated.npz"));
        int refused = 0;
        for (int round = 0; round < 400; round++) {
            boolean archive = round % 4 == 0;
            byte[] bytes = (archive ? npz : npy).clone();
            for (int n = random.nextInt(3); n >= 0; n--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            if (random.nextInt(4) == 0) {
                bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            }
            Path file = Files.write(folder.resolve(archive ? "f.npz" : "f.npy"), bytes);
            try {
                if (archive) {
                    NpzFile.read(file);
                } else {
                    NpyFile.read(file);
                }
            } catch (VolumeFormatException e) {
                refused++;
            } catch (Exception | Error e) {
                fail("seed " + seed + ", round " + round + ": " + e, e);
            }
        }
        assertThat(refused).as("seed " + seed).isBetween(1, 399);
    }
}
