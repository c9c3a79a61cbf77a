package org.segformer3d.data.planning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class FingerprintTests {
    @TempDir
    Path folder;

    /** A scan of 0 but for a box from (1, 1, 1) on, whose values count 10, 11, 12…; label {@code value} on its first voxels. */
    private Case scan(String id, Affine affine, Grid size, Grid box, int value, int labelled) throws IOException {
        float[] image = new float[size.tokens()];
        float[] label = new float[size.tokens()];
        int n = 0;
        for (int d = 1; d <= box.depth(); d++) {
            for (int h = 1; h <= box.height(); h++) {
                for (int w = 1; w <= box.width(); w++, n++) {
                    int at = (d * size.height() + h) * size.width() + w;
                    image[at] = 10 + n;
                    label[at] = n < labelled ? value : 0;
                }
            }
        }
        Path file = folder.resolve(id + ".nii.gz");
        Path truth = folder.resolve(id + "_label.nii.gz");
        Geometry place = Geometry.of(size, affine);
        NiftiWriter.write(file, Volume.of(image, 1, place));
        NiftiWriter.writeLabels(truth, Volume.of(label, 1, place));
        return new Case(id, List.of(file), Optional.of(truth));
    }

    @Test
    void measures_extent_in_ras_axes_without_empty_borders() throws IOException {
        // The first voxel axis runs down, so it is the third in RAS+.
        Affine turned = Affine.ofRows(0, 0, 2, 0, 0, 3, 0, 0, -5, 0, 0, 0);
        Case one = scan("a", turned, new Grid(6, 8, 9), new Grid(3, 4, 5), 1, 5);

        Fingerprint fingerprint = Fingerprint.of(List.of("MRI"), List.of(one), Set.of(), done -> {});

        Fingerprint.CaseExtent extent = fingerprint.cases().get(0);
        assertThat(extent.size()).isEqualTo(new Grid(5, 4, 3));
        assertThat(extent.spacing()).containsExactly(2.0, 3.0, 5.0);
        assertThat(extent.kept()).isCloseTo(60 / 432.0, within(1e-12));
        assertThat(fingerprint.medianSize(0, 4)).isEqualTo(3); // 5 voxels of 2 mm are 2.5 of 4 mm
    }

    @Test
    void takes_intensities_of_labelled_voxels_only_and_counts_cases_with_each_label() throws IOException {
        Affine plain = Affine.scaling(1, 1, 1);
        List<Case> cases = List.of(
                scan("a", plain, new Grid(6, 8, 9), new Grid(3, 4, 5), 1, 5),
                scan("b", plain, new Grid(6, 8, 9), new Grid(3, 4, 5), 2, 3));
        List<Integer> seen = new ArrayList<>();

        Fingerprint fingerprint = Fingerprint.of(List.of("CT"), cases, Set.of(), seen::add);

        // 10 11 12 13 14 and 10 11 12
        Intensities found = fingerprint.intensities().get(0);
        assertThat(found.min()).isEqualTo(10);
        assertThat(found.max()).isEqualTo(14);
        assertThat(found.mean()).isCloseTo(93 / 8.0, within(1e-9));
        assertThat(found.median()).isEqualTo(11.5);
        assertThat(fingerprint.labels()).isEqualTo(Map.of(1, 1, 2, 1));
        assertThat(seen).containsExactly(1, 2);
    }

    @Test
    void finds_percentiles_as_numpy_does() {
        float[] values = new float[11];
        for (int n = 0; n < values.length; n++) {
            values[n] = (n * 7) % 11;
        }
        // numpy.percentile(range(11), [0.5, 50, 99.5]) = 0.05, 5, 9.95; std = sqrt(10)
        Intensities found = Intensities.of(values);
        assertThat(found.p005()).isCloseTo(0.05, within(1e-9));
        assertThat(found.median()).isEqualTo(5);
        assertThat(found.p995()).isCloseTo(9.95, within(1e-9));
        assertThat(found.std()).isCloseTo(Math.sqrt(10), within(1e-9));
    }
}
