package org.segformer3d.data.transform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.preprocessing.Interpolation;

class RandomTransformTests {
    private static final Grid SIZE = new Grid(6, 8, 6);

    /** Two channels of noise of which the second is twice the first; the label says where the first exceeds ½. */
    private static Sample sample(Grid size) {
        SplittableRandom random = new SplittableRandom(3);
        int voxels = size.tokens();
        float[] image = new float[2 * voxels];
        short[] label = new short[voxels];
        for (int n = 0; n < voxels; n++) {
            image[n] = (float) random.nextDouble();
            image[voxels + n] = 2 * image[n];
            label[n] = (short) (image[n] > 0.5f ? 1 : 0);
        }
        return new Sample(image, 2, label, size);
    }

    private static void assertAligned(Sample sample) {
        for (int n = 0; n < sample.voxels(); n++) {
            assertThat(sample.label()[n]).isEqualTo((short) (sample.image()[n] > 0.5f ? 1 : 0));
            assertThat(sample.image()[sample.voxels() + n]).isEqualTo(2 * sample.image()[n]);
        }
    }

    @Nested
    class Geometric {
        @Test
        void flips_and_quarter_turns_keep_image_and_label_together() {
            List<RandomTransform> transforms =
                    List.of(new RandomFlip(0.5, List.of(0, 1, 2)), new RandomRotate90(1), new RandomRotate90(0.5));
            for (int seed = 0; seed < 30; seed++) {
                Sample moved = sample(SIZE);
                for (RandomTransform transform : transforms) {
                    moved = transform.apply(moved, new SplittableRandom(seed));
                }
                assertAligned(moved);
                assertThat(moved.size()).isEqualTo(SIZE);
                float[] before = sample(SIZE).image();
                float[] after = moved.image().clone();
                Arrays.sort(before);
                Arrays.sort(after);
                assertThat(after).containsExactly(before);
            }
        }

        /** Two channels that say where a voxel came from, smoothly, and a label that says in which half of the first axis. */
        private Sample ramp(Grid size) {
            int voxels = size.tokens();
            float[] image = new float[2 * voxels];
            short[] label = new short[voxels];
            for (int n = 0; n < voxels; n++) {
                image[n] = n / (size.height() * size.width());
                image[voxels + n] = n % size.width();
                label[n] = (short) Math.round(image[n]);
            }
            return new Sample(image, 2, label, size);
        }

        @Test
        void bending_moves_image_and_label_together_and_folds_nothing() {
            Grid size = new Grid(24, 20, 22);
            for (int seed = 0; seed < 5; seed++) {
                Sample bent =
                        new RandomElastic(1, 8, 3.2, Padding.BORDER).apply(ramp(size), new SplittableRandom(seed));
                int plane = size.height() * size.width();
                double moved = 0;
                for (int n = 0; n < bent.voxels(); n++) {
                    moved = Math.max(moved, Math.abs(bent.image()[n] - n / plane));
                    assertThat(Math.abs(bent.image()[n] - bent.label()[n])).isLessThanOrEqualTo(0.501f);
                    if (n >= plane) {
                        assertThat(bent.image()[n]).isGreaterThanOrEqualTo(bent.image()[n - plane] - 1e-4f);
                    }
                }
                assertThat(moved).isBetween(0.02, 3.2);
            }
            assertThat(new RandomElastic(1, 8, 0, Padding.BORDER)
                            .apply(ramp(size), new SplittableRandom(1))
                            .image())
                    .containsExactly(ramp(size).image());
            assertThatThrownBy(() -> new RandomElastic(1, 8, 3.3, Padding.BORDER))
                    .hasMessageContaining("folds");
        }

        @Test
        void a_rotation_stays_within_the_angle_of_each_axis() {
            Grid size = new Grid(9, 9, 9);
            RandomRotate rotate = new RandomRotate(1, List.of(0.36, 0.0, 0.0), Padding.BORDER);
            for (int seed = 0; seed < 10; seed++) {
                Sample rotated = rotate.apply(ramp(size), new SplittableRandom(seed));
                // About the first axis alone: what the first channel holds doesn't change.
                for (int n = 0; n < rotated.voxels(); n++) {
                    assertThat(rotated.image()[n]).isCloseTo(ramp(size).image()[n], within(1e-5f));
                }
                // x(o) = c + cos a·(x − c) ± sin a·(y − c) at the middle of an edge gives the angle
                double sine = (rotated.image()[9 * 81 + 4 * 81 + 4] - 4) / 4.0;
                assertThat(Math.abs(Math.asin(sine))).isBetween(1e-6, 0.3601);
            }
        }

        @Test
        void scaling_leaves_the_centre_where_it_is() {
            Grid size = new Grid(9, 9, 9);
            RandomTransform scaling = Augmentation.fromConfig(
                            List.of(Map.of("type", "scaling", "probability", 1, "factor", List.of(2, 2))))
                    .get(0);
            Sample scaled = scaling.apply(ramp(size), new SplittableRandom(1));
            for (int d = 0; d < 9; d++) {
                assertThat(scaled.image()[d * 81]).isCloseTo(4 + (d - 4) / 2f, within(1e-5f));
            }
        }

        @Test
        void a_flip_reverses_just_the_axes_it_names() {
            Sample before = sample(SIZE);
            Sample after = new Flip(true, false, true).apply(before.copy());
            for (int d = 0; d < 6; d++) {
                for (int h = 0; h < 8; h++) {
                    for (int w = 0; w < 6; w++) {
                        assertThat(after.image()[(d * 8 + h) * 6 + w])
                                .isEqualTo(before.image()[((5 - d) * 8 + h) * 6 + 5 - w]);
                    }
                }
            }
            assertThat(new Flip(true, false, true).apply(after).image()).containsExactly(before.image());
        }

        @Test
        void a_quarter_turn_follows_its_definition_and_four_of_them_change_nothing() {
            Grid box = new Grid(2, 3, 4);
            for (int[] plane : new int[][] {{0, 1}, {1, 0}, {0, 2}, {1, 2}, {2, 1}}) {
                Sample before = sample(box);
                Sample once = new Rotate90(plane[0], plane[1], 1).apply(before.copy());
                int n = box.size(plane[1]);
                assertThat(once.size().size(plane[0])).isEqualTo(n);
                int[] at = new int[3];
                for (at[0] = 0; at[0] < once.size().depth(); at[0]++) {
                    for (at[1] = 0; at[1] < once.size().height(); at[1]++) {
                        for (at[2] = 0; at[2] < once.size().width(); at[2]++) {
                            int[] from = at.clone();
                            from[plane[0]] = at[plane[1]];
                            from[plane[1]] = n - 1 - at[plane[0]];
                            assertThat(once.image()[index(once.size(), at)])
                                    .isEqualTo(before.image()[index(box, from)]);
                        }
                    }
                }
                assertAligned(once);
                Sample four = once;
                for (int turn = 0; turn < 3; turn++) {
                    four = new Rotate90(plane[0], plane[1], 1).apply(four);
                }
                assertThat(four.image()).containsExactly(before.image());
                assertThat(new Rotate90(plane[0], plane[1], -1)
                                .apply(before.copy())
                                .image())
                        .containsExactly(new Rotate90(plane[0], plane[1], 3)
                                .apply(before.copy())
                                .image());
                Sample twice = new Rotate90(plane[0], plane[1], 1).apply(once);
                assertThat(new Rotate90(plane[0], plane[1], 2)
                                .apply(before.copy())
                                .image())
                        .containsExactly(twice.image());
            }
        }

        private static int index(Grid size, int[] at) {
            return (at[0] * size.height() + at[1]) * size.width() + at[2];
        }

        @Test
        void warping_moves_a_soft_shape_and_its_label_together() {
            Grid size = new Grid(24, 26, 28);
            float[] image = new float[size.tokens()];
            short[] label = new short[size.tokens()];
            int n = 0;
            for (int d = 0; d < 24; d++) {
                for (int h = 0; h < 26; h++) {
                    for (int w = 0; w < 28; w++, n++) {
                        image[n] = (float) (8 - Math.hypot(Math.hypot(d - 9, h - 12), w - 17));
                        label[n] = (short) (image[n] > 0 ? 1 : 0);
                    }
                }
            }
            RandomTransform affine = new RandomAffine(1, 0.4, 0.8, 1.25, Padding.BORDER);
            for (int seed = 0; seed < 5; seed++) {
                Sample moved =
                        affine.apply(new Sample(image.clone(), 1, label.clone(), size), new SplittableRandom(seed));
                for (n = 0; n < moved.voxels(); n++) {
                    // Nearest-voxel labels differ from the interpolated surface by at most half a diagonal.
                    if (Math.abs(moved.image()[n]) > 0.9) {
                        assertThat(moved.label()[n]).isEqualTo((short) (moved.image()[n] > 0 ? 1 : 0));
                    }
                }
                assertThat(moved.image()).isNotEqualTo(image);
            }
        }

        @Test
        void rotating_by_nothing_changes_nothing_under_either_padding() {
            for (Padding padding : Padding.values()) {
                for (Interpolation interpolation : List.of(Interpolation.NEAREST, Interpolation.LINEAR)) {
                    Sample same = new Rotate(0, 0, 0, interpolation, padding).apply(sample(SIZE));
                    assertThat(same.image()).containsExactly(sample(SIZE).image());
                    assertThat(same.label()).containsExactly(sample(SIZE).label());
                }
            }
        }

        @Test
        void enlarging_a_constant_gives_a_constant_and_shrinking_brings_zeros_in() {
            float[] ones = new float[SIZE.tokens()];
            Arrays.fill(ones, 1);
            short[] label = new short[ones.length];
            Arrays.fill(label, (short) 1);
            Sample larger = new RandomAffine(1, 0, 1.5, 1.5, Padding.ZEROS)
                    .apply(new Sample(ones.clone(), 1, label.clone(), SIZE), new SplittableRandom(1));
            for (float value : larger.image()) {
                assertThat(value).isCloseTo(1, within(1e-6f));
            }
            Sample smaller = new RandomAffine(1, 0, 0.5, 0.5, Padding.ZEROS)
                    .apply(new Sample(ones.clone(), 1, label.clone(), SIZE), new SplittableRandom(1));
            assertThat(smaller.image()[0]).isZero();
            assertThat(smaller.label()[0]).isZero();
            assertThat(smaller.image()).contains(1f);
        }

        @Test
        void zooming_cuts_about_the_same_voxel_as_monai_where_sizes_are_odd_and_even() {
            float[] ramp = {0, 1, 2, 3, 4};
            Sample odd = Sample.of(HostTensor.of(ramp, 1, 1, 1, 5), HostTensor.of(new byte[5], 1, 1, 5));
            // Zoom(1.2) of MONAI 1.3.2: six voxels, of which the first is cut off.
            assertThat(new Zoom(1.2).apply(odd).image())
                    .containsExactly(new float[] {0.75f, 1.5833334f, 2.4166667f, 3.25f, 4}, within(1e-6f));
        }

        @Test
        void zooming_out_repeats_the_border_and_keeps_the_size() {
            Sample zoomed = new Zoom(0.5).apply(sample(SIZE));
            assertThat(zoomed.size()).isEqualTo(SIZE);
            assertThat(zoomed.image()[0]).isEqualTo(zoomed.image()[1]);
        }
    }

    @Nested
    class Intensities {
        @Test
        void scaling_and_shifting_treat_each_channel_by_itself() {
            Sample before = sample(SIZE);
            int voxels = before.voxels();
            Sample scaled = new RandomIntensityScale(1, 0.5, 2).apply(before.copy(), new SplittableRandom(4));
            float first = scaled.image()[0] / before.image()[0];
            float second = scaled.image()[voxels] / before.image()[voxels];
            assertThat(first).isBetween(0.5f, 2f).isNotEqualTo(second);
            Sample shifted = new RandomIntensityShift(1, 0.3).apply(before.copy(), new SplittableRandom(4));
            float offset = shifted.image()[0] - before.image()[0];
            assertThat(Math.abs(offset)).isLessThanOrEqualTo(0.3f);
            for (int n = 0; n < voxels; n++) {
                assertThat(scaled.image()[n]).isCloseTo(first * before.image()[n], within(1e-6f));
                assertThat(shifted.image()[n]).isCloseTo(offset + before.image()[n], within(1e-6f));
            }
        }

        @Test
        void noise_has_mean_0_and_at_most_the_given_deviation() {
            Grid size = new Grid(30, 30, 30);
            Sample noisy = new RandomGaussianNoise(1, 0.2)
                    .apply(
                            new Sample(new float[size.tokens()], 1, new short[size.tokens()], size),
                            new SplittableRandom(8));
            double sum = 0;
            double squares = 0;
            for (float value : noisy.image()) {
                sum += value;
                squares += value * value;
            }
            double std = Math.sqrt(squares / noisy.voxels());
            assertThat(std).isBetween(0.01, 0.205);
            assertThat(sum / noisy.voxels()).isCloseTo(0, within(4 * std / Math.sqrt(noisy.voxels())));
        }

        @Test
        void gamma_and_contrast_keep_each_channels_range_and_order() {
            for (RandomTransform transform : List.of(new RandomGamma(1, 0.5, 2), new RandomContrast(1, 0.5, 1.5))) {
                Sample before = sample(SIZE);
                Sample after = transform.apply(before.copy(), new SplittableRandom(6));
                int voxels = before.voxels();
                for (int c = 0; c < 2; c++) {
                    for (int n = c * voxels + 1; n < (c + 1) * voxels; n++) {
                        float risesBy = before.image()[n] - before.image()[n - 1];
                        assertThat((after.image()[n] - after.image()[n - 1]) * risesBy)
                                .isGreaterThanOrEqualTo(0);
                        assertThat(after.image()[n]).isBetween(0f, c + 1f);
                    }
                }
                assertThat(after.image()).isNotEqualTo(before.image());
            }
        }

        @Test
        void smoothing_spreads_an_impulse_without_losing_it() {
            Grid size = new Grid(15, 15, 15);
            float[] image = new float[size.tokens()];
            image[image.length / 2] = 1;
            Sample smooth = new RandomGaussianSmooth(1, 0.5, 1.5)
                    .apply(new Sample(image, 1, new short[image.length], size), new SplittableRandom(2));
            double sum = 0;
            for (float value : smooth.image()) {
                sum += value;
            }
            assertThat(sum).isCloseTo(1, within(1e-3));
            assertThat(smooth.image()[image.length / 2]).isBetween(0.01f, 0.7f);
        }

        @Test
        void dropout_fills_whole_boxes_in_all_channels() {
            Sample before = sample(SIZE);
            Sample holed = new RandomCoarseDropout(1, 1, new Grid(2, 3, 100), -5, false)
                    .apply(before.copy(), new SplittableRandom(2));
            int voxels = before.voxels();
            int filled = 0;
            for (int n = 0; n < voxels; n++) {
                boolean hole = holed.image()[n] == -5;
                filled += hole ? 1 : 0;
                assertThat(holed.image()[voxels + n]).isEqualTo(hole ? -5 : before.image()[voxels + n]);
            }
            assertThat(filled).isEqualTo(2 * 3 * 6);
            assertThat(holed.label()).containsExactly(before.label());
            Sample blank = new RandomCoarseDropout(1, 1, new Grid(2, 3, 100), -5, true)
                    .apply(before.copy(), new SplittableRandom(2));
            assertThat(blank.image()).containsExactly(holed.image());
            for (int n = 0; n < voxels; n++) {
                assertThat(blank.label()[n]).isEqualTo(holed.image()[n] == -5 ? 0 : before.label()[n]);
            }
        }

        @Test
        void a_coarser_scan_keeps_flat_regions_and_loses_detail() {
            Grid size = new Grid(12, 12, 12);
            float[] image = new float[2 * size.tokens()];
            SplittableRandom random = new SplittableRandom(1);
            for (int n = 0; n < size.tokens(); n++) {
                image[n] = 3;
                image[size.tokens() + n] = (float) random.nextDouble();
            }
            Sample before = new Sample(image, 2, new short[size.tokens()], size);
            Sample coarse = new RandomLowResolution(1, 0.5, 0.6).apply(before.copy(), new SplittableRandom(3));
            double change = 0;
            for (int n = 0; n < size.tokens(); n++) {
                assertThat(coarse.image()[n]).isCloseTo(3, within(1e-5f));
                change += Math.abs(coarse.image()[size.tokens() + n] - image[size.tokens() + n]);
                assertThat(coarse.image()[size.tokens() + n]).isBetween(0f, 1f);
            }
            assertThat(change / size.tokens()).isGreaterThan(0.05);
            assertThat(new RandomLowResolution(1, 1, 1)
                            .apply(before.copy(), new SplittableRandom(3))
                            .image())
                    .containsExactly(before.image());
        }

        @Test
        void the_error_function_agrees_with_tabulated_values() {
            assertThat(GaussianSmooth.erf(0)).isZero();
            assertThat(GaussianSmooth.erf(0.5)).isCloseTo(0.5204998778130465, within(1e-14));
            assertThat(GaussianSmooth.erf(-1)).isCloseTo(-0.8427007929497149, within(1e-14));
            assertThat(GaussianSmooth.erf(2)).isCloseTo(0.9953222650189527, within(1e-14));
            assertThat(GaussianSmooth.erf(3)).isCloseTo(0.9999779095030014, within(1e-14));
        }
    }

    @Nested
    class Randomness {
        static Stream<RandomTransform> all() {
            return Augmentation.fromConfig(List.of(
                            Map.of("type", "flip"),
                            Map.of("type", "rotate90", "probability", 1),
                            Map.of("type", "affine", "probability", 1),
                            Map.of("type", "rotate", "probability", 1),
                            Map.of("type", "scaling", "probability", 1),
                            Map.of("type", "elastic", "probability", 1, "spacing", 4, "max", 1.5),
                            Map.of("type", "low_resolution", "probability", 1, "factor", List.of(0.4, 0.9)),
                            Map.of("type", "mirroring"),
                            Map.of("type", "brightness", "probability", 1),
                            Map.of("type", "blur", "probability", 1),
                            Map.of("type", "intensity_scale", "probability", 1),
                            Map.of("type", "intensity_shift", "probability", 1),
                            Map.of("type", "contrast", "probability", 1),
                            Map.of("type", "gamma", "probability", 1),
                            Map.of("type", "gaussian_noise", "probability", 1),
                            Map.of("type", "gaussian_smooth", "probability", 1),
                            Map.of("type", "gibbs_noise", "probability", 1),
                            Map.of("type", "coarse_dropout", "probability", 1, "size", List.of(2, 2, 2))))
                    .stream();
        }

        @ParameterizedTest
        @MethodSource("all")
        void comes_from_the_generator_alone(RandomTransform transform) {
            Sample first = transform.apply(sample(SIZE), new SplittableRandom(12));
            Sample again = transform.apply(sample(SIZE), new SplittableRandom(12));
            Sample other = transform.apply(sample(SIZE), new SplittableRandom(13));
            assertThat(again.image()).containsExactly(first.image());
            assertThat(again.label()).containsExactly(first.label());
            assertThat(other.image()).isNotEqualTo(first.image());
        }

        @Test
        void happens_as_often_as_asked() {
            RandomTransform rare = new RandomIntensityShift(0.2, 1);
            int happened = 0;
            for (int seed = 0; seed < 500; seed++) {
                Sample one = new Sample(new float[1], 1, new short[1], new Grid(1, 1, 1));
                happened += rare.apply(one, new SplittableRandom(seed)).image()[0] == 0 ? 0 : 1;
            }
            assertThat(happened).isBetween(70, 130);
        }
    }

    @Nested
    class Configuration {
        @Test
        void reads_presets_and_lists() {
            assertThat(Augmentation.fromConfig(null)).isEmpty();
            assertThat(Augmentation.fromConfig("none")).isEmpty();
            assertThat(Augmentation.fromConfig("standard")).hasSize(7);
            assertThat(Augmentation.fromConfig(List.of(
                            Map.of("type", "flip", "axes", List.of(2), "probability", 0.3),
                            Map.of("type", "affine", "scale", List.of(0.9, 1.1), "padding", "zeros"))))
                    .containsExactly(
                            new RandomFlip(0.3, List.of(2)), new RandomAffine(0.2, 0.26, 0.9, 1.1, Padding.ZEROS));
        }

        @Test
        void the_official_preset_has_the_official_runs_steps_and_probabilities() {
            assertThat(Augmentation.fromConfig("official"))
                    .containsExactly(
                            new RandomFlip(0.3, List.of(1)),
                            new RandomRotate(0.5, List.of(0.36, 0.0, 0.0), Padding.BORDER),
                            new RandomCoarseDropout(0.5, 20, new Grid(Integer.MAX_VALUE, 7, 7), 0, true),
                            new RandomGibbsNoise(1, 0.5, 0.5));
        }

        @Test
        void names_what_it_doesnt_know() {
            assertThatThrownBy(() -> Augmentation.fromConfig("wild"))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("'wild'", "none, light, standard");
            assertThatThrownBy(() -> Augmentation.fromConfig(List.of(Map.of("type", "flop"))))
                    .hasMessageContainingAll("augmentation[0].type", "did you mean 'flip'");
            assertThatThrownBy(() -> Augmentation.fromConfig(List.of(Map.of("type", "flip", "axis", 1))))
                    .hasMessageContainingAll("augmentation[0].axis", "did you mean 'axes'");
            assertThatThrownBy(() -> Augmentation.fromConfig(List.of(Map.of("type", "gamma", "gamma", 2))))
                    .hasMessageContainingAll("augmentation[0].gamma", "2 numbers");
            assertThatThrownBy(() -> Augmentation.fromConfig(List.of(Map.of("type", "flip", "probability", 1.5))))
                    .hasMessageContainingAll("augmentation[0]", "1.5");
        }
    }
}
