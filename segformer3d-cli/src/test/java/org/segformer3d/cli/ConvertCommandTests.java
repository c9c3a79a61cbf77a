package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.weights.WeightFiles;

class ConvertCommandTests {
    @TempDir
    Path folder;

    @Test
    void toPyTorchAndBackGivesTheSameWeights() throws IOException {
        Path first = TinyModel.weightsFile(folder);
        Run run = Run.of("convert", first, "--to", folder.resolve("w.pt"));
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains(TinyModel.weights().hash());
        assertThat(Run.of("convert", folder.resolve("w.pt"), "--to", folder.resolve("b.safetensors"))
                        .code())
                .isZero();
        assertThat(WeightFiles.read(folder.resolve("b.safetensors"))).isEqualTo(TinyModel.weights());
    }

    @Test
    void weightsThatDontFitTheConfigurationArentWritten() throws IOException {
        Path config = Files.writeString(folder.resolve("c.yaml"), "model_parameters: {}");
        Path target = folder.resolve("w.pt");
        Run run = Run.of("convert", TinyModel.weightsFile(folder), "--to", target, "--config", config);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).contains("misshapen");
        assertThat(target).doesNotExist();
    }

    @Test
    void anUnknownKindOfOutputIsRefused() throws IOException {
        Run run = Run.of("convert", TinyModel.weightsFile(folder), "--to", folder.resolve("w.onnx"));
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).contains("w.onnx").contains(".safetensors").hasLineCount(1);
    }

    @Test
    void theInputIsNotOverwritten() throws IOException {
        Path file = TinyModel.weightsFile(folder);
        assertThat(Run.of("convert", file, "--to", file).err()).contains("would be overwritten");
    }

    @Test
    void withoutATargetItIsWrongUse() throws IOException {
        Run run = Run.of("convert", TinyModel.weightsFile(folder));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("--to");
    }

    @ParameterizedTest
    @ValueSource(strings = {"malicious.pt", "malicious_plain.pkl"})
    void filesThatWouldRunSomethingAreRefusedByName(String name) {
        Path file = Path.of(System.getProperty("segformer3d.shared", "none"), "reference", "pipeline", name);
        Assumptions.assumeTrue(Files.exists(file), "needs the shared reference files");
        Path target = folder.resolve("w.safetensors");
        Run run = Run.of("convert", file, "--to", target);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err())
                .contains(name)
                .containsAnyOf("builtins", "os", "posix")
                .hasLineCount(1);
        assertThat(target).doesNotExist();
        assertThat(Path.of("PWNED_BY_PICKLE")).doesNotExist();
    }
}
