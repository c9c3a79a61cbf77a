package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProfileCommandTests {
    @TempDir
    Path folder;

    @Test
    void theDefaultModelIsThePublishedOne() {
        Run run = Run.of("profile");
        assertThat(run.code()).isZero();
        assertThat(run.out())
                .contains("4,525,251 parameters")
                .contains("15.55 GMAC for one input of 4×128×128×128")
                .contains("4.51 M parameters and 17.5 GFLOPs")
                .contains("1 MAC = 1 multiply + 1 add");
        assertThat(run.err()).isEmpty();
    }

    @Test
    void jsonHasTheSameNumbers() throws IOException {
        Run run = Run.of("profile", "--json", "--input-size", "64,96,32");
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.get("parameters").asLong()).isEqualTo(4_525_251);
        assertThat(json.get("input")).hasToString("[64,96,32]");
        long sum = 0;
        for (JsonNode layer : json.get("layers")) {
            sum += layer.get("macs").asLong();
        }
        assertThat(json.get("macs").asLong()).isEqualTo(sum);
        assertThat(json.get("encoder_macs").asLong() + json.get("decoder_macs").asLong())
                .isEqualTo(sum);
    }

    @Test
    void anExperimentsSlidingWindowIsTheInputSize() throws IOException {
        Path file = write(
                "a.yaml",
                "model_parameters: {in_channels: 1, num_classes: 2}\n"
                        + "sliding_window_inference: {roi: [64, 64, 32]}\nanything_else: 1\n");
        assertThat(Run.of("profile", "--config", file).out()).contains("1×64×64×32");
    }

    @Test
    void parametersAloneWillDo() throws IOException {
        Path file = write("a.json", "{\"in_channels\": 7}");
        assertThat(Run.of("profile", "--config", file).out()).contains("7×128×128×128");
    }

    @Test
    void anUnknownKeyIsNamedWithItsFileAndTheNearestKey() throws IOException {
        Path file = write("a.yaml", "model_parameters: {in_chanels: 1}");
        Run run = Run.of("profile", "--config", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().strip())
                .isEqualTo("segformer3d: " + file
                        + ": model_parameters.in_chanels: unknown key; did you mean 'in_channels'?");
    }

    @Test
    void aFileWithoutTheSectionSaysSo() throws IOException {
        Path file = write("a.yaml", "model_parameter: {in_channels: 1}");
        Run run = Run.of("profile", "--config", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("no section 'model_parameters'").contains("'model_parameter'");
    }

    @Test
    void brokenYamlIsReportedWithItsLine() throws IOException {
        Path file = write("a.yaml", "model_parameters:\n  in_channels: [1\n");
        Run run = Run.of("profile", "--config", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).startsWith("segformer3d: " + file + ":").hasLineCount(1);
    }

    @Test
    void aDuplicateKeyIsRefused() throws IOException {
        Path file = write("a.yaml", "model_parameters:\n  in_channels: 1\n  in_channels: 2\n");
        Run run = Run.of("profile", "--config", file);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("in_channels").hasLineCount(1);
    }

    @Test
    void anEmptyFileAFolderAndBytesAreRefused() throws IOException {
        assertThat(Run.of("profile", "--config", write("a.yaml", "")).err()).contains("is empty");
        assertThat(Run.of("profile", "--config", folder).err()).contains("is a folder");
        Path bytes = Files.write(folder.resolve("b.yaml"), new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1});
        assertThat(Run.of("profile", "--config", bytes).err()).contains("isn't text");
    }

    @Test
    void aMissingFileIsNamed() {
        Run run = Run.of("profile", "--config", folder.resolve("none.yaml"));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("no such file").contains("none.yaml");
    }

    @Test
    void verboseAddsTheStackTrace() {
        Run run = Run.of("profile", "--verbose", "--config", folder.resolve("none.yaml"));
        assertThat(run.err()).contains("no such file").contains("\tat ");
    }

    private Path write(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }
}
