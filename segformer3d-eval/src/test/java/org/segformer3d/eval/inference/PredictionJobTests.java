package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.TinyModel;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.postprocessing.PostprocessingStep;
import org.segformer3d.eval.result.CaseFailure;

class PredictionJobTests {
    private static final Geometry SMALL = Geometry.of(new Grid(8, 9, 10), Affine.scaling(1, 2, 3));

    @TempDir
    private Path folder;

    private Path input;
    private Path output;
    private final Backend backend = TinyModel.backend();
    private final Segmenter segmenter =
            Segmenter.open(backend, TinyModel.bundle(2, LabelSpec.softmax("organ", "lesion")));

    @BeforeEach
    void makeInput() throws IOException {
        input = Files.createDirectory(folder.resolve("input"));
        output = folder.resolve("some/output");
        for (int n = 1; n <= 3; n++) {
            for (int c = 0; c < 2; c++) {
                NiftiWriter.write(input.resolve("case" + n + "_000" + c + ".nii.gz"), TinyModel.scan(2 * n + c, SMALL));
            }
        }
    }

    @AfterEach
    void close() {
        segmenter.close();
        backend.close();
    }

    private PredictionReport run(PredictionListener listener, Path... inputs) throws IOException {
        return new PredictionJob(List.of(inputs), PredictionOutput.labelsIn(output)).run(segmenter, listener);
    }

    private List<String> names(Path where) throws IOException {
        try (Stream<Path> files = Files.list(where)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void segments_every_case_of_a_folder() throws IOException {
        PredictionReport report = run(PredictionListener.NONE, input);
        assertThat(report.isComplete()).isTrue();
        assertThat(report.summary()).isEqualTo("3 cases segmented");
        assertThat(names(output))
                .containsExactly(
                        "case1.json", "case1.nii.gz", "case2.json", "case2.nii.gz", "case3.json", "case3.nii.gz");
        Volume direct = segmenter
                .segment(List.of(input.resolve("case2_0000.nii.gz"), input.resolve("case2_0001.nii.gz")))
                .labels();
        assertThat(NiftiReader.read(output.resolve("case2.nii.gz")).values()).containsExactly(direct.values());
        JsonNode json = new ObjectMapper().readTree(output.resolve("case2.json").toFile());
        assertThat(json.get("format").asText()).isEqualTo("segformer3d-prediction");
        assertThat(json.get("labels").asText()).isEqualTo("case2.nii.gz");
        assertThat(json.get("provenance").get("model").get("weights_hash").asText())
                .isEqualTo(segmenter.bundle().weights().hash());
        assertThat(json.get("provenance").get("inputs")).hasSize(2);
        assertThat(json.get("seconds").fieldNames())
                .toIterable()
                .containsExactly("read", "prepare", "predict", "network", "restore");
    }

    @Test
    void goes_on_after_a_case_that_fails_and_says_why() throws IOException {
        Path damaged = input.resolve("case2_0001.nii.gz");
        byte[] bytes = Files.readAllBytes(damaged);
        Files.write(damaged, Arrays.copyOf(bytes, bytes.length / 2));
        NiftiWriter.write(
                input.resolve("case3_0001.nii.gz"), TinyModel.scan(1, Geometry.of(new Grid(8, 9, 11), SMALL.affine())));
        List<String> events = new ArrayList<>();
        PredictionReport report = run(
                new PredictionListener() {
                    @Override
                    public void started(Case one, int index, int total) {
                        events.add("started " + one.id() + " " + index + "/" + total);
                    }

                    @Override
                    public void finished(SegmentationResult result, Path labels) {
                        events.add("finished " + labels.getFileName());
                    }

                    @Override
                    public void failed(CaseFailure failure) {
                        events.add("failed " + failure.id());
                    }
                },
                input);
        assertThat(report.isComplete()).isFalse();
        assertThat(report.written()).containsExactly(output.resolve("case1.nii.gz"));
        assertThat(report.failures()).extracting(CaseFailure::id).containsExactly("case2", "case3");
        assertThat(report.failures().get(0).reason()).contains(damaged.toString());
        assertThat(report.failures().get(1).reason()).contains("found 8×9×11 voxels, expected 8×9×10");
        assertThat(report.summary()).startsWith("1 case segmented, 2 failed:\n  case2: ");
        assertThat(names(output)).containsExactly("case1.json", "case1.nii.gz");
        assertThat(events)
                .containsExactlyInAnyOrder(
                        "started case1 0/3",
                        "finished case1.nii.gz",
                        "started case2 1/3",
                        "failed case2",
                        "started case3 2/3",
                        "failed case3");
        // A case is written while the next one is under way, so only these orders are certain.
        assertThat(events).containsSubsequence("started case1 0/3", "started case2 1/3", "failed case2");
        assertThat(events).containsSubsequence("started case1 0/3", "finished case1.nii.gz");
        assertThat(events).containsSubsequence("failed case2", "started case3 2/3", "failed case3");
    }

    @Test
    void refuses_cases_that_lack_a_channel_or_leaves_them_out() throws IOException {
        Files.delete(input.resolve("case1_0001.nii.gz"));
        Files.delete(input.resolve("case2_0001.nii.gz"));
        NiftiWriter.write(input.resolve("case2_0002.nii.gz"), TinyModel.scan(1, SMALL));
        assertThatExceptionOfType(DatasetException.class)
                .isThrownBy(() -> run(PredictionListener.NONE, input))
                .withMessageContainingAll(
                        "2 cases are incomplete",
                        "'case1' (has 1 channel file, case1_0000.nii.gz, expected 2)",
                        "no file of channel _0001",
                        "--skip-incomplete");
        assertThat(output).doesNotExist();
        PredictionReport report = new PredictionJob(List.of(input), PredictionOutput.labelsIn(output))
                .skippingIncomplete(true)
                .run(segmenter, PredictionListener.NONE);
        assertThat(report.written()).containsExactly(output.resolve("case3.nii.gz"));
        assertThat(report.isComplete()).isTrue();
    }

    @Test
    void sets_files_aside_whose_header_is_damaged() throws IOException {
        Path folder4d = Files.createDirectory(folder.resolve("4d"));
        Volume both = Volume.stack(List.of(TinyModel.scan(1, SMALL), TinyModel.scan(2, SMALL)));
        NiftiWriter.write(folder4d.resolve("good.nii.gz"), both);
        NiftiWriter.write(folder4d.resolve("thin.nii.gz"), TinyModel.scan(1, SMALL));
        Files.writeString(folder4d.resolve("bad.nii.gz"), "not an image");
        PredictionReport report = run(PredictionListener.NONE, folder4d);
        assertThat(report.written()).containsExactly(output.resolve("good.nii.gz"));
        assertThat(report.failures()).extracting(CaseFailure::id).containsExactly("bad", "thin");
        assertThat(report.failures().get(1).reason()).contains("found 1 channel in thin.nii.gz, expected 2");
    }

    @Test
    void writes_logits_and_probabilities_where_asked_for() throws IOException {
        PredictionReport report = new PredictionJob(
                        List.of(input.resolve("case1_0000.nii.gz"), input.resolve("case1_0001.nii.gz")),
                        new PredictionOutput(output, true, true))
                .run(segmenter, PredictionListener.NONE);
        assertThat(report.isComplete()).isTrue();
        Volume logits = NiftiReader.read(output.resolve("logits/case1.nii.gz"));
        Volume probabilities = NiftiReader.read(output.resolve("probabilities/case1.nii.gz"));
        assertThat(logits.channels()).isEqualTo(3);
        assertThat(logits.geometry()).isEqualTo(SMALL);
        assertThat(probabilities.shape()).isEqualTo(logits.shape());
        assertThat(segmenter.bundle().labels().decode(logits.toTensor()).toFloats())
                .containsExactly(
                        NiftiReader.read(output.resolve("case1.nii.gz")).values());
    }

    @Test
    void rounds_saved_values_to_half_precision_where_asked_for() throws IOException {
        List<Path> scan = List.of(input.resolve("case1_0000.nii.gz"), input.resolve("case1_0001.nii.gz"));
        new PredictionJob(scan, new PredictionOutput(output, true, true)).run(segmenter, PredictionListener.NONE);
        float[] logits = NiftiReader.read(output.resolve("logits/case1.nii.gz")).values();
        float[] probabilities =
                NiftiReader.read(output.resolve("probabilities/case1.nii.gz")).values();
        long size = Files.size(output.resolve("probabilities/case1.nii.gz"));
        PredictionOutput half = new PredictionOutput(output, true, true, false, DType.FLOAT16);
        // results in another precision aren't what is asked for
        new PredictionJob(scan, half, true).run(segmenter, PredictionListener.NONE);
        assertThat(NiftiReader.read(output.resolve("logits/case1.nii.gz")).values())
                .isNotEqualTo(logits)
                .containsExactly(HalfPrecision.round(logits.clone()));
        assertThat(NiftiReader.read(output.resolve("probabilities/case1.nii.gz"))
                        .values())
                .containsExactly(HalfPrecision.round(probabilities.clone()));
        assertThat(Files.size(output.resolve("probabilities/case1.nii.gz"))).isLessThan(size * 2 / 3);
    }

    @Test
    void writes_the_uncertainty_that_the_probabilities_have() throws IOException {
        new PredictionJob(
                        List.of(input.resolve("case1_0000.nii.gz"), input.resolve("case1_0001.nii.gz")),
                        new PredictionOutput(output, false, true, true))
                .run(segmenter, PredictionListener.NONE);
        Volume probabilities = NiftiReader.read(output.resolve("probabilities/case1.nii.gz"));
        Volume uncertainty = NiftiReader.read(output.resolve("uncertainty/case1.nii.gz"));
        assertThat(uncertainty.channels()).isEqualTo(1);
        assertThat(uncertainty.geometry()).isEqualTo(SMALL);
        boolean exclusive = segmenter.bundle().labels().mode() == LabelSpec.Mode.SOFTMAX;
        int voxels = probabilities.voxels();
        double smallest = 1;
        for (int n = 0; n < voxels; n++) {
            double sum = 0;
            double largest = 0;
            for (int c = 0; c < probabilities.channels(); c++) {
                double p = probabilities.values()[c * voxels + n];
                sum -= p * Math.log(p);
                largest = Math.max(largest, -(p * Math.log(p) + (1 - p) * Math.log(1 - p)));
            }
            double expected = exclusive ? sum / Math.log(probabilities.channels()) : largest / Math.log(2);
            assertThat((double) uncertainty.values()[n]).isCloseTo(expected, within(1e-5));
            smallest = Math.min(smallest, uncertainty.values()[n]);
        }
        assertThat(smallest).isPositive().isLessThan(1);
    }

    @Test
    void cleans_labels_as_the_model_says() throws IOException {
        List<PostprocessingStep> steps =
                List.of(PostprocessingStep.parse("keep_largest"), PostprocessingStep.parse("fill_holes"));
        ModelBundle bundle = segmenter.bundle();
        List<Path> files = List.of(input.resolve("case1_0000.nii.gz"), input.resolve("case1_0001.nii.gz"));
        Volume plain = segmenter.segment(files).labels();
        try (Segmenter cleaning = Segmenter.open(
                segmenter.backend(), bundle.withInference(bundle.inference().withPostprocessing(steps)))) {
            Volume cleaned = cleaning.segment(files).labels();
            assertThat(cleaned.toLabels())
                    .isEqualTo(PostprocessingStep.applyAll(steps, plain).toLabels())
                    .isNotEqualTo(plain.toLabels());
        }
    }

    @Test
    void never_replaces_an_input_by_a_result() throws IOException {
        Path both = folder.resolve("case.nii.gz");
        NiftiWriter.write(both, Volume.stack(List.of(TinyModel.scan(1, SMALL), TinyModel.scan(2, SMALL))));
        byte[] before = Files.readAllBytes(both);
        PredictionReport report = new PredictionJob(List.of(both), PredictionOutput.labelsIn(folder))
                .run(segmenter, PredictionListener.NONE);
        assertThat(report.failures())
                .singleElement()
                .satisfies(failure -> assertThat(failure.reason()).contains("would replace the input"));
        assertThat(both).hasBinaryContent(before);
    }

    @Nested
    class Overwriting {
        private Path scan(String name, int seed) throws IOException {
            Path file = folder.resolve(name);
            Files.createDirectories(file.getParent());
            NiftiWriter.write(
                    file, Volume.stack(List.of(TinyModel.scan(seed, SMALL), TinyModel.scan(seed + 1, SMALL))));
            return file;
        }

        @Test
        void another_scans_result_of_the_same_name_is_refused_unless_it_is_asked_for() throws IOException {
            Path first = scan("A/t1.nii.gz", 1);
            Path second = scan("B/t1.nii.gz", 5);
            run(PredictionListener.NONE, first);
            byte[] before = Files.readAllBytes(output.resolve("t1.json"));

            PredictionReport refused = run(PredictionListener.NONE, second);

            assertThat(refused.failures())
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.reason())
                            .contains(
                                    output.resolve("t1.nii.gz").toString(),
                                    "the result of another scan, " + first,
                                    second.toString(),
                                    "--overwrite"));
            assertThat(output.resolve("t1.json")).hasBinaryContent(before);
            PredictionReport replaced = new PredictionJob(List.of(second), PredictionOutput.labelsIn(output))
                    .overwriting(true)
                    .run(segmenter, PredictionListener.NONE);
            assertThat(replaced.isComplete()).isTrue();
            assertThat(Files.readString(output.resolve("t1.json"))).contains(second.toString());
        }

        @Test
        void the_same_scans_result_is_replaced_wherever_it_lies_now() throws IOException {
            Path first = scan("A/t1.nii.gz", 1);
            run(PredictionListener.NONE, first);
            assertThat(run(PredictionListener.NONE, first).isComplete()).isTrue();
            Path moved = folder.resolve("C/t1.nii.gz");
            Files.createDirectories(moved.getParent());
            Files.move(first, moved);
            assertThat(run(PredictionListener.NONE, moved).isComplete()).isTrue();
        }

        @Test
        void a_file_that_is_no_result_is_not_replaced() throws IOException {
            Path first = scan("A/t1.nii.gz", 1);
            Files.createDirectories(output);
            Files.writeString(output.resolve("t1.nii.gz"), "somebody's labels");
            Files.writeString(output.resolve("t1.json"), "{\"EchoTime\": 0.1}");

            assertThat(run(PredictionListener.NONE, first).failures()).hasSize(1);
            assertThat(output.resolve("t1.nii.gz")).hasContent("somebody's labels");
        }
    }

    @Test
    void ends_when_the_listener_cancels() {
        int[] started = {0};
        assertThatExceptionOfType(CancellationException.class)
                .isThrownBy(() -> run(
                        new PredictionListener() {
                            @Override
                            public void started(Case one, int index, int total) {
                                started[0]++;
                            }

                            @Override
                            public void windowsDone(int done, int total) {
                                if (started[0] == 2) {
                                    throw new CancellationException("stopped by the user");
                                }
                            }
                        },
                        input));
        assertThat(started[0]).isEqualTo(2);
        assertThat(output.resolve("case1.nii.gz")).exists();
        assertThat(output.resolve("case2.nii.gz")).doesNotExist();
    }

    @Test
    void refuses_inputs_that_are_none() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThatExceptionOfType(DatasetException.class)
                .isThrownBy(() -> run(PredictionListener.NONE, empty))
                .withMessageContaining("no images in this folder");
        assertThatExceptionOfType(DatasetException.class)
                .isThrownBy(() -> run(PredictionListener.NONE, folder.resolve("nowhere")))
                .withMessageContaining("no such file or folder");
        assertThatIllegalArgumentException().isThrownBy(() -> run(PredictionListener.NONE));
    }

    @Test
    void refuses_case_names_that_lead_elsewhere() {
        for (String name : List.of("../escape", "a/b", "/abs")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> PredictionOutput.labelsIn(output).labelFile(name))
                    .withMessageContaining("one part of a path");
        }
    }

    @Nested
    class Continuing {
        private PredictionReport again(PredictionOutput target, Segmenter with) throws IOException {
            return new PredictionJob(List.of(input), target, true).run(with, PredictionListener.NONE);
        }

        @Test
        void does_what_is_missing_only() throws IOException {
            run(PredictionListener.NONE, input);
            Files.delete(output.resolve("case2.nii.gz"));
            Files.writeString(output.resolve("case3.json"), "not JSON");
            byte[] before = Files.readAllBytes(output.resolve("case1.json"));
            PredictionReport report = again(PredictionOutput.labelsIn(output), segmenter);
            assertThat(report.skipped()).containsExactly(output.resolve("case1.nii.gz"));
            assertThat(report.written()).containsExactly(output.resolve("case2.nii.gz"));
            assertThat(report.failures())
                    .singleElement()
                    .satisfies(failure -> assertThat(failure.reason())
                            .contains("case3.nii.gz", "doesn't say what it was made from", "--overwrite"));
            assertThat(output.resolve("case1.json")).hasBinaryContent(before);
        }

        @Test
        void does_anew_what_was_made_from_another_scan_in_another_way_or_less_completely() throws IOException {
            run(PredictionListener.NONE, input);
            assertThat(again(PredictionOutput.labelsIn(output), segmenter).skipped())
                    .hasSize(3);
            NiftiWriter.write(input.resolve("case2_0001.nii.gz"), TinyModel.scan(99, SMALL));
            assertThat(again(PredictionOutput.labelsIn(output), segmenter).written())
                    .containsExactly(output.resolve("case2.nii.gz"));
            assertThat(again(new PredictionOutput(output, true, false), segmenter)
                            .written())
                    .hasSize(3);
            ModelBundle other = segmenter.bundle();
            try (Segmenter changed = Segmenter.open(
                    backend, other.withInference(other.inference().withOverlap(0.25)))) {
                assertThat(again(PredictionOutput.labelsIn(output), changed).written())
                        .hasSize(3);
                assertThat(again(PredictionOutput.labelsIn(output), changed).skipped())
                        .hasSize(3);
            }
        }

        @Test
        void does_anew_what_was_made_in_another_compute_type_or_by_other_members() throws IOException {
            run(PredictionListener.NONE, input);
            ModelBundle bundle = segmenter.bundle();
            Path json = output.resolve("case2.json");
            String text = Files.readString(json);
            assertThat(text).contains("\"compute_type\" : \"FLOAT64\"");
            Files.writeString(json, text.replace("FLOAT64", "BFLOAT16"));
            assertThat(again(PredictionOutput.labelsIn(output), segmenter).written())
                    .containsExactly(output.resolve("case2.nii.gz"));
            ModelBundle cleaning = bundle.withInference(
                    bundle.inference().withPostprocessing(List.of(PostprocessingStep.parse("keep_largest"))));
            for (Ensemble members : List.of(
                    Ensemble.of(List.of(bundle, bundle)),
                    Ensemble.of(List.of(cleaning, bundle)),
                    Ensemble.of(List.of(bundle, cleaning)),
                    Ensemble.of(bundle))) {
                try (Segmenter several = Segmenter.open(backend, members, MemoryBudget.AVAILABLE)) {
                    assertThat(again(PredictionOutput.labelsIn(output), several).written())
                            .as(members.name())
                            .hasSize(3);
                    assertThat(again(PredictionOutput.labelsIn(output), several).skipped())
                            .hasSize(3);
                }
            }
        }
    }

    @Nested
    class Memory {
        private final Geometry ct = Geometry.of(new Grid(20, 60, 17), Affine.scaling(-1, 1, 2));
        private final ModelBundle manyClasses = TinyModel.bundle(
                1, LabelSpec.softmax("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"));

        private PredictionReport predict(long budget, Path to, List<MemoryPlan> plans) throws IOException {
            Path scan = folder.resolve("ct.nii.gz");
            NiftiWriter.write(scan, TinyModel.scan(5, ct));
            try (Segmenter tight = Segmenter.open(backend, manyClasses, MemoryBudget.of(budget))) {
                return new PredictionJob(List.of(scan), new PredictionOutput(to, true, true))
                        .run(tight, new PredictionListener() {
                            @Override
                            public void planned(Case one, MemoryPlan plan) {
                                plans.add(plan);
                            }
                        });
            }
        }

        @Test
        void that_is_less_and_less_gives_the_same_results_until_the_case_is_refused_with_what_it_needs()
                throws IOException {
            List<MemoryPlan> plans = new ArrayList<>();
            Path generous = folder.resolve("generous");
            assertThat(predict(8L << 30, generous, plans).isComplete()).isTrue();
            PredictionReport report = null;
            Path tight = folder.resolve("tight");
            for (int n = 1; n < 20; n++) {
                report = predict(plans.get(n - 1).bytes() - 1, tight, plans);
                if (!report.isComplete()) {
                    break;
                }
                for (String file : List.of("ct.nii.gz", "logits/ct.nii.gz", "probabilities/ct.nii.gz")) {
                    assertThat(tight.resolve(file))
                            .as("%s", plans.get(n))
                            .hasSameBinaryContentAs(generous.resolve(file));
                }
                assertThat(names(tight)).containsExactly("ct.json", "ct.nii.gz", "logits", "probabilities");
            }
            assertThat(plans).hasSizeGreaterThan(3);
            assertThat(plans.get(0).stream()).isEqualTo(StreamPlan.FASTEST);
            MemoryPlan last = plans.get(plans.size() - 1);
            assertThat(last.strips(ct.size())).isGreaterThan(1);
            assertThat(last.windows()).isGreaterThan(plans.get(0).windows());
            assertThat(last.logitsInMemory()).isFalse();
            assertThat(last.stream().ahead()).isFalse();
            assertThat(report.failures()).hasSize(1);
            assertThat(report.failures().get(0).reason())
                    .matches(
                            "ct: needs [0-9,]+ MiB of memory at least \\(process 480 MiB, .*\\), but may use [0-9,]+ MiB;"
                                    + " raise --memory or take a smaller window than 16×16×16 \\(--roi\\)");
        }

        @Test
        void for_one_case_at_a_time_gives_what_reading_ahead_gives() throws IOException {
            List<MemoryPlan> plans = new ArrayList<>();
            PredictionListener listener = new PredictionListener() {
                @Override
                public void planned(Case one, MemoryPlan plan) {
                    plans.add(plan);
                }
            };
            run(listener, input);
            Path other = folder.resolve("other");
            try (Segmenter tight = Segmenter.open(
                    backend, segmenter.bundle(), MemoryBudget.of(plans.get(0).bytes()))) {
                assertThat(new PredictionJob(List.of(input), PredictionOutput.labelsIn(other))
                                .run(tight, listener)
                                .isComplete())
                        .isTrue();
            }
            for (String name : List.of("case1.nii.gz", "case2.nii.gz", "case3.nii.gz")) {
                assertThat(other.resolve(name)).hasSameBinaryContentAs(output.resolve(name));
            }
        }
    }

    @Nested
    class Stopping {
        @Test
        void while_a_case_is_read_leaves_what_was_written_and_nothing_else() throws IOException {
            boolean[] stop = {false};
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> run(
                            new PredictionListener() {
                                @Override
                                public void started(Case one, int index, int total) {
                                    stop[0] = index == 2;
                                    if (index == 2) {
                                        throw new CancellationException("stopped");
                                    }
                                }

                                @Override
                                public boolean isCancelled() {
                                    return stop[0];
                                }
                            },
                            input));
            assertThat(names(output)).containsExactly("case1.json", "case1.nii.gz", "case2.json", "case2.nii.gz");
        }
    }
}
