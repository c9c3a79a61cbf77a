package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.FileFormatException;

class ShardIndexTests {
    private static final String INDEX = "model.safetensors.index.json";

    @TempDir
    Path folder;

    private static HostTensor tensor(float first) {
        return HostTensor.of(new float[] {first, first + 1}, 2);
    }

    private void shard(String file, Map<String, HostTensor> tensors) throws IOException {
        WeightFiles.write(StateDict.of(tensors), folder.resolve(file));
    }

    private Path index(String name, String map) throws IOException {
        return Files.writeString(
                folder.resolve(name), "{\"metadata\": {\"total_size\": 24}, \"weight_map\": {" + map + "}}");
    }

    @BeforeEach
    void twoShards() throws IOException {
        Map<String, HostTensor> first = new LinkedHashMap<>();
        first.put("module.a", tensor(1));
        first.put("module.c", tensor(5));
        shard("one.safetensors", first);
        shard("two.safetensors", Map.of("module.b", tensor(3)));
        shard("one.bin", first);
        shard("two.bin", Map.of("module.b", tensor(3)));
    }

    private static String map(String ending) {
        return "\"module.a\": \"one" + ending + "\", \"module.b\": \"two" + ending + "\", \"module.c\": \"one" + ending
                + "\"";
    }

    @ParameterizedTest
    @CsvSource({
        ".safetensors, model.safetensors.index.json",
        ".bin, pytorch_model.bin.index.json",
        ".bin, other.index.json"
    })
    void leadsToTheTensorsOfAllShards(String ending, String name) throws IOException {
        Path index = index(name, map(ending));
        Map<String, HostTensor> expected = new LinkedHashMap<>();
        expected.put("a", tensor(1));
        expected.put("b", tensor(3));
        expected.put("c", tensor(5));
        assertThat(WeightFiles.read(index).tensors()).containsExactlyEntriesOf(expected);
        assertThat(WeightFiles.read(folder).tensors()).containsExactlyEntriesOf(expected);
    }

    @Test
    void namesEveryShardThatIsMissing() throws IOException {
        Path index = index(INDEX, map(".safetensors") + ", \"d\": \"three.safetensors\", \"e\": \"four.safetensors\"");
        assertThatThrownBy(() -> WeightFiles.read(index))
                .isInstanceOf(FileFormatException.class)
                .hasMessageContaining(INDEX)
                .hasMessageContaining("missing: three.safetensors, four.safetensors");
    }

    @Test
    void mustAgreeWithItsShards() throws IOException {
        Path lacking = index(INDEX, map(".safetensors") + ", \"module.d\": \"two.safetensors\"");
        assertThatThrownBy(() -> WeightFiles.read(lacking))
                .isInstanceOf(CorruptFileException.class)
                .hasMessageContaining("two.safetensors")
                .hasMessageContaining("'module.d'");
        Path unnamed = index(INDEX, "\"module.a\": \"one.safetensors\", \"module.b\": \"two.safetensors\"");
        assertThatThrownBy(() -> WeightFiles.read(unnamed))
                .hasMessageContaining("one.safetensors")
                .hasMessageContaining("'module.c'");
        Path elsewhere = index(INDEX, map(".safetensors").replace("\"module.c\": \"one", "\"module.c\": \"two"));
        assertThatThrownBy(() -> WeightFiles.read(elsewhere)).hasMessageContaining("says is in two.safetensors");
    }

    @Test
    void mayBeOneOfSeveralOnlyWhenItIsNamed() throws IOException {
        Path one = index("x.index.json", map(".bin"));
        index("y.index.json", map(".bin"));
        assertThatThrownBy(() -> WeightFiles.read(folder)).hasMessageContaining("x.index.json, y.index.json");
        assertThat(WeightFiles.read(one).tensors()).hasSize(3);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"weight_map\": {}}",
                "{\"weight_map\": 3}",
                "{\"weight_map\": {\"a\": 3}}",
                "{\"weight_map\": {\"a\": \"../one.bin\"}}",
                "{\"weight_map\": {\"a\": \"/etc/passwd\"}}",
                "{\"weight_map\": {\"a\": \"one.bin\", \"a\": \"two.bin\"}}",
                "{\"weight_map\": {\"a\": \"one.bin\"",
                "{"
            })
    void isRefusedWhereItIsNone(String text) throws IOException {
        Path index = Files.writeString(folder.resolve(INDEX), text);
        assertThatThrownBy(() -> WeightFiles.read(index))
                .isInstanceOf(FileFormatException.class)
                .hasMessageStartingWith(index.toString());
    }

    @Test
    void inAStrangeEncodingIsRefused() throws IOException {
        Path index = folder.resolve(INDEX);
        Files.write(index, "{\"weight_map\": {\"\u00e4\": \"x\"}}".getBytes(StandardCharsets.ISO_8859_1));
        assertThatThrownBy(() -> WeightFiles.read(index)).isInstanceOf(CorruptFileException.class);
    }

    @Test
    void thatHuggingFacesLibrariesWroteLeadsToAllTensors() throws IOException {
        Path shared = Path.of(System.getProperty("segformer3d.shared", "../shared"), "cases", "W01");
        Assumptions.assumeTrue(Files.isDirectory(shared), "no shared cases at " + shared);
        assertThat(WeightFiles.read(shared.resolve("safetensors")).tensors()).hasSize(140);
        assertThat(WeightFiles.read(shared.resolve("safetensors/" + INDEX)))
                .isEqualTo(WeightFiles.read(shared.resolve("safetensors")));
        StateDict part = WeightFiles.read(shared.resolve("bin"));
        assertThat(part.tensors()).isNotEmpty();
        part.tensors().forEach((name, tensor) -> {
            try {
                assertThat(WeightFiles.read(shared.resolve("safetensors"))
                                .tensors()
                                .get(name))
                        .as(name)
                        .isEqualTo(tensor);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
    }
}
