package org.segformer3d.train.parity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.tensor.Device;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.train.parity.ParityLine.Status;

class ParityTests {
    private static final Path REFERENCE =
            Path.of(System.getProperty("segformer3d.shared", "../shared")).resolve("reference");

    private static List<ParityLine> run(Path folder, ParityOptions options) throws IOException {
        List<ParityLine> lines = new ArrayList<>();
        Parity.run(folder, options, lines::add);
        return lines;
    }

    @Test
    void aMeasureThatDiffersFailsAndAnUnknownOneIsSkipped(@TempDir Path folder) throws IOException {
        Path pipeline = Files.createDirectory(folder.resolve("pipeline"));
        HostTensor mask = HostTensor.of(new byte[] {1, 0, 1}, 1, 1, 3);
        HostTensor empty = HostTensor.of(new byte[3], 1, 1, 3);
        Safetensors.write(pipeline.resolve("metrics.safetensors"), Map.of("a.pred", mask, "a.truth", empty), Map.of());
        Files.writeString(pipeline.resolve("metrics.json"), """
                {"a": {"dice": NaN, "iou": 0.5, "other": 1, "spacing_1_1_1": {"hd": Infinity, "nsd_1mm": 0.1}}}""");
        assertThat(run(folder, new ParityOptions(List.of(), Device.CPU, 0, "metrics")))
                .extracting(ParityLine::name, ParityLine::status)
                .containsExactly(
                        tuple("pipeline/metrics dice", Status.OK),
                        tuple("pipeline/metrics iou", Status.FAIL),
                        tuple("pipeline/metrics other", Status.SKIPPED),
                        tuple("pipeline/metrics hd", Status.OK),
                        tuple("pipeline/metrics nsd_1mm", Status.FAIL));
    }

    @Nested
    class AgainstTheReference {
        private List<ParityLine> lines(String only, String... backends) throws IOException {
            Assumptions.assumeTrue(Files.isDirectory(REFERENCE), "no reference values here");
            return run(REFERENCE, new ParityOptions(List.of(backends), Device.CPU, 0, only));
        }

        private void allOk(List<ParityLine> lines, String... names) {
            assertThat(lines)
                    .allSatisfy(
                            line -> assertThat(line.status()).as(line.text()).isNotEqualTo(Status.FAIL));
            Set<String> ok = lines.stream()
                    .filter(line -> line.status() == Status.OK)
                    .map(ParityLine::name)
                    .collect(Collectors.toSet());
            assertThat(ok).contains(names);
        }

        @Test
        void networksAgreeOnEveryBackend() throws IOException {
            allOk(
                    lines("models/tiny"),
                    "models/tiny.eval logits",
                    "models/tiny.eval stages",
                    "models/tiny_box.eval logits",
                    "models/tiny.train gradients",
                    "models/tiny_box.train gradients",
                    "models/tiny_box.train running statistics");
        }

        @Test
        void thePublishedSizeAgreesOnTheFastBackend() throws IOException {
            allOk(lines("models/default", "libtorch"), "models/default.eval logits", "models/default.train gradients");
        }

        @Test
        void trainingRunsAndLossesAgree() throws IOException {
            allOk(
                    lines("pipeline/train_", "libtorch"),
                    "pipeline/train_adamw_accum1_clip final weights",
                    "pipeline/train_adamw_accum1_clip averaged weights",
                    "pipeline/train_adamw_accum1_clip gradient norms",
                    "pipeline/train_adamw_accum2 losses",
                    "pipeline/train_adam_accum1 final weights",
                    "pipeline/train_sgd_accum1 final weights");
            allOk(
                    lines("pipeline/losses", "libtorch"),
                    "pipeline/losses c3.diceCE",
                    "pipeline/losses softmax.diceFocal");
        }

        @Test
        void weightFilesWindowsAndSchedulesAgree() throws IOException {
            allOk(lines("pipeline/checkpoint"), "pipeline/checkpoint_legacy_format.pt");
            allOk(lines("pipeline/sliding_window"), "pipeline/sliding_window 0.gaussian.0.25");
            allOk(lines("pipeline/lr_schedules"), "pipeline/lr_schedules poly");
            allOk(lines("official_schema"), "official_schema.yaml keys and values");
            List<ParityLine> metrics = lines("pipeline/metrics");
            allOk(
                    metrics,
                    "pipeline/metrics dice",
                    "pipeline/metrics hd95",
                    "pipeline/metrics nsd_2mm",
                    "pipeline/metrics dice over a batch, mean ignore_empty=False");
            assertThat(metrics)
                    .hasSize(22)
                    .allSatisfy(line -> assertThat(line.status()).isEqualTo(Status.OK));
            List<ParityLine> refused = lines("pipeline/malicious");
            allOk(refused, "pipeline/malicious.pt", "pipeline/malicious_plain.pkl");
            assertThat(refused).allSatisfy(line -> assertThat(line.reason()).contains("system"));
        }
    }

    @Nested
    class Data {
        private void every(List<ParityLine> lines, String... names) {
            assertThat(lines).extracting(ParityLine::name).containsExactlyInAnyOrder(names);
            assertThat(lines)
                    .allSatisfy(
                            line -> assertThat(line.status()).as(line.text()).isEqualTo(Status.OK));
        }

        private List<ParityLine> reference(String only) throws IOException {
            Assumptions.assumeTrue(Files.isDirectory(REFERENCE), "no reference values here");
            return run(REFERENCE, new ParityOptions(List.of(), Device.CPU, 0, only));
        }

        @Test
        void transformsAgree() throws IOException {
            List<ParityLine> lines = reference("pipeline/transforms");
            assertThat(lines)
                    .hasSize(14)
                    .allSatisfy(
                            line -> assertThat(line.status()).as(line.text()).isEqualTo(Status.OK));
        }

        @Test
        void bratsScansAreWhatTheOfficialScriptMakesOfThem() throws IOException {
            List<String> names = new ArrayList<>();
            for (String scan : List.of("BRATS_001", "BRATS_002")) {
                for (String part : List.of("shape", "modalities_at_index", "label_packed", "channel_sums")) {
                    names.add("pipeline/brats_preprocess " + scan + " " + part);
                }
            }
            names.add("pipeline/brats_preprocessed CASE_001 modalities");
            names.add("pipeline/brats_preprocessed CASE_001 label");
            every(reference("pipeline/brats"), names.toArray(String[]::new));
        }

        @Test
        void argumentsComeFromTheNamesAndUnknownTransformsAreSkipped(@TempDir Path folder) throws IOException {
            float[] values = new float[27];
            float[] flipped = new float[27];
            for (int n = 0; n < 27; n++) {
                values[n] = n;
                flipped[n / 9 * 9 + n % 9 / 3 * 3 + 2 - n % 3] = n;
            }
            Path pipeline = Files.createDirectories(folder.resolve("pipeline"));
            HostTensor image = HostTensor.of(values, 1, 3, 3, 3);
            Safetensors.write(
                    pipeline.resolve("transforms.safetensors"),
                    Map.of(
                            "image", image,
                            "flip_axis2", HostTensor.of(flipped, 1, 3, 3, 3),
                            "rotate_z_3.14159265358979_bilinear_border", HostTensor.of(turned(values), 1, 3, 3, 3),
                            "rotate_xy_0_0_nearest_zeros", image,
                            "adjust_contrast_2", image,
                            "shear_1", image));
            assertThat(run(folder, ParityOptions.defaults()))
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactlyInAnyOrder(
                            tuple("pipeline/transforms flip_axis2", Status.OK),
                            tuple("pipeline/transforms rotate_z_3.14159265358979_bilinear_border", Status.OK),
                            tuple("pipeline/transforms rotate_xy_0_0_nearest_zeros", Status.OK),
                            tuple("pipeline/transforms adjust_contrast_2", Status.FAIL),
                            tuple("pipeline/transforms shear_1", Status.SKIPPED));
        }

        /** Half a turn about the third axis. */
        private static float[] turned(float[] values) {
            float[] turned = new float[27];
            for (int n = 0; n < 27; n++) {
                turned[(8 - n / 3) * 3 + n % 3] = values[n];
            }
            return turned;
        }

        @Test
        void aFileThatNothingIsMadeFromIsNamed(@TempDir Path folder) throws IOException {
            Files.createFile(Files.createDirectories(folder.resolve("pipeline")).resolve("other.npy"));
            Files.createFile(folder.resolve("pipeline/checkpoint.safetensors"));
            assertThat(run(folder, ParityOptions.defaults()))
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactly(tuple("pipeline/other.npy", Status.SKIPPED));
        }

        @Test
        void noFileOfTheReferenceIsLeftOut() throws IOException {
            Assumptions.assumeTrue(Files.isDirectory(REFERENCE), "no reference values here");
            assertThat(ReferenceFolder.open(REFERENCE).unknownFiles()).isEmpty();
        }

        @Test
        void aScanThatIsMissingFails(@TempDir Path folder) throws IOException {
            Path images = Files.createDirectories(folder.resolve("pipeline/brats_raw/imagesTr"));
            Path labels = Files.createDirectories(folder.resolve("pipeline/brats_raw/labelsTr"));
            Files.createFile(images.resolve("a_0000.nii.gz"));
            for (int n = 1; n < 4; n++) {
                Files.createFile(images.resolve("a_000" + n + ".nii.gz"));
            }
            Files.createFile(labels.resolve("a.nii.gz"));
            Safetensors.write(
                    folder.resolve("pipeline/brats_preprocess.safetensors"),
                    Map.of("b.shape", HostTensor.of(new long[] {4, 1, 1, 1}, 4)));
            List<ParityLine> lines = run(folder, ParityOptions.defaults());
            assertThat(lines).extracting(ParityLine::status).containsExactly(Status.FAIL);
            assertThat(lines.get(0).reason()).contains("no scan of that name").contains("[a]");
        }
    }

    @Nested
    class Failures {
        @TempDir
        Path folder;

        @Test
        void aMissingFolderIsAnError() {
            assertThatThrownBy(() -> run(folder.resolve("none"), ParityOptions.defaults()))
                    .isInstanceOf(NoSuchFileException.class);
        }

        @Test
        void anEmptyFolderPassesNothing() throws IOException {
            assertThat(Parity.run(folder, ParityOptions.defaults(), line -> {}).passed())
                    .isFalse();
        }

        @Test
        void aBrokenFileFailsItsCaseOnly() throws IOException {
            Path pipeline = Files.createDirectories(folder.resolve("pipeline"));
            Files.writeString(pipeline.resolve("checkpoint_broken.pt"), "not weights");
            Safetensors.write(pipeline.resolve("checkpoint.safetensors"), Map.of("a", HostTensor.of(new float[1], 1)));
            Safetensors.write(
                    pipeline.resolve("checkpoint_other.safetensors"), Map.of("a", HostTensor.of(new float[] {1}, 1)));
            Safetensors.write(
                    pipeline.resolve("checkpoint_same.safetensors"), Map.of("a", HostTensor.of(new float[1], 1)));
            List<ParityLine> lines = run(folder, ParityOptions.defaults());
            assertThat(lines).extracting(ParityLine::status).containsExactly(Status.FAIL, Status.FAIL, Status.OK);
            assertThat(lines.get(0).reason()).isNotEmpty();
            assertThat(lines.get(1).difference()).isEqualTo(1);
        }

        @Test
        void valuesThatAreNotNumbersNeverPass() {
            assertThat(ParityLine.compared("x", "y", Double.NaN, 1).status()).isEqualTo(Status.FAIL);
            assertThat(Differences.largest(
                            HostTensor.of(new float[] {Float.NaN}, 1), HostTensor.of(new float[] {1}, 1)))
                    .isNaN();
        }

        @Test
        void linesAreSeparatedByTabs() {
            assertThat(ParityLine.compared("a", "b", 1.5e-7, 2e-5).text()).isEqualTo("a\tb\t1.5e-07\t2.0e-05\tok");
            assertThat(ParityLine.skipped("a", "b", "no\nGPU").text()).isEqualTo("a\tb\t-\t-\tskipped no GPU");
        }
    }
}
