package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;
import org.segformer3d.eval.result.Json;

class ParityCommandTests {
    @TempDir
    Path folder;

    private Path models;

    @BeforeEach
    void make() throws IOException {
        models = Files.createDirectories(folder.resolve("reference/models"));
    }

    /** Writes a case whose expected logits are this program's own, changed at one voxel. */
    private void writeCase(float change) throws IOException {
        Path config = Files.writeString(
                models.resolve("small.json"), Json.pretty(Map.of("model_parameters", TinyModel.CONFIG.toMap())));
        Path weights = models.resolve("small.pt");
        WeightFiles.write(TinyModel.weights(), weights);
        Path input = TinyModel.inputFile(folder, "input", 1, 1, 16, 24, 16);
        Path output = folder.resolve("out.safetensors");
        assertThat(Run.of(
                                "forward",
                                "--config",
                                config,
                                "--weights",
                                weights,
                                "--input",
                                input,
                                "--output",
                                output,
                                "--stages",
                                "--backend",
                                "reference")
                        .code())
                .isZero();
        Map<String, HostTensor> expected = new LinkedHashMap<>();
        Safetensors.read(output).tensors().forEach((name, tensor) -> expected.put(name, tensor.toFloat32()));
        HostTensor logits = expected.get("logits");
        logits.floatBuffer().put(7, logits.floatBuffer().get(7) + change);
        expected.put("input", Safetensors.read(input).get("input"));
        Safetensors.write(models.resolve("small.eval.safetensors"), expected);
    }

    @Test
    void aCaseWithinItsToleranceIsOk() throws IOException {
        writeCase(0);
        Run run = Run.of("parity", folder.resolve("reference"), "--backend", "reference");
        assertThat(run.code()).isZero();
        assertThat(run.out().lines())
                .isNotEmpty()
                .allSatisfy(line -> assertThat(line.split("\t")).hasSizeGreaterThanOrEqualTo(5))
                .allSatisfy(
                        line -> assertThat(line).startsWith("models/small.eval").contains("\tok"));
        assertThat(run.err()).contains("0 failed");
    }

    @Test
    void everyBackendIsAskedInTheTypesItComputesIn() throws IOException {
        writeCase(0);
        Run run = Run.of("parity", folder.resolve("reference"));
        assertThat(run.out())
                .contains("\treference/float64/plain\t")
                .contains("\tlibtorch/float32/fused\t")
                .contains("\tlibtorch/float64/plain\t")
                .contains("\tonnxruntime/float32/plain\t")
                .doesNotContain("onnxruntime/float64")
                .doesNotContain("reference/float32");
        assertThat(run.out().lines()).doesNotHaveDuplicates();
        assertThat(run.code()).isZero();
        assertThat(run.err()).contains("0 failed");
    }

    @Test
    void aCaseBeyondItsToleranceFails() throws IOException {
        writeCase(1);
        Run run = Run.of("parity", folder.resolve("reference"), "--backend", "reference");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("\tFAIL");
    }

    @Test
    void anEmptyFolderIsAFailure() {
        Run run = Run.of("parity", folder.resolve("reference"));
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).contains("0 ok");
    }

    @Test
    void aMissingFolderIsNamed() {
        Run run = Run.of("parity", folder.resolve("nothing"));
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).contains("nothing").hasLineCount(1);
    }

    @Test
    void aDamagedFileFailsItsCase() throws IOException {
        writeCase(0);
        Files.writeString(models.resolve("small.pt"), "damaged");
        Run run = Run.of("parity", folder.resolve("reference"), "--backend", "reference");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("FAIL").contains("small.pt");
    }
}
