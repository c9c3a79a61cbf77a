package org.segformer3d.data.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.io.CorruptFileException;

class NamesTests {
    private static List<String> bare(String... names) throws IOException {
        Map<String, Integer> entries = new LinkedHashMap<>();
        for (String name : names) {
            entries.put(name, 1);
        }
        return List.copyOf(Names.withoutPrefixes(entries, "a.pt").keySet());
    }

    @Test
    void losePrefixesThatAllOfThemHave() throws IOException {
        assertThat(bare("module.a.x", "module.b")).containsExactly("a.x", "b");
        assertThat(bare("model.net.module.a", "model.net.module.b")).containsExactly("a", "b");
        assertThat(bare("n_averaged", "module.a")).containsExactly("a");
    }

    @Test
    void keepPrefixesThatOnlySomeHave() throws IOException {
        assertThat(bare("module.a", "b")).containsExactly("module.a", "b");
        assertThat(bare("modular.a", "modular.b")).containsExactly("modular.a", "modular.b");
        assertThat(bare("n_averaged")).containsExactly("n_averaged");
    }

    @Test
    void loseWhatCompilingPutsInsideThem() throws IOException {
        assertThat(bare("_orig_mod.a", "encoder._orig_mod.b")).containsExactly("a", "encoder.b");
    }

    @Test
    void areNotMergedSilently() {
        assertThatThrownBy(() -> bare("a._orig_mod.b", "a.b"))
                .isInstanceOf(CorruptFileException.class)
                .hasMessageContaining("a.pt: two entries are named 'a.b'");
    }

    @Test
    void ofSafetensorsLoseTheirPrefixesToo(@TempDir Path folder) throws IOException {
        HostTensor tensor = HostTensor.of(new float[] {1}, 1);
        Safetensors.write(folder.resolve("a.safetensors"), Map.of("module.w", tensor));
        assertThat(WeightFiles.read(folder.resolve("a.safetensors")).tensors()).containsOnlyKeys("w");
        assertThat(Safetensors.readStateDict(folder.resolve("a.safetensors")).names())
                .containsExactly("module.w");
    }
}
