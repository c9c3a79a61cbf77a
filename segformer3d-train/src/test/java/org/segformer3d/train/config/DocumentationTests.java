package org.segformer3d.train.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.SegFormer3DNetwork;

/** Documentation and examples against the code. */
class DocumentationTests {
    private static final String BEGIN = "<!-- keys: made from the code, see ConfigurationTable -->\n";
    private static final String END = "<!-- end of keys -->\n";

    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        return Files.exists(folder.resolve("docs")) ? folder : folder.getParent();
    }

    /** Run with {@code -Dtest.argLine=-Dsegformer3d.update-docs=true} to write the table anew. */
    @Test
    void theTableOfKeysIsTheCodes() throws IOException {
        Path file = root().resolve("docs/configuration.md");
        String text = Files.readString(file);
        int begin = text.indexOf(BEGIN) + BEGIN.length();
        int end = text.indexOf(END);
        assertThat(begin).isGreaterThanOrEqualTo(BEGIN.length());
        if (Boolean.getBoolean("segformer3d.update-docs")) {
            text = text.substring(0, begin) + "\n" + ConfigurationTable.markdown() + "\n" + text.substring(end);
            Files.writeString(file, text);
            end = text.indexOf(END);
        }

        List<String> found = text.substring(begin, end).lines().toList();
        List<String> expected =
                ("\n" + ConfigurationTable.markdown() + "\n").lines().toList();
        for (int n = 0; n < Math.min(found.size(), expected.size()); n++) {
            assertThat(found.get(n)).as("line %d of the table", n + 1).isEqualTo(expected.get(n));
        }
        assertThat(found).hasSameSizeAs(expected);
    }

    /** Written anew as the table is. */
    @Test
    void theSchemaForEditorsIsTheCodes() throws IOException {
        Path file = root().resolve("docs/experiment.schema.json");
        if (Boolean.getBoolean("segformer3d.update-docs")) {
            Files.writeString(file, ConfigurationSchema.json());
        }

        assertThat(Files.readString(file)).isEqualToNormalizingNewlines(ConfigurationSchema.json());
    }

    @Nested
    class Examples {
        @ParameterizedTest
        @ValueSource(strings = {"acdc.yaml", "brats2017.yaml", "hippocampus.yaml", "synapse.yaml"})
        void areRead(String name) throws IOException {
            ExperimentConfig config =
                    ExperimentConfig.read(root().resolve("examples").resolve(name));

            assertThat(config.output().runFolder()).isPresent();
        }

        @Test
        void brats2017IsTheOfficialBestRun() throws IOException {
            ExperimentConfig config = ExperimentConfig.read(root().resolve("examples/brats2017.yaml"));

            assertThat(config.network()).isEqualTo(SegFormer3DNetwork.of(SegFormer3DConfig.defaults()));
            assertThat(config.schedule().baseRate()).isEqualTo(1e-4);
            assertThat(config.schedule().warmupEpochs()).isEqualTo(20);
            assertThat(config.schedule().cycleEpochs()).isEqualTo(400);
            assertThat(config.schedule().minRate()).isEqualTo(6e-6);
            assertThat(config.validation().roi()).isEqualTo(new Grid(128, 128, 128));
            assertThat(config.dataset().batchSize()).isEqualTo(2);
        }

        @Test
        void theOfficialExampleUsesOfficialKeysOnly() throws IOException {
            List<String> extensions = ExperimentKeys.all().values().stream()
                    .filter(key -> !key.official() && key.path().contains("."))
                    .map(key -> key.path().substring(key.path().lastIndexOf('.') + 1))
                    .filter(name -> !List.of("mode", "root", "name", "enabled", "seed", "patience")
                            .contains(name))
                    .toList();
            String text = Files.readString(root().resolve("examples/brats2017.yaml"));

            assertThat(extensions).isNotEmpty().noneMatch(name -> text.contains(" " + name + ":"));
        }
    }
}
