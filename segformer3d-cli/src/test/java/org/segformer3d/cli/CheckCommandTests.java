package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.demo.PhantomDataset;

class CheckCommandTests {
    @TempDir
    Path folder;

    private Path data;
    private Path config;

    @BeforeEach
    void write() throws IOException {
        data = folder.resolve("data");
        new PhantomDataset(5, 3).write(data);
        config = Files.writeString(folder.resolve("experiment.yaml"), """
                model_parameters: {in_channels: 1, num_classes: 2}
                dataset_parameters:
                  dataset_type: decathlon
                  root: data
                  split: {validation_fraction: 0.25, seed: 1}
                """);
    }

    @Test
    void looks_at_a_folder_at_its_description_or_at_an_experiment() {
        Run folderRun = Run.of("check", data, "--quiet");
        assertThat(folderRun.err()).isEmpty();
        assertThat(folderRun.code()).isZero();
        assertThat(folderRun.out()).contains("spacing mm", "phantom_001", "0 problems");
        assertThat(Run.of("check", data.resolve("dataset.json"), "--quiet").out())
                .isEqualTo(folderRun.out());
        Run experiment = Run.of("check", config, "--quiet");
        assertThat(experiment.code()).isZero();
        assertThat(experiment.out()).contains("validation", "training");
    }

    @Test
    void ends_with_an_exit_code_where_something_is_wrong() throws IOException {
        Files.delete(data.resolve("labelsTr/phantom_001.nii.gz"));

        Run run = Run.of("check", data, "--quiet");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("problem  phantom_001: labelsTr/phantom_001.nii.gz is missing");

        Run machine = Run.of("check", data, "--quiet", "--json");
        assertThat(machine.code()).isEqualTo(1);
        JsonNode json = new ObjectMapper().readTree(machine.out());
        assertThat(json.get("problems")).hasSize(1);
        assertThat(json.get("cases").get(0).get("case").asText()).isEqualTo("phantom_001");

        Run plan = Run.of("plan", "--config", config, "--quiet");
        assertThat(plan.code()).isEqualTo(1);
        assertThat(plan.err()).contains("'phantom_001'", "--skip-incomplete").hasLineCount(1);
        assertThat(Run.of("plan", "--config", config, "--quiet", "--skip-incomplete")
                        .code())
                .isZero();
    }

    @Test
    void refuses_what_is_neither() {
        assertThat(Run.of("check", folder.resolve("absent.yaml")).code()).isEqualTo(2);
        assertThat(Run.of("check", data, "--set", "project=x").code()).isEqualTo(2);
        assertThat(Run.of("check", folder).code()).isEqualTo(1);
    }
}
