package org.segformer3d.train.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The schema says the same as the code: what one accepts, the other does. */
class ConfigurationSchemaTests {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Schema SCHEMA = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
            .getSchema(ConfigurationSchema.json());

    private static List<Error> problems(String yaml) throws JsonProcessingException {
        return SCHEMA.validate(JSON.valueToTree(YamlText.read(yaml, "test")));
    }

    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        return Files.exists(folder.resolve("docs")) ? folder : folder.getParent();
    }

    @Test
    void acceptsTheExamples() throws IOException {
        try (Stream<Path> examples = Files.list(root().resolve("examples"))) {
            for (Path file :
                    examples.filter(f -> f.toString().endsWith(".yaml")).toList()) {
                assertThat(problems(Files.readString(file))).as(file.toString()).isEmpty();
            }
        }
    }

    @Test
    void acceptsTheOfficialFile() throws IOException {
        Path file = Path.of(System.getProperty("segformer3d.shared", "../shared"), "reference/official_schema.yaml");
        Assumptions.assumeTrue(Files.exists(file), "no reference values here");

        assertThat(problems(Files.readString(file))).isEmpty();
    }

    @Test
    void acceptsEveryDefault() throws JsonProcessingException {
        assertThat(problems(ExperimentConfig.of(Map.of(), Path.of("/")).toYaml()))
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "training_parameters: {num_epocs: 3}",
                "training_parameters: {num_epochs: 0}",
                "training_parameters: {num_epochs: many}",
                "training_parameters: 3",
                "ema: {ema_decay: 1}",
                "ema: {enabled: 'yes'}",
                "optimizer: {optimizer_type: adamm}",
                "optimizer: {optimizer_args: {lr: 0}}",
                "optimizer: {optimizer_args: {betas: [0.9]}}",
                "sliding_window_inference: {roi: [64, 64]}",
                "model_parameters: {embed_dim: [1, 1, 1, 1]}",
                "model_parameters: {depths: [1, 1, 1]}",
                "dataset_parameters: {augmentation: [{probability: 1}]}",
                "dataset_parameters: {foreground_fraction: 1.01}"
            })
    void refusesWhatTheCodeRefuses(String yaml) throws JsonProcessingException {
        assertThat(problems(yaml)).isNotEmpty();
        org.assertj.core.api.Assertions.assertThatThrownBy(() -> ExperimentConfig.parse(yaml, "test", Path.of("/")))
                .isInstanceOf(org.segformer3d.api.config.ConfigException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "loss_fn: None",
                "training_parameters: {cutoff_epoch: None, seed: -3}",
                "sliding_window_inference: {roi: 96}",
                "dataset_parameters: {foreground_fraction: 1, augmentation: [{type: flip, axes: [0]}]}",
                "model_parameters: {in_channels: 1, patch_padding: [0, 0, 0, 0]}"
            })
    void acceptsWhatTheCodeAccepts(String yaml) throws JsonProcessingException {
        assertThat(problems(yaml)).isEmpty();
        ExperimentConfig.parse(yaml, "test", Path.of("/"));
    }
}
