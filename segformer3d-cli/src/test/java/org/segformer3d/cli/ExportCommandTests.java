package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.InferenceSpec;

class ExportCommandTests {
    @TempDir
    Path folder;

    private Path bundle;

    @BeforeEach
    void write() throws IOException {
        bundle = folder.resolve("bundle");
        TinyModel.bundle(InferenceSpec.official(new Grid(32, 32, 32))).write(bundle);
    }

    @Test
    void anOnnxFileSaysWhatGoesAroundTheNetwork() throws IOException {
        Path file = folder.resolve("model.onnx");
        Run run = Run.of("export", "--model", bundle, "--format", "onnx", "--output", file);
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("input (batch, 1, depth, height, width) to logits (batch, 2, depth, height, width)");
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        assertThat(text)
                .contains(
                        "preprocessing",
                        "lesion",
                        ModelBundle.read(bundle).weights().hash(),
                        "LayerNormalization");
        Path again = folder.resolve("again.onnx");
        assertThat(Run.of("export", "--model", bundle, "--format", "onnx", "--output", again, "--json")
                        .out())
                .contains("\"output_name\" : \"logits\"");
        assertThat(again).hasSameBinaryContentAs(file);
    }

    @Test
    void aTorchScriptFileSaysTheSame() throws IOException {
        Path file = folder.resolve("model.pt");
        Run run = Run.of("export", "--model", bundle, "--format", "torchscript", "--output", file);
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("input (batch, 1, depth, height, width) to logits (batch, 2, depth, height, width)");
        try (ZipFile zip = new ZipFile(file.toFile())) {
            assertThat(zip.getInputStream(zip.getEntry("segformer3d/extra/weights_hash"))
                            .readAllBytes())
                    .asString(StandardCharsets.UTF_8)
                    .isEqualTo(ModelBundle.read(bundle).weights().hash());
            assertThat(zip.getInputStream(zip.getEntry("segformer3d/extra/labels"))
                            .readAllBytes())
                    .asString(StandardCharsets.UTF_8)
                    .contains("lesion");
        }
    }

    @Test
    void whatCannotBeWrittenIsSaidAndLeavesNothing() {
        Path file = folder.resolve("model.pt");
        Run run = Run.of("export", "--model", bundle, "--format", "pickle", "--output", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("found 'pickle', expected onnx or torchscript");
        Run missing = Run.of("export", "--model", folder.resolve("none"), "--format", "onnx", "--output", file);
        assertThat(missing.code()).isEqualTo(1);
        assertThat(Run.of("export", "--model", bundle, "--format", "onnx", "--output", folder.resolve("no/where.onnx"))
                        .err())
                .contains("doesn't exist");
        assertThat(file).doesNotExist();
    }
}
