package org.segformer3d.data.preprocessing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Cropping;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Orienting;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class PreprocessorTests {
    private static final Grid SIZE = new Grid(5, 6, 7);
    private static final PreprocessingSpec PLAIN = PreprocessingSpec.of(Normalization.none());

    /** All 48 ways in which voxel axes can lie along world axes, slightly turned as real scans are. */
    static Stream<Affine> orientations() {
        List<Affine> affines = new ArrayList<>();
        int[][] permutations = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        double[] spacing = {1.1, 0.9, 2.5};
        for (int[] p : permutations) {
            for (int signs = 0; signs < 8; signs++) {
                double[] rows = new double[12];
                for (int axis = 0; axis < 3; axis++) {
                    double sign = (signs >> axis & 1) == 0 ? 1 : -1;
                    for (int r = 0; r < 3; r++) {
                        rows[r * 4 + axis] = spacing[axis] * (r == p[axis] ? sign : 0.05 * (r - p[axis]));
                    }
                }
                rows[3] = -40;
                rows[7] = 17;
                rows[11] = 3;
                affines.add(Affine.ofRows(rows));
            }
        }
        return affines.stream();
    }

    /** Zero border, inside it noise; the first voxel that isn't 0 is (1, 2, 1), the last one (3, 4, 5). */
    private static Volume scan(Affine affine) {
        SplittableRandom random = new SplittableRandom(11);
        float[] values = new float[SIZE.tokens()];
        for (int i = 1; i <= 3; i++) {
            for (int j = 2; j <= 4; j++) {
                for (int k = 1; k <= 5; k++) {
                    values[(i * 6 + j) * 7 + k] = 1 + (float) random.nextDouble();
                }
            }
        }
        return Volume.of(values, 1, Geometry.of(SIZE, affine));
    }

    private static Volume labels(Volume scan) {
        float[] values = scan.values().clone();
        for (int n = 0; n < values.length; n++) {
            values[n] = values[n] == 0 ? 0 : n % 4;
        }
        return Volume.of(values, 1, scan.geometry());
    }

    @Nested
    class InPlace {
        @ParameterizedTest
        @MethodSource("org.segformer3d.data.preprocessing.PreprocessorTests#orientations")
        void gives_the_values_that_preparing_gives(Affine affine) {
            Volume scan = scan(affine);
            Volume other = labels(scan);
            List<PreprocessingSpec> specs = List.of(
                    PLAIN.withOrientation(Orienting.RAS),
                    PreprocessingSpec.of(Normalization.zScoreNonzero()),
                    PreprocessingSpec.of(Normalization.zScore())
                            .withOrientation(Orienting.RAS)
                            .withCropping(Cropping.NONZERO),
                    PLAIN.withOrientation(Orienting.RAS).withSpacing(Interpolation.LINEAR, 0.8, 1, 2));
            for (PreprocessingSpec spec : specs) {
                Preprocessor preprocessor = new Preprocessor(spec);
                for (List<Volume> channels : List.of(
                        List.of(scan),
                        List.of(scan, other, scan),
                        List.of(Volume.stack(List.of(other, scan)), other))) {
                    PreparedCase expected = preprocessor.prepare(channels);
                    PreparedScan found = preprocessor.prepareInPlace(
                            "scan",
                            channels.stream()
                                    .map(v -> Volume.of(v.values().clone(), v.channels(), v.geometry()))
                                    .toList());
                    assertThat(found.size()).isEqualTo(expected.size());
                    assertThat(found.restoration().inputGeometry())
                            .isEqualTo(expected.restoration().inputGeometry());
                    int voxels = found.size().tokens();
                    float[] values = new float[expected.channels() * voxels];
                    for (int c = 0; c < expected.channels(); c++) {
                        PreparedScan.Channel channel = found.channels().get(c);
                        System.arraycopy(channel.values(), channel.offset(), values, c * voxels, voxels);
                    }
                    assertThat(values).containsExactly(expected.image().toFloats());
                }
            }
        }

        @Test
        void keeps_to_the_volume_s_own_array_where_axes_are_only_reversed() {
            Volume scan = scan(Affine.scaling(-1, 1, -1));
            PreparedScan prepared = new Preprocessor(
                            PreprocessingSpec.of(Normalization.zScore()).withOrientation(Orienting.RAS))
                    .prepareInPlace("scan", List.of(scan));
            assertThat(prepared.channels().get(0).values()).isSameAs(scan.values());
        }

        @Test
        void foretells_the_size_of_what_isn_t_cropped() {
            Volume scan = scan(Affine.scaling(1.5, -2, 1));
            Preprocessor preprocessor =
                    new Preprocessor(PLAIN.withOrientation(Orienting.RAS).withSpacing(Interpolation.LINEAR, 1, 1, 1));
            assertThat(preprocessor.sizeUncropped(scan.geometry()))
                    .isEqualTo(preprocessor.prepare(List.of(scan)).size());
        }
    }

    @Nested
    class Restoring {
        @ParameterizedTest
        @MethodSource("org.segformer3d.data.preprocessing.PreprocessorTests#orientations")
        void gives_back_labels_and_values_exactly_from_every_orientation_and_crop(Affine affine) {
            Volume scan = scan(affine);
            Volume labels = labels(scan);
            for (Cropping cropping : Cropping.values()) {
                PreparedCase prepared = new Preprocessor(
                                PLAIN.withOrientation(Orienting.RAS).withCropping(cropping))
                        .prepare(List.of(scan), labels);
                Geometry place = prepared.restoration().preparedGeometry();
                assertThat(place.orientationCodes()).isEqualTo("RAS");
                Volume restored = prepared.restoration().labels(prepared.label().orElseThrow());
                assertThat(restored.values()).containsExactly(labels.values());
                assertThat(restored.geometry()).isSameAs(scan.geometry());
                Volume values = prepared.restoration().scalar(prepared.image(), 0);
                assertThat(values.values()).containsExactly(scan.values());
                assertThat(values.geometry()).isSameAs(scan.geometry());
            }
        }

        @ParameterizedTest
        @MethodSource("org.segformer3d.data.preprocessing.PreprocessorTests#orientations")
        void keeps_every_voxel_at_its_place_in_the_patient(Affine affine) {
            Volume scan = scan(affine);
            PreparedCase prepared = new Preprocessor(
                            PLAIN.withOrientation(Orienting.RAS).withCropping(Cropping.NONZERO))
                    .prepare(List.of(scan));
            Grid size = prepared.size();
            assertThat(size.tokens()).isEqualTo(3 * 3 * 5);
            Affine toInput = affine.inverse();
            int n = 0;
            for (int i = 0; i < size.depth(); i++) {
                for (int j = 0; j < size.height(); j++) {
                    for (int k = 0; k < size.width(); k++, n++) {
                        double[] mm = prepared.restoration()
                                .preparedGeometry()
                                .affine()
                                .apply(i, j, k);
                        double[] voxel = toInput.apply(mm[0], mm[1], mm[2]);
                        assertThat((float) prepared.image().get(n))
                                .isEqualTo(scan.get(0, (int) Math.round(voxel[0]), (int) Math.round(voxel[1]), (int)
                                        Math.round(voxel[2])));
                    }
                }
            }
        }

        @Test
        void fills_what_was_cut_off_with_the_outside_value_in_every_channel() {
            for (Orienting orientation : Orienting.values()) {
                Volume scan = scan(Affine.ofRows(0, -1, 0, 0, 1, 0, 0, 0, 0, 0, -1, 0));
                PreparedCase prepared = new Preprocessor(
                                PLAIN.withOrientation(orientation).withCropping(Cropping.NONZERO))
                        .prepare(List.of(scan, scan));
                Volume restored = prepared.restoration().scalar(prepared.image(), -9);
                assertThat(restored.channels()).isEqualTo(2);
                for (int n = 0; n < restored.values().length; n++) {
                    float original = scan.values()[n % SIZE.tokens()];
                    assertThat(restored.values()[n]).isEqualTo(original == 0 ? -9 : original);
                }
            }
        }

        @Test
        void gives_back_a_solid_shape_after_resampling_but_for_its_surface() {
            Grid size = new Grid(20, 24, 12);
            short[] ball = new short[size.tokens()];
            int n = 0;
            for (int i = 0; i < 20; i++) {
                for (int j = 0; j < 24; j++) {
                    for (int k = 0; k < 12; k++, n++) {
                        double r = Math.hypot(Math.hypot(i - 9.5, j - 11.5), 2 * (k - 5.5));
                        ball[n] = (short) (r < 4 ? 2 : r < 8 ? 1 : 0);
                    }
                }
            }
            float[] values = new float[ball.length];
            for (n = 0; n < values.length; n++) {
                values[n] = ball[n];
            }
            Volume volume = Volume.of(values, 1, Geometry.of(size, Affine.scaling(-1, 1, 2)));
            PreparedCase prepared = new Preprocessor(
                            PLAIN.withOrientation(Orienting.RAS).withSpacing(Interpolation.LINEAR, 1.25, 0.8, 1))
                    .prepare(List.of(volume), volume);
            assertThat(prepared.size()).isEqualTo(new Grid(16, 30, 24));
            Volume restored = prepared.restoration().labels(prepared.label().orElseThrow());
            int differences = 0;
            int foreground = 0;
            for (n = 0; n < values.length; n++) {
                differences += restored.values()[n] == values[n] ? 0 : 1;
                foreground += values[n] > 0 ? 1 : 0;
            }
            assertThat(differences).isLessThan(foreground / 12);
            assertThat(restored.geometry()).isSameAs(volume.geometry());
        }

        @Test
        void refuses_another_shape() {
            Restoration restoration = Restoration.identity(Geometry.of(SIZE, Affine.IDENTITY));
            assertThatThrownBy(() -> restoration.labels(HostTensor.zeros(DType.UINT8, 5, 6, 8)))
                    .hasMessageContainingAll("5×6×8", "5×6×7");
            assertThatThrownBy(() -> restoration.scalar(HostTensor.zeros(DType.FLOAT32, 2, 6, 6, 7), 0))
                    .hasMessageContainingAll("2×6×6×7", "C×5×6×7");
        }
    }

    @Nested
    class Preparing {
        @Test
        void leaves_the_volumes_given_unchanged() {
            Volume scan = scan(Affine.IDENTITY);
            float[] before = scan.values().clone();
            for (Orienting orientation : Orienting.values()) {
                new Preprocessor(PreprocessingSpec.of(Normalization.zScore()).withOrientation(orientation))
                        .prepare(List.of(scan));
            }
            assertThat(scan.values()).containsExactly(before);
        }

        @Test
        void normalises_each_channel_by_itself_and_the_crop_only() {
            Volume scan = scan(Affine.IDENTITY);
            float[] brighter = scan.values().clone();
            for (int n = 0; n < brighter.length; n++) {
                brighter[n] *= 1000;
            }
            PreparedCase prepared = new Preprocessor(
                            PreprocessingSpec.of(Normalization.minMax()).withCropping(Cropping.NONZERO))
                    .prepare(List.of(scan, Volume.of(brighter, 1, scan.geometry())));
            float[] values = prepared.image().toFloats();
            assertThat(values).hasSize(2 * 45);
            for (int n = 0; n < 45; n++) {
                assertThat(values[n]).isBetween(0f, 1f).isCloseTo(values[45 + n], within(1e-5f));
            }
            assertThat(values).contains(0f, 1f);
        }

        @Test
        void counts_a_volume_of_several_channels_as_that_many() {
            Volume two = Volume.of(new float[] {1, 2, 3, 4}, 2, Geometry.of(new Grid(1, 1, 2), Affine.IDENTITY));
            PreparedCase prepared = new Preprocessor(PLAIN).prepare(List.of(two, two.channel(1)));
            assertThat(prepared.image().shape()).containsExactly(3, 1, 1, 2);
            assertThat(prepared.image().toFloats()).containsExactly(1, 2, 3, 4, 3, 4);
        }

        @Test
        void keeps_the_whole_of_an_empty_scan() {
            Volume empty = Volume.of(new float[SIZE.tokens()], 1, Geometry.of(SIZE, Affine.IDENTITY));
            PreparedCase prepared = new Preprocessor(
                            PreprocessingSpec.of(Normalization.zScoreNonzero()).withCropping(Cropping.NONZERO))
                    .prepare(List.of(empty));
            assertThat(prepared.size()).isEqualTo(SIZE);
            assertThat(prepared.image().toFloats()).containsOnly(0);
        }

        @Test
        void resamples_to_the_spacing_asked_for_within_half_a_voxel_of_the_extent() {
            Volume scan = scan(Affine.scaling(2, 1, 1));
            PreparedCase prepared =
                    new Preprocessor(PLAIN.withSpacing(Interpolation.CUBIC, 1, 1, 1.5)).prepare(List.of(scan));
            assertThat(prepared.size()).isEqualTo(new Grid(10, 6, 5));
            double[] spacing = prepared.restoration().preparedGeometry().spacing();
            assertThat(spacing).containsExactly(new double[] {1, 1, 1.4}, within(1e-9));
        }

        @Test
        void doesnt_overshoot_between_slices_far_apart_under_cubic_interpolation() {
            float[] step = {0, 0, 1, 1};
            Volume thick = Volume.of(step, 1, Geometry.of(new Grid(4, 1, 1), Affine.scaling(8, 1, 1)));
            float[] cubic = new Preprocessor(PLAIN.withSpacing(Interpolation.CUBIC, 2, 1, 1))
                    .prepare(List.of(thick))
                    .image()
                    .toFloats();
            float[] linear = new Preprocessor(PLAIN.withSpacing(Interpolation.LINEAR, 2, 1, 1))
                    .prepare(List.of(thick))
                    .image()
                    .toFloats();
            assertThat(cubic).containsExactly(linear);
        }

        @Test
        void names_the_case_and_counts_values_that_arent_finite() {
            float[] values = new float[SIZE.tokens()];
            values[8] = Float.NaN;
            values[100] = Float.POSITIVE_INFINITY;
            Volume broken = Volume.of(values, 1, Geometry.of(SIZE, Affine.IDENTITY));
            assertThatThrownBy(
                            () -> new Preprocessor(PLAIN).prepare("case_3.nii.gz", List.of(broken), Optional.empty()))
                    .isInstanceOf(InvalidCaseException.class)
                    .hasMessageContainingAll("case_3.nii.gz", "2 of 210", "NaN", "(0, 1, 1)");
        }

        @Test
        void refuses_channels_or_labels_that_lie_elsewhere() {
            Volume scan = scan(Affine.IDENTITY);
            Volume moved = scan(Affine.ofRows(1, 0, 0, 5, 0, 1, 0, 0, 0, 0, 1, 0));
            Volume flipped = scan(Affine.ofRows(-1, 0, 0, 4, 0, 1, 0, 0, 0, 0, 1, 0));
            Volume small = Volume.of(new float[1], 1, Geometry.of(new Grid(1, 1, 1), Affine.IDENTITY));
            Preprocessor preprocessor = new Preprocessor(PLAIN);
            assertThatThrownBy(() -> preprocessor.prepare(List.of(scan, moved)))
                    .isInstanceOf(InvalidCaseException.class)
                    .hasMessageContaining("channel volume 2");
            assertThatThrownBy(() -> preprocessor.prepare(List.of(scan), small))
                    .hasMessageContainingAll("1×1×1", "5×6×7");
            assertThatThrownBy(() -> preprocessor.prepare(List.of(scan), flipped))
                    .hasMessageContainingAll("LAS", "RAS");
            assertThatThrownBy(() -> preprocessor.prepare(List.of(scan), scan)).hasMessageContaining("whole numbers");
        }

        @Test
        void keeps_few_evenly_spread_foreground_voxels_of_each_value() {
            short[] labels = new short[100_000];
            Arrays.fill(labels, 500, 90_500, (short) 7);
            labels[99_999] = 2;
            ForegroundVoxels foreground = ForegroundVoxels.of(labels);
            SplittableRandom random = new SplittableRandom(1);
            int rare = 0;
            int early = 0;
            for (int n = 0; n < 2000; n++) {
                int voxel = foreground.draw(random);
                assertThat(labels[voxel]).isNotZero();
                rare += voxel == 99_999 ? 1 : 0;
                early += voxel < 45_500 ? 1 : 0;
            }
            assertThat(rare).isBetween(850, 1150);
            assertThat(early).isBetween(400, 600);
        }
    }

    @Nested
    class Specification {
        @Test
        void comes_back_from_its_map() {
            PreprocessingSpec spec = PreprocessingSpec.of(Normalization.zScoreNonzero())
                    .withOrientation(Orienting.RAS)
                    .withSpacing(Interpolation.CUBIC, 1, 1.5, 2)
                    .withCropping(Cropping.NONZERO);
            assertThat(PreprocessingSpec.fromMap(spec.toMap())).isEqualTo(spec);
            assertThat(PreprocessingSpec.fromMap(PLAIN.toMap())).isEqualTo(PLAIN);
        }

        @Test
        void has_documented_defaults() {
            assertThat(PreprocessingSpec.fromMap(Map.of()))
                    .isEqualTo(PreprocessingSpec.of(Normalization.zScore()).withOrientation(Orienting.RAS));
        }

        @Test
        void names_unknown_keys_and_bad_values() {
            assertThatThrownBy(() -> PreprocessingSpec.fromMap(Map.of("spacng", List.of(1, 1, 1))))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContaining("did you mean 'spacing'");
            assertThatThrownBy(() -> PreprocessingSpec.fromMap(Map.of("spacing", List.of(1, 0, 1))))
                    .hasMessageContaining("preprocessing.spacing");
            assertThatThrownBy(() -> PreprocessingSpec.fromMap(Map.of("orientation", "LPS")))
                    .hasMessageContainingAll("preprocessing.orientation", "as_is, ras");
        }
    }
}
