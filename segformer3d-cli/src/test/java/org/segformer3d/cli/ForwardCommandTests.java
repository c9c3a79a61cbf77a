package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.data.weights.WeightFiles;

class ForwardCommandTests {
    @TempDir
    Path folder;

    private Path config;
    private Path weights;
    private Path output;

    @BeforeEach
    void write() throws IOException {
        config = TinyModel.configFile(folder);
        weights = TinyModel.weightsFile(folder);
        output = folder.resolve("y.safetensors");
    }

    private Run forward(Path input, Object... more) {
        return Run.with(
                List.of("forward", "--config", config, "--weights", weights, "--input", input, "--output", output),
                more);
    }

    @Test
    void backendsAgreeOnABoxOfOddSize() throws IOException {
        Path input = TinyModel.inputFile(folder, "input", 2, 1, 17, 32, 24);
        assertThat(forward(input, "--backend", "reference").code()).isZero();
        HostTensor expected = Safetensors.read(output).get("logits");
        assertThat(expected.dtype()).isEqualTo(DType.FLOAT64);
        assertThat(expected.shape()).containsExactly(2, 2, 17, 32, 24);

        Run run = forward(input, "--backend", "libtorch", "--threads", "1");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("logits  FLOAT32 2×2×17×32×24").contains("libtorch");
        HostTensor logits = Safetensors.read(output).get("logits");
        double largest = 0;
        for (double value : expected.toDoubles()) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < logits.elements(); i++) {
            assertThat(logits.get(i)).isEqualTo(expected.get(i), within(2e-5 * largest));
        }
    }

    @Test
    void stagesAreWrittenWhereAskedFor() throws IOException {
        Path input = TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 32);
        forward(input, "--backend", "reference", "--stages");
        Map<String, HostTensor> tensors = Safetensors.read(output).tensors();
        assertThat(tensors).containsOnlyKeys("logits", "stage1", "stage2", "stage3", "stage4");
        assertThat(tensors.get("stage1").shape()).containsExactly(1, 4, 4, 4, 8);
    }

    @Test
    void doublePrecisionGivesDoubles() throws IOException {
        Path input = TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16);
        assertThat(forward(input, "--precision", "float64").code()).isZero();
        assertThat(Safetensors.read(output).get("logits").dtype()).isEqualTo(DType.FLOAT64);
    }

    @Nested
    class Refused {
        @Test
        void anInputOfAnotherName() throws IOException {
            Run run = forward(TinyModel.inputFile(folder, "image", 1, 1, 16, 16, 16));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err())
                    .contains("input.safetensors")
                    .contains("no tensor 'input'")
                    .contains("image")
                    .hasLineCount(1);
            assertThat(output).doesNotExist();
        }

        @Test
        void anInputOfAnotherChannelCountOrRank() throws IOException {
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 3, 16, 16, 16));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err())
                    .contains("1×3×16×16×16")
                    .contains("(B,1,D,H,W)")
                    .hasLineCount(1);
            assertThat(forward(TinyModel.inputFile(folder, "input", 1, 16, 16)).code())
                    .isEqualTo(1);
            assertThat(output).doesNotExist();
        }

        @Test
        void weightsOfAnotherNetwork() throws IOException {
            Files.writeString(config, "model_parameters: {in_channels: 1}");
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err())
                    .contains("misshapen")
                    .contains("missing")
                    .contains("segformer_encoder.embed_1.patch_embeddings.weight")
                    .contains(weights + ": weights don't fit the configuration")
                    .contains("use the configuration that they were trained with")
                    .hasLineCount(1);
            assertThat(output).doesNotExist();
        }

        @Test
        void anOutputThatIsAnInput() throws IOException {
            Path input = TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16);
            byte[] before = Files.readAllBytes(input);
            output = folder.resolve("../" + folder.getFileName() + "/input.safetensors");
            Run run = forward(input);
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).contains("would be overwritten");
            assertThat(Files.readAllBytes(input)).isEqualTo(before);
        }

        @Test
        void anOutputInNoFolder() throws IOException {
            output = folder.resolve("none/y.safetensors");
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).contains("doesn't exist");
        }

        @Test
        void anOutputOfAnotherKind() throws IOException {
            output = folder.resolve("y.npy");
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16));
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains("--output").contains(".safetensors");
        }

        @Test
        void filesThatAreSomethingElse() throws IOException {
            Path input = Files.writeString(folder.resolve("text.safetensors"), "this is not a tensor file, is it?");
            Run run = forward(input);
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).contains("text.safetensors").hasLineCount(1);
            Path pytorch = folder.resolve("input.pt");
            WeightFiles.write(TinyModel.weights(), pytorch);
            run = forward(pytorch);
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err())
                    .contains(pytorch + ": is a zip file, as PyTorch's .pt")
                    .hasLineCount(1);
            weights = Files.writeString(folder.resolve("w.pt"), "neither is this a file of weights, of course");
            run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).contains("w.pt").hasLineCount(1);
        }

        @ParameterizedTest
        @ValueSource(strings = {"weights", "input"})
        void missingFiles(String which) throws IOException {
            Path input = TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16);
            Files.delete(which.equals("weights") ? weights : input);
            Run run = forward(input);
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err())
                    .contains(which + ".safetensors")
                    .contains("no such file")
                    .hasLineCount(1);
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "--backend=nonsense",
                    "--device=gpu",
                    "--precision=float8",
                    "--implementation=quick",
                    "--threads=0",
                    "--threads=many"
                })
        void optionsThatMakeNoSense(String option) throws IOException {
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16), option);
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err()).contains(option.substring(option.indexOf('=') + 1));
            assertThat(output).doesNotExist();
        }

        @Test
        void aPrecisionThatTheDeviceHasNot() throws IOException {
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16), "--precision", "float16");
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).hasLineCount(1).contains("float16 is for GPUs; ask for float32");
            assertThat(output).doesNotExist();
        }

        @Test
        void aDeviceThatIsNotHere() throws IOException {
            Run run = forward(TinyModel.inputFile(folder, "input", 1, 1, 16, 16, 16), "--device", "cuda:99");
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.err()).hasLineCount(1);
        }
    }
}
