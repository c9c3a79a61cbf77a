package org.segformer3d.data.labels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.LabelClass;

class LabelSpecTests {
    private static HostTensor random(List<Integer> values, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        short[] labels = new short[4 * 5 * 6];
        for (int n = 0; n < labels.length; n++) {
            labels[n] = values.get(random.nextInt(values.size())).shortValue();
        }
        return LabelValues.tensor(labels, 4, 5, 6);
    }

    /** Logits that are sure of the target, each with another strength. */
    private static HostTensor logits(HostTensor target) {
        float[] values = target.toFloats();
        for (int n = 0; n < values.length; n++) {
            values[n] = values[n] > 0 ? 1 + n % 7 : -1 - n % 5;
        }
        return HostTensor.of(values, target.shape());
    }

    @Nested
    class Encoding {
        @ParameterizedTest
        @ValueSource(strings = {"brats2017", "brats2021", "brats2023"})
        void comes_back_from_confident_logits_for_nested_regions(String preset) {
            LabelSpec spec = LabelSpec.preset(preset);
            HostTensor labels = random(spec.knownValues(), 1);
            assertThat(spec.decode(logits(spec.encode(labels))).toFloats()).containsExactly(labels.toFloats());
        }

        @Test
        void comes_back_for_disjoint_regions_and_for_classes() {
            for (LabelSpec spec : List.of(LabelSpec.sigmoid("a", "b", "c"), LabelSpec.softmax("a", "b", "c"))) {
                HostTensor labels = random(spec.knownValues(), 2);
                assertThat(spec.decode(logits(spec.encode(labels))).toFloats())
                        .as("%s", spec)
                        .containsExactly(labels.toFloats());
            }
        }

        @Test
        void gives_the_brats_channels_TC_WT_ET() {
            HostTensor labels = HostTensor.of(new byte[] {0, 1, 2, 3}, 1, 1, 4);
            assertThat(LabelSpec.preset("brats2017").names()).containsExactly("TC", "WT", "ET");
            assertThat(LabelSpec.preset("brats2017").encode(labels).toFloats())
                    .containsExactly(0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1);
            assertThat(LabelSpec.preset("brats2023").encode(labels).toFloats())
                    .containsExactly(0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1);
            HostTensor old = HostTensor.of(new byte[] {0, 1, 2, 4}, 1, 1, 4);
            assertThat(LabelSpec.preset("brats2021").encode(old))
                    .isEqualTo(LabelSpec.preset("brats2023").encode(labels));
        }

        @Test
        void marks_the_background_as_a_class_of_its_own_under_softmax() {
            HostTensor labels = HostTensor.of(new long[] {0, 2, 1}, 1, 1, 3);
            HostTensor target = LabelSpec.softmax("a", "b").encode(labels);
            assertThat(target.dtype()).isEqualTo(DType.UINT8);
            assertThat(target.shape()).containsExactly(3, 1, 1, 3);
            assertThat(target.toFloats()).containsExactly(1, 0, 0, 0, 0, 1, 0, 1, 0);
        }

        @Test
        void refuses_values_that_no_region_knows_naming_file_and_value() {
            HostTensor labels = HostTensor.of(new byte[] {0, 1, 9, 4, 1}, 1, 1, 5);
            LabelSpec spec = LabelSpec.sigmoid("a");
            assertThatThrownBy(() -> spec.encode(labels, "case7/label.nii.gz"))
                    .isInstanceOf(UnknownLabelException.class)
                    .hasMessageContainingAll("case7/label.nii.gz", "9", "expected only 0, 1");
            assertThatThrownBy(() -> spec.requireKnown(labels, "case7/label.nii.gz"))
                    .isInstanceOf(UnknownLabelException.class)
                    .hasMessageContainingAll("case7/label.nii.gz", "values 4, 9", "expected only 0, 1");
            assertThatThrownBy(() -> spec.encode(HostTensor.of(new float[] {0.5f}, 1, 1, 1)))
                    .isInstanceOf(UnknownLabelException.class)
                    .hasMessageContaining("0.5");
        }

        @Test
        void refuses_a_negative_value_below_the_known_ones() {
            HostTensor labels = LabelValues.tensor(new short[] {-3, 0}, 1, 1, 2);
            assertThatThrownBy(() -> LabelSpec.sigmoid("a").encode(labels))
                    .isInstanceOf(UnknownLabelException.class)
                    .hasMessageContaining("-3");
        }
    }

    @Nested
    class ValuesToIgnore {
        private static final LabelSpec SPEC = LabelSpec.softmax("a", "b").ignoring(List.of(255));

        @Test
        void belong_to_no_channel_and_do_not_count() {
            HostTensor labels = LabelValues.tensor(new short[] {0, 1, 255, 2}, 1, 2, 2);
            assertThat(SPEC.channels()).isEqualTo(3);
            assertThat(SPEC.encode(labels).toFloats()).containsExactly(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1);
            HostTensor mask = SPEC.mask(labels, "label").orElseThrow();
            assertThat(mask.shape()).containsExactly(1, 1, 2, 2);
            assertThat(mask.toFloats()).containsExactly(1, 1, 0, 1);
            SPEC.requireKnown(labels, "label");
        }

        @Test
        void make_no_mask_where_every_voxel_counts() {
            HostTensor labels = LabelValues.tensor(new short[] {0, 1, 1, 2}, 1, 2, 2);
            assertThat(SPEC.mask(labels, "label")).isEmpty();
            assertThat(LabelSpec.softmax("a", "b").mask(labels, "label")).isEmpty();
        }

        @Test
        void are_never_written() {
            for (Region region : SPEC.regions()) {
                assertThat(region.write()).isNotEqualTo(255);
            }
            assertThat(SPEC.writesBytes()).isTrue();
        }

        @Test
        void come_from_configuration_alone_or_in_a_list() {
            Map<String, Object> map =
                    new java.util.LinkedHashMap<>(LabelSpec.softmax("a", "b").toMap());
            map.put("ignore", 255);
            assertThat(LabelSpec.fromMap(map)).isEqualTo(SPEC);
            assertThat(LabelSpec.fromMap(SPEC.toMap())).isEqualTo(SPEC);
            map.put("ignore", List.of(255, -1));
            assertThat(LabelSpec.fromMap(map).ignored()).containsExactly(-1, 255);
            assertThat(LabelSpec.fromMap(Map.of("preset", "acdc", "ignore", 9)).ignored())
                    .containsExactly(9);
        }

        @Test
        void are_neither_the_background_nor_a_regions() {
            assertThatThrownBy(() -> LabelSpec.sigmoid("a", "b").ignoring(List.of(2)))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("labels.ignore", "2", "'b'");
            assertThatThrownBy(() -> LabelSpec.sigmoid("a").ignoring(List.of(0)))
                    .hasMessageContainingAll("labels.ignore", "background");
            assertThatThrownBy(() -> LabelSpec.fromMap(Map.of("preset", "acdc", "ignore", "x")))
                    .hasMessageContainingAll("labels.ignore", "whole number");
        }

        @Test
        void come_from_a_data_sets_label_of_that_name() {
            LabelSpec spec = LabelSpec.of(
                    LabelSpec.Mode.SOFTMAX,
                    List.of(
                            LabelClass.of(0, "background"),
                            LabelClass.of(1, "a"),
                            LabelClass.of(2, "b"),
                            LabelClass.of(3, "ignore")));
            assertThat(spec).isEqualTo(LabelSpec.softmax("a", "b").ignoring(List.of(3)));
        }

        @Test
        void are_the_advice_where_a_value_is_unknown() {
            assertThatThrownBy(() -> LabelSpec.softmax("a", "b")
                            .requireKnown(LabelValues.tensor(new short[] {0, 255}, 1, 1, 2), "case p0"))
                    .hasMessageContainingAll("case p0", "255", "ignore: 255")
                    .message()
                    .doesNotContain("to the background");
        }
    }

    @Nested
    class Decoding {
        @Test
        void paints_in_turn_where_the_data_set_says_so() {
            // As nnU-Net does: each region over what stands there, whether or not it is the smaller one.
            LabelSpec spec = new LabelSpec(
                    LabelSpec.Mode.SIGMOID,
                    List.of(Region.of("inner", 1), new Region("outer", List.of(1, 2), 2), Region.of("other", 7)),
                    LabelSpec.Painting.IN_TURN,
                    List.of());
            HostTensor logits = HostTensor.of(new float[] {9, 9, 9, -1, -1, 1, 0, 1, -1, -1, 0.1f, -1}, 3, 1, 1, 4);
            assertThat(spec.decode(logits).toFloats()).containsExactly(1, 2, 7, 2);
            assertThat(LabelSpec.fromMap(spec.toMap())).isEqualTo(spec);
        }

        @Test
        void lets_the_largest_positive_logit_win_among_disjoint_regions() {
            HostTensor logits = HostTensor.of(new float[] {-1, 2, 2, 0, -2, 1, 3, -5}, 2, 1, 1, 4);
            assertThat(LabelSpec.sigmoid("a", "b").decode(logits).toFloats()).containsExactly(0, 1, 2, 0);
        }

        @Test
        void paints_smaller_regions_over_larger_ones() {
            // TC, WT, ET for four voxels; in the last one ET is sure although WT denies.
            HostTensor logits = HostTensor.of(new float[] {-1, 1, 1, -1, 5, 1, 9, -1, -1, -1, 0.1f, 2}, 3, 1, 1, 4);
            assertThat(LabelSpec.preset("brats2021").decode(logits).toFloats()).containsExactly(2, 1, 4, 4);
        }

        @Test
        void takes_the_largest_logit_under_softmax_even_where_all_are_negative() {
            HostTensor logits = HostTensor.of(new double[] {-3, -1, -2, -2, -1, -2}, 3, 1, 1, 2);
            assertThat(LabelSpec.softmax("a", "b").decode(logits).toFloats()).containsExactly(2, 0);
        }

        @Test
        void writes_16_bits_where_a_value_needs_them() {
            LabelSpec spec = new LabelSpec(LabelSpec.Mode.SIGMOID, List.of(Region.of("far", 1000)));
            HostTensor labels = spec.decode(HostTensor.of(new float[] {1, -1}, 1, 1, 1, 2));
            assertThat(labels.dtype()).isEqualTo(DType.INT16);
            assertThat(labels.toFloats()).containsExactly(1000, 0);
        }

        @Test
        void refuses_another_number_of_channels() {
            assertThatThrownBy(() -> LabelSpec.sigmoid("a", "b").decode(HostTensor.zeros(DType.FLOAT32, 3, 1, 1, 1)))
                    .hasMessageContainingAll("3×1×1×1", "a, b");
        }
    }

    @Nested
    class Configuration {
        @Test
        void comes_back_from_its_map() {
            for (LabelSpec spec : List.of(LabelSpec.preset("brats2021"), LabelSpec.softmax("a", "b"))) {
                assertThat(LabelSpec.fromMap(spec.toMap())).isEqualTo(spec);
            }
        }

        @Test
        void takes_a_preset_or_a_short_form() {
            assertThat(LabelSpec.fromMap(Map.of("preset", "brats2017"))).isEqualTo(LabelSpec.preset("brats2017"));
            assertThat(LabelSpec.fromMap(
                            Map.of("mode", "Sigmoid", "regions", List.of(Map.of("name", "Anterior", "values", 1)))))
                    .isEqualTo(LabelSpec.sigmoid("Anterior"));
        }

        @Test
        void suggests_the_key_that_was_probably_meant() {
            assertThatThrownBy(() -> LabelSpec.fromMap(Map.of("mode", "sigmoid", "region", List.of())))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("labels.region:", "did you mean 'regions'");
            assertThatThrownBy(() -> LabelSpec.preset("brats2018"))
                    .hasMessageContainingAll("brats2018", "brats2017, brats2021, brats2023");
        }

        @Test
        void asks_what_a_region_of_several_values_writes() {
            assertThatThrownBy(() -> LabelSpec.fromMap(Map.of(
                            "mode", "sigmoid", "regions", List.of(Map.of("name", "WT", "values", List.of(1, 2))))))
                    .hasMessageContainingAll("labels.regions[0].write", "[1, 2]");
        }

        @Test
        void refuses_overlapping_classes_and_a_missing_background_under_softmax() {
            assertThatThrownBy(() -> new LabelSpec(
                            LabelSpec.Mode.SOFTMAX, List.of(Region.of("bg", 0), Region.of("a", 1), Region.of("b", 1))))
                    .hasMessageContaining("share no value");
            assertThatThrownBy(
                            () -> new LabelSpec(LabelSpec.Mode.SOFTMAX, List.of(Region.of("a", 1), Region.of("bg", 0))))
                    .hasMessageContaining("background");
            assertThatThrownBy(() -> new LabelSpec(LabelSpec.Mode.SIGMOID, List.of(Region.of("bg", 0))))
                    .hasMessageContaining("background");
        }

        @Test
        void writes_the_first_value_of_a_region_that_no_smaller_one_claims() {
            LabelSpec spec = LabelSpec.of(
                    LabelSpec.Mode.SIGMOID,
                    List.of(
                            LabelClass.of(0, "background"),
                            new LabelClass("both", List.of(4, 2)),
                            new LabelClass("all", List.of(1, 3, 4, 2)),
                            LabelClass.of(1, "one")));
            assertThat(spec.regions()).extracting(Region::write).containsExactly(4, 3, 1);
        }

        @Test
        void writes_what_the_data_set_says() {
            LabelSpec spec = LabelSpec.of(
                    LabelSpec.Mode.SIGMOID,
                    List.of(
                            new LabelClass("whole", List.of(1, 2, 3)).writtenAs(3),
                            LabelClass.of(1, "part").writtenAs(1)));
            assertThat(spec.regions()).extracting(Region::write).containsExactly(3, 1);
            assertThat(spec.painting()).isEqualTo(LabelSpec.Painting.IN_TURN);
        }

        @Test
        void takes_classes_and_regions_from_a_data_set() {
            List<LabelClass> classes = List.of(LabelClass.of(0, "background"), LabelClass.of(1, "Anterior"));
            assertThat(LabelSpec.of(LabelSpec.Mode.SIGMOID, classes)).isEqualTo(LabelSpec.sigmoid("Anterior"));
            assertThat(LabelSpec.of(LabelSpec.Mode.SOFTMAX, classes)).isEqualTo(LabelSpec.softmax("Anterior"));
            LabelSpec regions = LabelSpec.of(
                    LabelSpec.Mode.SIGMOID,
                    List.of(
                            LabelClass.of(0, "background"),
                            new LabelClass("whole", List.of(1, 2, 3)),
                            new LabelClass("core", List.of(2, 3)),
                            LabelClass.of(3, "enhancing")));
            HostTensor labels = random(List.of(0, 1, 2, 3), 3);
            assertThat(regions.decode(logits(regions.encode(labels))).toFloats())
                    .containsExactly(labels.toFloats());
        }
    }
}
