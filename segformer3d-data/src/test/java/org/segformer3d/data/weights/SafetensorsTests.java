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
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

class SafetensorsTests {
    @TempDir
    Path folder;

    private Path file(String header, int data) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + data).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length).put(json);
        return Files.write(folder.resolve("a.safetensors"), bytes.array());
    }

    /** Random tensors of all types and of ranks 0 to 4, empty ones included. */
    static Map<String, HostTensor> randomTensors(SplittableRandom random) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        int count = random.nextInt(8);
        for (int i = 0; i < count; i++) {
            DType type = DType.values()[random.nextInt(DType.values().length)];
            long[] shape = new long[random.nextInt(5)];
            for (int axis = 0; axis < shape.length; axis++) {
                shape[axis] = random.nextInt(6);
            }
            HostTensor tensor = HostTensor.zeros(type, shape);
            ByteBuffer bytes = tensor.bytes();
            while (bytes.hasRemaining()) {
                bytes.put((byte) (type == DType.BOOL ? random.nextInt(2) : random.nextInt(256)));
            }
            String[] names = {"layer." + i, "é" + i, "\"\\" + i, "a b\n\u0001" + i, "😀" + i, "\uffee" + i, ""};
            tensors.put(names[random.nextInt(names.length)], tensor);
        }
        return tensors;
    }

    @Nested
    class Writing {
        @Test
        void givesTheBytesOfThePythonPackage() throws IOException {
            for (String name : new String[] {"types.safetensors", "expected.safetensors"}) {
                TensorFile python = Safetensors.read(Fixtures.file(name));
                Map<String, HostTensor> shuffled = new HashMap<>(python.tensors());
                Safetensors.write(folder.resolve(name), shuffled, python.metadata());
                assertThat(folder.resolve(name)).hasSameBinaryContentAs(Fixtures.file(name));
            }
        }

        @ParameterizedTest
        @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
        void keepsTensorsOfEveryTypeAndShape(int seed) throws IOException {
            SplittableRandom random = new SplittableRandom(seed);
            Map<String, HostTensor> tensors = randomTensors(random);
            Map<String, String> metadata = seed % 2 == 0 ? Map.of() : Map.of("key\n", "\"värde\"", "2", "\u0000");
            Path file = folder.resolve("a.safetensors");
            Safetensors.write(file, tensors, metadata);
            TensorFile read = Safetensors.read(file);
            assertThat(read.tensors()).isEqualTo(tensors);
            assertThat(read.metadata()).isEqualTo(metadata);
            Path pt = folder.resolve("a.pt");
            PyTorchFile.write(pt, StateDict.of(tensors));
            if (!tensors.isEmpty()) {
                assertThat(PyTorchFile.readStateDict(pt).tensors()).isEqualTo(tensors);
            }
        }

        @Test
        void startsTheDataAtAMultipleOfEight() throws IOException {
            Safetensors.write(folder.resolve("a"), Map.of("x", HostTensor.zeros(DType.FLOAT32, 2)));
            byte[] bytes = Files.readAllBytes(folder.resolve("a"));
            assertThat((bytes.length - 8) % 8).isZero();
        }

        @Test
        void refusesTheNameOfTheMetadata() {
            assertThatThrownBy(() -> Safetensors.write(
                            folder.resolve("a"), Map.of("__metadata__", HostTensor.zeros(DType.FLOAT32, 2))))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThat(folder.resolve("a")).doesNotExist();
        }
    }

    @Nested
    class Reading {
        @Test
        void canBeLimitedToSomeTensors() throws IOException {
            assertThat(Safetensors.read(Fixtures.file("types.safetensors"), "int8"::equals)
                            .tensors())
                    .containsOnlyKeys("int8");
        }

        @Test
        void namesTheTensorsThatAreThereWhenOneIsMissing() throws IOException {
            TensorFile file = Safetensors.read(Fixtures.file("types.safetensors"));
            assertThatThrownBy(() -> file.get("nope"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("'nope'")
                    .hasMessageContaining("int64");
        }

        @Test
        void keepsTheMetadata() throws IOException {
            assertThat(Safetensors.read(Fixtures.file("types.safetensors")).metadata())
                    .isEqualTo(Map.of("format", "pt"));
        }

        @Test
        void acceptsAnEmptyFileOfTensors() throws IOException {
            assertThat(Safetensors.read(file("{}      ", 0)).tensors()).isEmpty();
        }

        @Test
        void namesAMissingFile() {
            assertThatThrownBy(() -> Safetensors.read(folder.resolve("none")))
                    .isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining("none");
        }
    }

    @Nested
    class Damage {
        @ParameterizedTest
        @CsvSource(
                delimiter = '|',
                quoteCharacter = '~',
                value = {
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}} | Duplicate",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"dtype\":\"F32\"}} | Duplicate",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | overlap",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | hole",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | describes 4 bytes of data, found 8",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}} | truncated",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | needs 12 bytes",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}} | needs 8 bytes",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | negative",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}} | negative",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}} | impossible shape",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}} | beyond 64 bits",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}} | a.shape",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}} | a.shape",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}} | a.shape",
                    "{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}} | a.dtype",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}} | two data_offsets",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}} | lacks",
                    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"stride\":[1]}} | 'stride'",
                    "{\"a\":null} | VALUE_NULL",
                    "{\"__metadata__\":{\"a\":1}} | __metadata__.a",
                    "{\"a\" | valid JSON",
                    "{} {} | one JSON object",
                    "[] | starts with byte 91"
                })
        void isNamed(String header, String message) throws IOException {
            Path file = file(header, 8);
            assertThatThrownBy(() -> Safetensors.read(file))
                    .isInstanceOf(CorruptFileException.class)
                    .hasMessageStartingWith(file + ": ")
                    .hasMessageContaining(message)
                    .hasMessageNotContaining("\n");
        }

        @Test
        void isToldFromTypesThatAreNotRead() throws IOException {
            Path file = file("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8);
            assertThatThrownBy(() -> Safetensors.read(file))
                    .isInstanceOf(UnsupportedFileException.class)
                    .hasMessageContaining("tensor 'a' has the type 'F8_E4M3', expected one of");
        }

        @ParameterizedTest
        @ValueSource(longs = {-1, 0, 1, 9, 100_000_001, Long.MAX_VALUE, Long.MIN_VALUE})
        void ofTheHeadersLengthTakesNoMemory(long length) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putLong(length).put("{}".getBytes(StandardCharsets.UTF_8));
            Path file = Files.write(folder.resolve("a.safetensors"), bytes.array());
            assertThatThrownBy(() -> Safetensors.read(file)).isInstanceOf(CorruptFileException.class);
        }

        @Test
        void ofTheHeadersTextIsNamed() throws IOException {
            Path file = file("{\"a\":\"\"}", 0);
            byte[] bytes = Files.readAllBytes(file);
            bytes[10] = (byte) 0xff;
            Files.write(file, bytes);
            assertThatThrownBy(() -> Safetensors.read(file)).hasMessageContaining("isn't UTF-8");
        }
    }
}
