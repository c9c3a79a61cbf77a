package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.TinyModel;
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
                .containsExactly(
                        "started case1 0/3",
                        "finished case1.nii.gz",
                        "started case2 1/3",
                        "failed case2",
                        "started case3 2/3",
                        "failed case3");
    }

    @Test
    void sets_cases_aside_that_lack_a_channel() throws IOException {
        Files.delete(input.resolve("case1_0001.nii.gz"));
        Files.delete(input.resolve("case2_0001.nii.gz"));
        NiftiWriter.write(input.resolve("case2_0002.nii.gz"), TinyModel.scan(1, SMALL));
        PredictionReport report = run(PredictionListener.NONE, input);
        assertThat(report.written()).containsExactly(output.resolve("case3.nii.gz"));
        assertThat(report.failures()).extracting(CaseFailure::id).containsExactly("case1", "case2");
        assertThat(report.failures().get(0).reason()).contains("case 'case1' has 1 channel files, expected 2");
        assertThat(report.failures().get(1).reason()).contains("no file of channel _0001");
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
        assertThat(report.failures().get(1).reason()).contains("found 1 channel, expected 2");
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
}
