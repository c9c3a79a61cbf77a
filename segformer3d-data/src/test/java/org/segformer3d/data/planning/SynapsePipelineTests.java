package org.segformer3d.data.planning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.CaseReader;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.dataset.SynapseReader;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Volume;

/** A real abdominal CT laid out as Synapse is, through reader, fingerprint, plan, preprocessing and back. */
class SynapsePipelineTests {
    /** TotalSegmentator's values of Synapse's eight organs, and Synapse's own. */
    private static final Map<Integer, Integer> ORGANS = Map.of(52, 8, 4, 4, 3, 3, 2, 2, 5, 6, 7, 11, 1, 1, 6, 7);

    @TempDir
    Path root;

    @Test
    void clips_ct_to_its_organs_and_brings_labels_back() throws IOException {
        Path ct = Path.of(System.getProperty("segformer3d.shared", "../shared"), "data", "ct");
        Assumptions.assumeTrue(Files.isDirectory(ct), "no shared data");
        Files.createDirectories(root.resolve("img"));
        Files.createDirectories(root.resolve("label"));
        Files.copy(ct.resolve("example_ct_sm.nii.gz"), root.resolve("img/img0001.nii.gz"));
        Volume truth = CaseReader.read(ct.resolve("example_seg.nii.gz"));
        float[] values = truth.values().clone();
        for (int n = 0; n < values.length; n++) {
            values[n] = ORGANS.getOrDefault((int) values[n], 0);
        }
        NiftiWriter.writeLabels(root.resolve("label/label0001.nii.gz"), Volume.of(values, 1, truth.geometry()));

        SegmentationDataset dataset = SynapseReader.read(root);
        Fingerprint fingerprint = Fingerprint.of(dataset.channels(), dataset.cases(), Set.of(), done -> {});
        Plan plan = new Planner(SegFormer3DConfig.defaults(), 4L << 30).plan(dataset.name(), fingerprint);

        // NumPy over all 63,358 labelled voxels; a sixth of them, evenly spread, enter the fingerprint.
        Intensities found = fingerprint.intensities().get(0);
        assertThat(found.mean()).isCloseTo(33.06, within(3.0));
        assertThat(found.median()).isCloseTo(41, within(3.0));
        assertThat(found.std()).isCloseTo(60.23, within(6.0));
        assertThat(fingerprint.labels()).containsOnlyKeys(1, 2, 3, 4, 6, 7, 8, 11);
        assertThat(plan.preprocessing().normalization()).isEqualTo(Normalization.clipZScore(found.clipRange()));
        assertThat(plan.preprocessing().spacing().orElseThrow()).allMatch(mm -> Math.abs(mm - 3) < 1e-4);

        Case one = dataset.cases().get(0);
        Volume image = CaseReader.readImage(one, 1);
        Volume label = CaseReader.readLabel(one, image.geometry());
        PreparedCase prepared =
                new Preprocessor(plan.preprocessing()).prepare(one.id(), List.of(image), Optional.of(label));
        double least = (found.p005() - found.mean()) / found.std();
        double most = (found.p995() - found.mean()) / found.std();
        for (float value : prepared.image().toFloats()) {
            assertThat((double) value).isBetween(least - 1e-4, most + 1e-4);
        }
        Volume back = prepared.restoration().labels(prepared.label().orElseThrow());
        assertThat(back.values()).containsExactly(values);
        assertThat(back.geometry()).isEqualTo(image.geometry());
        assertThat(LabelSpec.preset("synapse8")
                        .encode(prepared.label().get(), one.id())
                        .size(0))
                .isEqualTo(9);
    }
}
