package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.postprocessing.PostprocessingStep;

/** Label maps of which it is known what helps: label 1 is one piece and its predictions have specks, label 2 is two pieces. */
class PostprocessCommandTests {
    private static final Geometry BOX = Geometry.of(new Grid(20, 20, 20), Affine.scaling(1, 1, 1));

    @TempDir
    private Path folder;

    private Path bundle;
    private Path predictions;
    private Path labels;

    @BeforeEach
    void write() throws IOException {
        bundle = folder.resolve("bundle");
        TinyModel.bundle(InferenceSpec.official(new Grid(32, 32, 32))).write(bundle);
        predictions = Files.createDirectory(folder.resolve("predictions"));
        labels = Files.createDirectory(folder.resolve("labels"));
        for (int n = 0; n < 2; n++) {
            int[] truth = new int[8000];
            box(truth, 2, 6, 1);
            box(truth, 10, 13, 2);
            box(truth, 15, 17, 2);
            int[] found = truth.clone();
            box(found, 18 + n, 19 + n, 1);
            NiftiWriter.writeLabels(labels.resolve("case" + n + ".nii.gz"), Volume.ofLabels(truth, BOX));
            NiftiWriter.writeLabels(predictions.resolve("case" + n + ".nii.gz"), Volume.ofLabels(found, BOX));
        }
    }

    private static void box(int[] values, int from, int to, int label) {
        for (int d = from; d < to; d++) {
            for (int h = from; h < to; h++) {
                for (int w = from; w < to; w++) {
                    values[(d * 20 + h) * 20 + w] = label;
                }
            }
        }
    }

    private Run choose(Object... more) {
        return Run.with(
                List.of("postprocess", "--model", bundle, "--predictions", predictions, "--labels", labels), more);
    }

    @Test
    void takesWhatHelpsOneClassAndStoresItInTheBundle() throws IOException {
        ModelBundle before = ModelBundle.read(bundle);
        Run run = choose();
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        // The largest component of both would cut the lesion in half.
        assertThat(run.out()).contains("none (2 cases)").contains("taken: keep_largest@1; written: " + bundle);
        ModelBundle after = ModelBundle.read(bundle);
        assertThat(after.inference().postprocessing()).containsExactly(PostprocessingStep.parse("keep_largest@1"));
        assertThat(after.configurationHash()).isNotEqualTo(before.configurationHash());
        assertThat(run.out()).contains(after.configurationHash());
        assertThat(after.weights().hash()).isEqualTo(before.weights().hash());
        assertThat(after.provenance().get("postprocessing_choice"))
                .asString()
                .contains(before.configurationHash(), "dice_before", "keep_largest@1");
    }

    @Test
    void takesAStepForAllLabelsWhereItHarmsNone() throws IOException {
        Path other = folder.resolve("other.zip");
        Run run = choose("--candidate", "remove_small=2", "--output", other);
        assertThat(run.out()).contains("taken: remove_small=2.0; written: " + other);
        assertThat(ModelBundle.read(other).inference().postprocessing())
                .containsExactly(PostprocessingStep.parse("remove_small=2"));
        assertThat(ModelBundle.read(bundle).inference().postprocessing()).isEmpty();
    }

    @Test
    void takesNothingWhereNothingHelps() throws IOException {
        Run run = choose("--candidate", "fill_holes", "remove_small=100000");
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("no step helps");
        assertThat(ModelBundle.read(bundle).inference().postprocessing()).isEmpty();
    }

    @Test
    void refusesPredictionsThatWereCleanedAndCasesWithoutTruthAndLeavesTheBundle() throws IOException {
        byte[] description = Files.readAllBytes(bundle.resolve("bundle.json"));
        Files.writeString(predictions.resolve("case0.json"), """
                {"provenance": {"model": {"inference": {"postprocessing": [{"type": "fill_holes"}]}}}}""");
        Run cleaned = choose();
        assertThat(cleaned.code()).isEqualTo(1);
        assertThat(cleaned.err()).contains("cleaned already").contains("--postprocess none");
        Files.delete(predictions.resolve("case0.json"));
        Files.delete(labels.resolve("case1.nii.gz"));
        assertThat(choose().err()).contains("no label for case 'case1'");
        assertThat(choose("--candidate", "shrink").code()).isEqualTo(2);
        assertThat(bundle.resolve("bundle.json")).hasBinaryContent(description);
    }
}
