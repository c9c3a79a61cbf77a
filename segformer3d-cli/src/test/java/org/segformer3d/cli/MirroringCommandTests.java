package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;

/** Which axes --tta mirrors, by what the model's training mirrored. */
class MirroringCommandTests {
    private static final Grid SIZE = new Grid(20, 18, 16);

    @TempDir
    Path folder;

    private Path scan;

    @BeforeEach
    void makeScan() throws IOException {
        SplittableRandom random = new SplittableRandom(11);
        float[] values = new float[SIZE.tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) random.nextDouble();
        }
        scan = folder.resolve("scan.nii.gz");
        NiftiWriter.write(scan, Volume.of(values, 1, Geometry.of(SIZE, Affine.IDENTITY)));
    }

    /** Returns a bundle of random weights whose experiment has an augmentation. */
    private Path bundle(String name, String augmentation) throws IOException {
        Path config = folder.resolve(name + ".yaml");
        Files.writeString(config, """
                model_parameters: {in_channels: 1, num_classes: 2, embed_dims: [8, 8, 8, 8], num_heads: [1, 1, 1, 1],
                  depths: [1, 1, 1, 1], decoder_head_embedding_dim: 8}
                dataset_parameters:
                  dataset_type: nnunet
                  augmentation: %s
                  labels: {mode: softmax}
                sliding_window_inference: {roi: [32, 32, 32]}
                """.formatted(augmentation));
        Path bundle = folder.resolve(name);
        Run made = Run.of("bundle", "--config", config, "--random", "3", "--output", bundle);
        assertThat(made.code()).as(made.err()).isZero();
        return bundle;
    }

    private float[] logits(String name, List<Path> bundles, String words, Object... options) throws IOException {
        List<Object> all = new ArrayList<>();
        for (Path bundle : bundles) {
            all.add("--model");
            all.add(bundle);
        }
        Path output = folder.resolve("out-" + name);
        all.addAll(List.of("--input", scan, "--output", output, "--save-logits", "--backend", "reference", "--quiet"));
        all.addAll(List.of(options));
        Run run = Run.with(List.of("predict"), all.toArray());
        assertThat(run.code()).as(run.err()).isZero();
        if (words.isEmpty()) {
            assertThat(run.err()).isEmpty();
        } else {
            assertThat(run.err()).contains(words);
        }
        return NiftiReader.read(output.resolve("logits/scan.nii.gz")).values();
    }

    @Test
    void areThoseThatTheBundleRemembers() throws IOException {
        Path bundle = bundle("one", "[{type: flip, axes: [0]}, {type: gaussian_noise}]");
        assertThat(ModelBundle.read(bundle).mirroredAxes()).contains(List.of(0));

        float[] remembered = logits("one-tta", List.of(bundle), "", "--tta");

        assertThat(remembered).isEqualTo(logits("one-named", List.of(bundle), "", "--tta-axes", "0"));
        assertThat(remembered).isNotEqualTo(logits("one-plain", List.of(bundle), ""));
        assertThat(remembered)
                .isNotEqualTo(logits(
                        "one-all", List.of(bundle), "mirroring along [1, 2] may take one side", "--tta-axes", "0,1,2"));
    }

    @Test
    void areNoneForATrainingWithoutMirroringWhichIsSaid() throws IOException {
        Path bundle = bundle("none", "[{type: flip, axes: [0], probability: 0}]");

        float[] mirrored = logits("none-tta", List.of(bundle), "mirrored no axis, so nothing is mirrored", "--tta");

        assertThat(mirrored).isEqualTo(logits("none-plain", List.of(bundle), ""));
    }

    @Test
    void areEachMembersOwnInAnEnsemble() throws IOException {
        Path first = bundle("first", "[{type: flip, axes: [0]}]");
        Path second = bundle("second", "official");

        float[] together = logits("own", List.of(first, second), "", "--tta");

        assertThat(together)
                .isNotEqualTo(logits("named", List.of(first, second), "mirroring along [0]", "--tta-axes", "0"));
    }

    @Test
    void mustBeNamedForABundleThatDoesNotKnow() throws IOException {
        Path known = bundle("known", "none");
        ModelBundle bundle = ModelBundle.read(known);
        Path old = folder.resolve("old");
        bundle.withProvenance(ModelBundle.MIRRORED_AXES, "").write(old);

        Run run = Run.of("predict", "--model", old, "--input", scan, "--output", folder.resolve("never"), "--tta");

        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("doesn't say which axes its training mirrored", "--tta-axes");
        assertThat(folder.resolve("never")).doesNotExist();
        logits("old", List.of(old), "doesn't say which axes", "--tta-axes", "1");
    }
}
