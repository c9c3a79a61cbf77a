package org.segformer3d.data.preprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.preprocessing.PreprocessingSpec.BetweenSlices;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Orienting;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class AnisotropicResamplingTests {
    private static final PreprocessingSpec PLAIN = PreprocessingSpec.of(Normalization.none());
    /** Two slices 8 mm apart, four columns of 1 mm. */
    private static final Geometry THICK = Geometry.of(new Grid(2, 1, 4), Affine.scaling(8, 1, 1));

    private static final float[] VALUES = {0, 4, 8, 12, 100, 104, 108, 112};

    private static float[] image(PreprocessingSpec spec) {
        return new Preprocessor(spec)
                .prepare(List.of(Volume.of(VALUES, 1, THICK)))
                .image()
                .toFloats();
    }

    @Test
    void resamples_each_slice_by_itself_when_the_nearest_counts() {
        // Every slice becomes two like it; columns are halves of a line, so their cubic is the line itself but for the
        // border.
        float[] found = image(PLAIN.withSpacing(Interpolation.CUBIC, 4, 1, 2).withBetweenSlices(BetweenSlices.NEAREST));
        assertThat(found).hasSize(8);
        assertThat(List.of(found[0], found[1])).isEqualTo(List.of(found[2], found[3]));
        assertThat(List.of(found[4], found[5])).isEqualTo(List.of(found[6], found[7]));
        assertThat(found[4] - found[0]).isCloseTo(100, within(1e-4f));
    }

    @Test
    void blends_slices_linearly_unless_told_otherwise() {
        float[] found = image(PLAIN.withSpacing(Interpolation.CUBIC, 4, 1, 1));
        // Positions −¼, ¼, ¾, 1¼ of slices 0 and 100: 0, 25, 75, 100.
        assertThat(found)
                .containsExactly(
                        new float[] {0, 4, 8, 12, 25, 29, 33, 37, 75, 79, 83, 87, 100, 104, 108, 112}, within(1e-4f));
    }

    @Test
    void counts_as_thick_by_the_target_as_well() {
        Geometry even = Geometry.of(new Grid(8, 1, 1), Affine.scaling(1, 1, 1));
        float[] step = {0, 0, 0, 0, 80, 80, 80, 80};
        float[] found = new Preprocessor(
                        PLAIN.withSpacing(Interpolation.CUBIC, 4, 1, 1).withBetweenSlices(BetweenSlices.NEAREST))
                .prepare(List.of(Volume.of(step, 1, even)))
                .image()
                .toFloats();
        assertThat(found).containsExactly(0, 80);
    }

    @Test
    void interpolates_cubics_within_slices_by_keys_kernel() {
        // Keys (1981), a = −½, at ¼ between 1 and 4 of 0 1 4 9: the squares at positions 0.75, 1.25, 1.75, 2.25,
        // which the kernel reproduces exactly; only the border, where the last value repeats, differs.
        float[] found = new Resampler(new Grid(1, 1, 6), new Grid(1, 1, 12), Interpolation.CUBIC)
                .apply(new float[] {0, 1, 4, 9, 16, 25});
        for (int o = 4; o < 8; o++) {
            double x = (o + 0.5) / 2 - 0.5;
            assertThat(found[o]).isCloseTo((float) (x * x), within(1e-5f));
        }
    }

    @Test
    void agrees_with_scipy_on_linear_interpolation() {
        // scipy.ndimage.zoom([0, 10, 5, 20, 15], 1.6, order=1, mode="nearest", grid_mode=True), SciPy 1.17
        float[] expected = {0, 4.375f, 9.6875f, 6.5625f, 9.6875f, 19.0625f, 17.1875f, 15};
        float[] found = new Resampler(new Grid(1, 1, 5), new Grid(1, 1, 8), Interpolation.LINEAR)
                .apply(new float[] {0, 10, 5, 20, 15});
        assertThat(found).containsExactly(expected, within(1e-4f));
    }

    @Test
    void brings_labels_of_slices_back_exactly_whatever_the_order_of_axes() {
        Grid size = new Grid(5, 6, 4);
        Geometry scan = Geometry.of(size, Affine.ofRows(-1.5, 0, 0, 9, 0, -1.5, 0, 3, 0, 0, 10, 0));
        float[] label = new float[size.tokens()];
        for (int n = 0; n < label.length; n++) {
            label[n] = n / 4 % 6 < 3 ? n % 4 : 0;
        }
        PreprocessingSpec spec = PLAIN.withOrientation(Orienting.RAS)
                .withAxes(2, 1, 0)
                .withSpacing(Interpolation.CUBIC, 5, 1.5, 1.5)
                .withBetweenSlices(BetweenSlices.NEAREST);

        PreparedCase prepared = new Preprocessor(spec)
                .prepare("scan", List.of(Volume.of(label, 1, scan)), Optional.of(Volume.of(label, 1, scan)));

        assertThat(prepared.size()).isEqualTo(new Grid(8, 6, 5));
        HostTensor labels = prepared.label().orElseThrow();
        Volume back = prepared.restoration().labels(labels);
        assertThat(back.values()).containsExactly(label);
        assertThat(back.geometry()).isEqualTo(scan);
        assertThat(PreprocessingSpec.fromMap(spec.toMap())).isEqualTo(spec);
    }

    @Test
    void refuses_axes_that_arent_a_permutation() {
        assertThatThrownBy(() -> PLAIN.withAxes(0, 0, 2)).hasMessageContainingAll("preprocessing.axes", "[0, 0, 2]");
        assertThatThrownBy(() -> PreprocessingSpec.fromMap(java.util.Map.of("axes", List.of(0, 1))))
                .hasMessageContaining("preprocessing.axes");
    }
}
