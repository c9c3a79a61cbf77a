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
import org.segformer3d.api.training.LossSpec;
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
                    "pipeline/train_adam_accum1 rates",
                    "pipeline/train_sgd_accum1 final weights");
            allOk(
                    lines("pipeline/losses", "libtorch"),
                    "pipeline/losses c3.diceCE",
                    "pipeline/losses softmax.diceFocal");
        }

        @Test
        void everythingIsComparedOnTheReferenceBackend() throws IOException {
            List<ParityLine> lines = lines("", "reference");
            assertThat(lines)
                    .allSatisfy(
                            line -> assertThat(line.status()).as(line.text()).isEqualTo(Status.OK));
            allOk(
                    lines,
                    "models/default.train gradients",
                    "pipeline/losses softmax.generalizedDice",
                    "pipeline/train_adamw_accum1_clip gradient norms",
                    "pipeline/train_adamw_accum2 averaged weights");
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
            names.add("pipeline/brats_preprocessed/CASE_001/CASE_001 modalities");
            names.add("pipeline/brats_preprocessed/CASE_001/CASE_001 label");
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
                    .containsExactly(
                            tuple("pipeline/checkpoint.safetensors", Status.SKIPPED),
                            tuple("pipeline/other.npy", Status.SKIPPED));
        }

        @Test
        void noFileOfTheReferenceIsLeftOut() throws IOException {
            Assumptions.assumeTrue(Files.isDirectory(REFERENCE), "no reference values here");
            assertThat(Parity.unknownFiles(REFERENCE)).isEmpty();
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

    /** Files as others may have them: in other folders, with other measures, with parts missing. */
    @Nested
    class OtherForms {
        @TempDir
        Path folder;

        private List<ParityLine> run() throws IOException {
            return ParityTests.run(folder, ParityOptions.defaults());
        }

        @Test
        void filesAreFoundWhereverTheyLie() throws IOException {
            HostTensor mask = HostTensor.of(new byte[] {1, 0, 1}, 1, 1, 3);
            for (String place : List.of("", "a/b/")) {
                Files.createDirectories(folder.resolve(place));
                Safetensors.write(
                        folder.resolve(place + "metrics.safetensors"), Map.of("x.pred", mask, "x.truth", mask));
                Files.writeString(folder.resolve(place + "metrics.json"), "{\"x\": {\"dice\": 1}}");
            }
            assertThat(run())
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactly(tuple("a/b/metrics dice", Status.OK), tuple("metrics dice", Status.OK));
        }

        @Test
        void aFileWithoutItsOtherHalfSaysWhatIsMissing() throws IOException {
            Files.writeString(folder.resolve("metrics.json"), "{}");
            Files.writeString(folder.resolve("sliding_window.json"), "{}");
            Files.writeString(folder.resolve("train_x.json"), "{}");
            for (String name : List.of("a.eval", "a.train", "brats_preprocess")) {
                Safetensors.write(folder.resolve(name + ".safetensors"), Map.of("x", HostTensor.of(new float[1], 1)));
            }
            Files.writeString(folder.resolve("checkpoint_x.pt"), "x");
            List<ParityLine> lines = ParityTests.run(folder, new ParityOptions(List.of("libtorch"), Device.CPU, 0, ""));
            assertThat(lines)
                    .allSatisfy(line -> assertThat(line.status()).isEqualTo(Status.SKIPPED))
                    .extracting(ParityLine::reason)
                    .contains(
                            "there is no " + folder.resolve("metrics.safetensors"),
                            "there is no " + folder.resolve("sliding_window.safetensors"),
                            "there is no " + folder.resolve("a.json"),
                            "there is no " + folder.resolve("checkpoint.safetensors") + " to compare it with",
                            "there is no folder " + folder.resolve("brats_raw") + " with the scans",
                            folder.resolve("train_x.json") + " has no lr_per_epoch")
                    .anySatisfy(reason -> assertThat(reason).startsWith("found no data, labels and init.*"));
        }

        @Test
        void measuresTakeTheirNumbersFromTheirNames() throws IOException {
            HostTensor near = HostTensor.of(new float[] {1, 0, 0, 0}, 1, 1, 1, 4);
            HostTensor far = HostTensor.of(new float[] {0, 0, 0, 1}, 1, 1, 1, 4);
            Safetensors.write(
                    folder.resolve("metrics_more.safetensors"),
                    Map.of(
                            "x.pred",
                            near,
                            "x.truth",
                            far,
                            "y.pred",
                            near,
                            "y.truth",
                            HostTensor.of(new float[4], 1, 1, 4)));
            Files.writeString(folder.resolve("metrics_more.json"), """
                    {"x": {"dice": 0, "spacing_1_1_2": {"hd50": 6, "hd99_directed": 6, "nsd_5.5mm": 0, "nsd_6mm": 1}},
                     "y": {"dice": null, "spacing_1_1_1": {"hd95": null}}, "z": {"dice": 1}, "monai": "1.3.2"}""");
            assertThat(run())
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactlyInAnyOrder(
                            tuple("metrics_more z", Status.FAIL),
                            tuple("metrics_more monai", Status.SKIPPED),
                            tuple("metrics_more dice", Status.OK),
                            tuple("metrics_more hd50", Status.OK),
                            tuple("metrics_more hd99_directed", Status.OK),
                            tuple("metrics_more hd95", Status.OK),
                            tuple("metrics_more nsd_5.5mm", Status.OK),
                            tuple("metrics_more nsd_6mm", Status.OK));
        }

        @Test
        void onlyPicksSingleLines() throws IOException {
            HostTensor mask = HostTensor.of(new byte[] {1, 0, 1}, 1, 1, 3);
            Safetensors.write(folder.resolve("metrics.safetensors"), Map.of("x.pred", mask, "x.truth", mask));
            Files.writeString(folder.resolve("metrics.json"), "{\"x\": {\"dice\": 1, \"iou\": 1}}");
            assertThat(ParityTests.run(folder, new ParityOptions(List.of(), Device.CPU, 0, "metrics iou")))
                    .extracting(ParityLine::name)
                    .containsExactly("metrics iou");
        }

        @Test
        void windowsHaveTheirCasesOwnSettings() throws IOException {
            // One window over the whole volume, so that the result is the predictor's, whatever σ is.
            float ramp = 6 * 0.5f;
            HostTensor input = HostTensor.of(new float[] {1, 2}, 2, 1, 1, 1, 1);
            HostTensor expected = HostTensor.of(
                    new float[] {
                        ramp, (float) (Math.sin(3) + ramp * ramp), 2 * ramp, (float) (Math.sin(6) + ramp * ramp)
                    },
                    2,
                    2,
                    1,
                    1,
                    1);
            Safetensors.write(
                    folder.resolve("sliding_window.safetensors"),
                    Map.of(
                            "0.input", input,
                            "0.gaussian.0.6", expected,
                            "1.input", input,
                            "1.constant.0", expected,
                            "7.input", input,
                            "7.constant.0", expected,
                            "other", input));
            Files.writeString(folder.resolve("sliding_window.json"), """
                    {"cases": [{"roi": 1, "sigma_scale": 0.25}, {"roi": [1, 1, 1], "padding_mode": "reflect"}]}""");
            assertThat(run())
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactlyInAnyOrder(
                            tuple("sliding_window 0.gaussian.0.6", Status.OK),
                            tuple("sliding_window 1.constant.0", Status.SKIPPED),
                            tuple("sliding_window 7.constant.0", Status.FAIL),
                            tuple("sliding_window other", Status.SKIPPED));
        }

        @Test
        void aFileThatCannotBeReadIsRefusedEvenIfItAsksForNothingForbidden() throws IOException {
            Files.write(folder.resolve("malicious_extension.pkl"), new byte[] {(byte) 0x80, 2, (byte) 0x82, 1, '.'});
            Files.writeString(folder.resolve("malicious.txt"), "import os");
            assertThat(run())
                    .hasSize(2)
                    .allSatisfy(line -> assertThat(line.status()).isEqualTo(Status.OK))
                    .allSatisfy(line -> assertThat(line.reason()).startsWith("refused: "));
        }

        @Test
        void oneBrokenScheduleLeavesTheOthers() throws IOException {
            Files.writeString(folder.resolve("lr_schedules_more.json"), """
                    {"constant": {"config": {"train_scheduler": {"scheduler_type": "constant"}}, "base_lr": 0.5, "lr_per_epoch": [0.5]},
                     "unknown": {"config": {"train_scheduler": {"scheduler_type": "one_cycle"}}, "base_lr": 1, "lr_per_epoch": [1]},
                     "note": "made by hand"}""");
            List<ParityLine> lines = run();
            assertThat(lines)
                    .extracting(ParityLine::name, ParityLine::status)
                    .containsExactly(
                            tuple("lr_schedules_more constant", Status.OK),
                            tuple("lr_schedules_more unknown", Status.FAIL),
                            tuple("lr_schedules_more note", Status.FAIL));
            assertThat(lines.get(1).reason()).contains("scheduler_type").contains("one_cycle");
        }
    }

    @Nested
    class Recordings {
        @TempDir
        Path folder;

        private RecordedRun run(String json) throws IOException {
            return RecordedRun.read(Files.writeString(folder.resolve("train_x.json"), json));
        }

        @Test
        void areReadFromShortKeysAndFromSections() throws IOException {
            RecordedRun brief = run("""
                    {"loss_type": "diceCE", "loss_args": {"lambda_other": 0.5}, "grad_accumulate_steps": 3, "batch_size": 5,
                     "clip_gradients_value": 0.25, "ema_decay": 0.5, "seed": 1,
                     "optimizer": {"optimizer_type": "sgd", "optimizer_args": {"lr": 1, "momentum": 0.5, "nesterov": true}}}""");
            RecordedRun sections = run("""
                    {"loss_fn": {"loss_type": "diceCE", "loss_args": {"lambda_other": 0.5}},
                     "training_parameters": {"grad_accumulate_steps": 3},
                     "dataset_parameters": {"train_dataloader_args": {"batch_size": 5}},
                     "clip_gradients": {"enabled": true, "clip_gradients_value": 0.25}, "ema": {"enabled": true, "ema_decay": 0.5},
                     "optimizer": {"optimizer_type": "sgd", "optimizer_args": {"lr": 1, "momentum": 0.5, "nesterov": true}}}""");
            assertThat(brief.config()).isEqualTo(sections.config());
            assertThat(brief.config().loss().otherWeight()).isEqualTo(0.5);
            assertThat(brief.config().optimizer().nesterov()).isTrue();
            assertThat(brief.config().training().clipNorm()).hasValue(0.25);
            assertThat(brief.config().training().emaDecay()).hasValue(0.5);
            assertThat(run("{\"clip_gradients_value\": null, \"ema_decay\": null}")
                            .config()
                            .training())
                    .satisfies(training -> assertThat(training.clipNorm()).isEmpty())
                    .satisfies(training -> assertThat(training.emaDecay()).isEmpty());
        }

        @Test
        void sayWhichFileAndKeyIsWrong() {
            assertThatThrownBy(() -> run("{\"loss_type\": \"dice\", \"optimizer\": {\"optimizer_type\": \"lion\"}}"))
                    .hasMessageContaining("train_x.json")
                    .hasMessageContaining("optimizer_type")
                    .hasMessageContaining("lion");
            assertThatThrownBy(() -> run("["))
                    .hasMessageContaining("train_x.json")
                    .hasMessageContaining("JSON");
        }

        @Test
        void countAnIncompleteLastBatchUnlessItsLossesAreMissing() throws IOException {
            String json = "{\"batch_size\": 2, \"lr_per_epoch\": [1, 1], \"loss_per_step\": %s}";
            assertThat(run(json.formatted("[1, 2, 3, 4, 5, 6]")).batchesPerEpoch(5))
                    .hasValue(3);
            assertThat(run(json.formatted("[1, 2, 3, 4]")).batchesPerEpoch(5)).hasValue(2);
            assertThat(run(json.formatted("[1, 2, 3]")).batchesPerEpoch(5)).isEmpty();
        }

        @Test
        void inFloat32AreRecognisedByTheirLosses() throws IOException {
            assertThat(run("{\"loss_per_step\": [0.9344800114631653, 0.25]}").inFloat32())
                    .isTrue();
            assertThat(run("{\"loss_per_step\": [0.25, 0.9344800335320085]}").inFloat32())
                    .isFalse();
        }

        @Test
        void nameTheirLosses() {
            assertThat(MonaiLoss.constructed("MONAI DiceLoss(sigmoid=True)"))
                    .contains(LossSpec.of(LossSpec.Kind.DICE, LossSpec.Activation.SIGMOID));
            assertThat(MonaiLoss.constructed("DiceCELoss(softmax=True, include_background=False, batch=True)"))
                    .contains(LossSpec.of(LossSpec.Kind.DICE_CROSS_ENTROPY, LossSpec.Activation.SOFTMAX)
                            .withoutBackground()
                            .with(false, true));
            assertThat(MonaiLoss.constructed("MONAI DiceLoss()")).isEmpty();
            assertThat(MonaiLoss.constructed("MONAI DiceLoss(sigmoid=True, jaccard=True)"))
                    .isEmpty();
            assertThat(MonaiLoss.constructed("MONAI TverskyLoss(sigmoid=True)")).isEmpty();
            assertThat(MonaiLoss.named("diceFocal_squared", LossSpec.Activation.SIGMOID))
                    .contains(LossSpec.of(LossSpec.Kind.DICE_FOCAL, LossSpec.Activation.SIGMOID)
                            .with(true, false));
            assertThat(MonaiLoss.named("dice_other", LossSpec.Activation.SIGMOID))
                    .isEmpty();
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
