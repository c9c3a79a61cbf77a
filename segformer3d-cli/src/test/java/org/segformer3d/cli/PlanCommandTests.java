package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.train.config.PlanFile;
import org.segformer3d.train.demo.PhantomDataset;

class PlanCommandTests {
    @TempDir
    static Path folder;

    private static Path config;

    @BeforeAll
    static void write() throws IOException {
        new PhantomDataset(5, 3).write(folder.resolve("data"));
        config = Files.writeString(folder.resolve("experiment.yaml"), """
                model_parameters: {in_channels: 1, num_classes: 2}
                dataset_parameters:
                  dataset_type: decathlon
                  root: data
                  plan: plan.yaml
                  split: {validation_fraction: 0.25}
                """);
    }

    @Test
    void prints_a_plan_that_is_a_file_as_well() throws IOException {
        Run printed = Run.of("plan", "--config", config, "--quiet");
        assertThat(printed.err()).isEmpty();
        assertThat(printed.code()).isZero();
        assertThat(printed.out()).contains("plan_version: 1", "patch_size: [", "normalization: z_score", "cases: 4");

        Path file = folder.resolve("plan.yaml");
        Run written = Run.of("plan", "--config", config, "--quiet", "--output", file);
        assertThat(written.out().strip()).isEqualTo(file.toString());
        assertThat(Files.readString(file)).isEqualTo(printed.out());
        assertThat(PlanFile.toYaml(PlanFile.read(file))).isEqualTo(printed.out());
    }

    @Test
    void keeps_to_the_memory_it_is_given() throws IOException {
        JsonNode much = json("--memory", "8");
        JsonNode little = json("--memory", "0.1");
        assertThat(voxels(little)).isLessThan(voxels(much));
        Run none = Run.of("plan", "--config", config, "--quiet", "--memory", "0.001");
        assertThat(none.code()).isEqualTo(2);
        assertThat(none.err()).contains("memory", "0.1 GiB").hasLineCount(1);
        assertThat(Run.of("plan", "--config", config, "--memory", "-1").code()).isEqualTo(2);
    }

    private static JsonNode json(String... options) throws IOException {
        Run run = Run.with(List.of("plan", "--config", config, "--quiet", "--json"), (Object[]) options);
        return new ObjectMapper().readTree(run.out());
    }

    private static long voxels(JsonNode plan) {
        long voxels = 1;
        for (JsonNode size : plan.get("patch_size")) {
            voxels *= size.asLong();
        }
        return voxels;
    }
}
