package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.InferenceSpec;
import org.segformer3d.eval.result.Json;

/** Several bundles on the command line. */
class EnsembleCommandTests {
    @TempDir
    static Path folder;

    private static Path scan;

    @BeforeAll
    static void write() throws IOException {
        for (int fold = 0; fold < 3; fold++) {
            bundle(LabelSpec.sigmoid("organ", "lesion"), fold).write(folder.resolve("runs/fold" + fold + "/bundle"));
        }
        bundle(LabelSpec.softmax("organ"), 3).write(folder.resolve("other.zip"));
        SplittableRandom random = new SplittableRandom(4);
        float[] values = new float[40 * 30 * 37];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextDouble(200);
        }
        scan = folder.resolve("scan.nii.gz");
        NiftiWriter.write(scan, Volume.of(values, 1, Geometry.of(new Grid(40, 30, 37), Affine.scaling(-1, 1.2, 2))));
    }

    private static ModelBundle bundle(LabelSpec labels, long seed) {
        return new ModelBundle(
                "fold " + seed,
                SegFormer3DNetwork.of(TinyModel.CONFIG),
                WeightInitializer.initialize(ModelLayout.of(TinyModel.CONFIG).parameters(), seed),
                PreprocessingSpec.fromMap(Map.of()),
                labels,
                InferenceSpec.official(new Grid(32, 32, 32)),
                Map.of());
    }

    private static Run predict(String output, Object... models) {
        return Run.with(
                List.of("predict", "--input", scan, "--output", folder.resolve(output), "--quiet", "--continue"),
                models);
    }

    @Test
    void areNamedByRepetitionByAListByAPatternOrOneAfterTheOther() throws IOException {
        Path runs = folder.resolve("runs");
        Path[] folds = {runs.resolve("fold0/bundle"), runs.resolve("fold1/bundle"), runs.resolve("fold2/bundle")};
        Run repeated = predict("out", "--model", folds[0], "--model", folds[1], "--model", folds[2]);
        assertThat(repeated.err()).isEmpty();
        assertThat(repeated.code()).isZero();
        String json = Files.readString(folder.resolve("out/scan.json"));
        Map<?, ?> model = (Map<?, ?>) ((Map<?, ?>) Json.parse(json).get("provenance")).get("model");
        assertThat(model.get("name")).isEqualTo("ensemble of 3: fold 0, fold 1, fold 2");
        for (Path fold : folds) {
            assertThat(json).contains(ModelBundle.read(fold).weights().hash(), fold.toString());
        }
        // The same models however they are named, so that nothing is left to be done.
        assertThat(predict("out", "--model", folds[0] + "," + folds[1] + "," + folds[2])
                        .out())
                .contains("0 of 1 cases segmented")
                .contains("1 done before");
        assertThat(predict("out", "--model", runs + "/fold*/bundle").out()).contains("1 done before");
        assertThat(predict("out", "--model", folds[0], folds[1], folds[2]).out())
                .contains("1 done before");
        assertThat(predict("out", "--model", runs + "/fold[01]/bundle").out()).contains("1 of 1 cases segmented");
    }

    @Test
    void thatDoNotFitTogetherAreRefusedNamingBothAndWhatDiffers() {
        Path first = folder.resolve("runs/fold0/bundle");
        Run run = predict("refused", "--model", first, folder.resolve("other.zip"));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err())
                .isEqualTo("segformer3d: labels.mode: found softmax in " + folder.resolve("other.zip")
                        + ", expected sigmoid as in " + first + "; the models of an ensemble must agree in it\n");
        assertThat(folder.resolve("refused")).doesNotExist();
    }

    @Test
    void areNoMatterForCommandsThatTakeOne() {
        Run run = Run.of(
                "export",
                "--model",
                folder.resolve("runs/fold*/bundle"),
                "--format",
                "onnx",
                "--output",
                folder.resolve("x.onnx"));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("--model: found 3 bundles, expected one");
        Run none = predict("none", "--model", folder.resolve("runs/none*"));
        assertThat(none.code()).isEqualTo(1);
        assertThat(none.err()).contains("runs/none*").contains("no bundle matches this pattern");
    }
}
