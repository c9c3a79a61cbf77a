package org.segformer3d.data.planning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.data.planning.Fingerprint.CaseExtent;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreprocessingSpec.BetweenSlices;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Cropping;

class PlannerTests {
    private static final long GIB = 1L << 30;
    private static final SegFormer3DConfig MODEL = SegFormer3DConfig.defaults();
    private static final Intensities SOFT_TISSUE = new Intensities(-900, -160, 90, 80, 140, 240, 3000);

    private static Fingerprint fingerprint(String channel, double kept, List<Double> spacing, Grid... sizes) {
        List<CaseExtent> cases = new ArrayList<>();
        for (Grid size : sizes) {
            cases.add(new CaseExtent("case" + cases.size(), size, spacing, kept));
        }
        return new Fingerprint(List.of(channel), cases, List.of(SOFT_TISSUE), Map.of(1, cases.size()));
    }

    private static Plan plan(Fingerprint fingerprint, double gib) {
        return new Planner(MODEL, (long) (gib * GIB)).plan("phantoms", fingerprint);
    }

    @Nested
    class Preprocessing {
        @Test
        void leaves_equal_voxels_their_axes_and_takes_the_median_spacing() {
            Plan plan = plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 1.0), new Grid(35, 51, 36)), 4);
            assertThat(plan.preprocessing().axes()).containsExactly(0, 1, 2);
            assertThat(plan.preprocessing().spacing()).hasValue(List.of(1.0, 1.0, 1.0));
            assertThat(plan.preprocessing().interpolation()).isEqualTo(Interpolation.CUBIC);
            assertThat(plan.preprocessing().betweenSlices()).isEqualTo(BetweenSlices.LINEAR);
            assertThat(plan.preprocessing().cropping()).isEqualTo(Cropping.NONZERO);
            assertThat(plan.preprocessing().normalization()).isEqualTo(Normalization.zScore());
        }

        @Test
        void puts_thick_slices_first_and_divides_their_tenth_percentile_by_the_first_stride() {
            Plan plan = plan(slices(8, 10), 8);
            assertThat(plan.preprocessing().axes()).containsExactly(2, 1, 0);
            assertThat(plan.preprocessing().spacing()).hasValue(List.of(2.0, 1.5, 1.5));
            assertThat(plan.preprocessing().betweenSlices()).isEqualTo(BetweenSlices.NEAREST);
            assertThat(plan.patch()).isEqualTo(new Grid(48, 256, 224));
        }

        @Test
        void does_not_divide_where_slices_are_enough_for_every_stage() {
            Plan plan = plan(fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140)), 8);
            assertThat(plan.preprocessing().spacing()).hasValue(List.of(3.0, 0.8, 0.8));
        }

        @Test
        void resamples_thick_slices_no_finer_than_the_other_axes() {
            assertThat(plan(slices(5, 10), 8).preprocessing().spacing()).hasValue(List.of(1.5, 1.5, 1.5));
        }

        /** Eleven scans of ten slices, two of which have thinner ones. */
        private static Fingerprint slices(double thin, double thick) {
            List<CaseExtent> cases = new ArrayList<>();
            for (int n = 0; n <= 10; n++) {
                cases.add(new CaseExtent("c" + n, new Grid(216, 256, 10), List.of(1.5, 1.5, n < 2 ? thin : thick), 1));
            }
            return new Fingerprint(List.of("MRI"), cases, List.of(), Map.of());
        }

        @Test
        void keeps_the_median_of_thick_slices_when_there_are_many() {
            // 100 × 3 isn't less than 200: nnU-Net's second condition.
            Plan plan = plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 4.0), new Grid(200, 200, 100)), 8);
            assertThat(plan.preprocessing().spacing()).hasValue(List.of(4.0, 1.0, 1.0));
        }

        @Test
        void clips_ct_to_the_percentiles_of_labelled_voxels() {
            Plan plan = plan(fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140)), 8);
            assertThat(plan.preprocessing().normalization())
                    .isEqualTo(Normalization.clipZScore(new Normalization.ClipRange(-160, 240, 80, 140)));
            float[] values = {-1000, -160, 80, 220, 3000};
            plan.preprocessing().normalization().apply(values, 0, 5, 0);
            // (−160 − 80) / 140 = −12/7 at and below the lower bound, (240 − 80) / 140 = 8/7 above the upper one
            assertThat(values).containsExactly(new float[] {-12 / 7f, -12 / 7f, 0, 1, 8 / 7f}, within(1e-6f));
        }

        @Test
        void normalises_each_channel_by_its_name() {
            List<CaseExtent> cases = List.of(new CaseExtent("a", new Grid(40, 50, 60), List.of(1.0, 1.0, 1.0), 0.5));
            List<String> channels = List.of("PET", " ct", "noNorm", "RESCALE_TO_0_1", "rgb_to_0_1", "zscore");
            List<Intensities> intensities = new ArrayList<>(java.util.Collections.nCopies(6, SOFT_TISSUE));
            Plan plan = plan(new Fingerprint(channels, cases, intensities, Map.of(1, 1)), 8);
            assertThat(plan.preprocessing().normalization().toConfig())
                    .isEqualTo(List.of(
                            "z_score_nonzero",
                            Map.of(
                                    "kind", "clip_z_score",
                                    "lower", List.of(-160.0),
                                    "upper", List.of(240.0),
                                    "mean", List.of(80.0),
                                    "std", List.of(140.0)),
                            "none",
                            "min_max",
                            "rgb_to_0_1",
                            "z_score_nonzero"));
            assertThat(plan.reasons().get("normalization").toString())
                    .contains("0 PET=", "1 ct=clipped", "2 noNorm=left as it is", "3 RESCALE_TO_0_1=", "5 zscore=");
            assertThat(Plan.fromMap(plan.toMap()).preprocessing()).isEqualTo(plan.preprocessing());
        }

        @Test
        void says_so_where_ct_has_no_labelled_voxel() {
            List<CaseExtent> cases = List.of(new CaseExtent("a", new Grid(40, 50, 60), List.of(1.0, 1.0, 1.0), 1));
            Plan plan = plan(new Fingerprint(List.of("CT"), cases, List.of(), Map.of()), 8);
            assertThat(plan.preprocessing().normalization()).isEqualTo(Normalization.zScore());
            assertThat(plan.reasons().get("normalization").toString()).contains("no voxel is labelled");
        }

        @Test
        void counts_nonzero_voxels_only_where_borders_are_mostly_empty() {
            Plan plan = plan(fingerprint("T1", 0.3, List.of(1.0, 1.0, 1.0), new Grid(140, 170, 140)), 8);
            assertThat(plan.preprocessing().normalization()).isEqualTo(Normalization.zScoreNonzero());
        }
    }

    @Nested
    class PatchAndBatch {
        @Test
        void hold_small_scans_whole() {
            // 9 voxels become 16, to which the network with these sr ratios would pad them.
            Plan plan = plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 1.0), new Grid(35, 51, 9)), 8);
            assertThat(plan.patch()).isEqualTo(new Grid(32, 48, 16));
        }

        @Test
        void shrink_with_the_memory_and_stay_within_it() {
            Fingerprint abdomen = fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140));
            long last = Long.MAX_VALUE;
            for (double gib : new double[] {16, 8, 4, 2}) {
                Plan plan = plan(abdomen, gib);
                assertThat(TrainingMemory.bytes(MODEL, plan.patch(), plan.batch()))
                        .isLessThanOrEqualTo((long) (gib * GIB));
                assertThat((long) plan.patch().tokens()).isLessThan(last);
                last = plan.patch().tokens();
            }
        }

        @Test
        void keep_the_shape_of_the_scans() {
            Grid patch = plan(fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140)), 4)
                    .patch();
            assertThat(patch.height()).isBetween(patch.width() - 16, patch.width() + 16);
            assertThat(patch.depth()).isLessThan(patch.height());
            assertThat(patch.depth() / 140.0).isCloseTo(patch.height() / 512.0, within(0.12));
        }

        @Test
        void take_a_larger_batch_of_small_patches_from_many_cases_only() {
            Grid size = new Grid(32, 48, 32);
            Grid[] many = new Grid[260];
            java.util.Arrays.fill(many, size);
            assertThat(plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 1.0), many), 8)
                            .batch())
                    .isEqualTo(13); // a twentieth of 260 scans that one patch holds
            assertThat(plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 1.0), size), 8)
                            .batch())
                    .isEqualTo(2);
        }

        @Test
        void are_refused_where_nothing_fits() {
            Fingerprint abdomen = fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140));
            assertThatThrownBy(() -> plan(abdomen, 0.05))
                    .isInstanceOf(ConfigException.class)
                    .hasMessageContainingAll("memory", "0.1 GiB", "16×16×16");
        }

        @Test
        void cost_memory_in_proportion_to_the_batch_but_for_the_weights() {
            Grid patch = new Grid(96, 96, 96);
            long one = TrainingMemory.bytes(MODEL, patch, 1);
            long two = TrainingMemory.bytes(MODEL, patch, 2);
            long three = TrainingMemory.bytes(MODEL, patch, 3);
            assertThat(three - two).isCloseTo(two - one, within(2L));
            // A process that trained on two patches of 4×96³ took 1.43 GB, 0.3 GB of it before the first step.
            assertThat(two / 1e9).isBetween(1.0, 1.3);
        }
    }

    @Nested
    class PlanFiles {
        @Test
        void come_back_as_they_were_and_as_they_were_edited() {
            Plan plan = plan(fingerprint("CT", 1, List.of(0.8, 0.8, 3.0), new Grid(512, 512, 140)), 4);
            assertThat(Plan.fromMap(plan.toMap())).isEqualTo(plan);
            Map<String, Object> edited = new LinkedHashMap<>(plan.toMap());
            edited.put("patch_size", List.of(64, 128, 128));
            edited.remove("reasons");
            assertThat(Plan.fromMap(edited).patch()).isEqualTo(new Grid(64, 128, 128));
        }

        @Test
        void name_the_key_that_is_wrong() {
            Map<String, Object> map =
                    new LinkedHashMap<>(plan(fingerprint("MRI", 1, List.of(1.0, 1.0, 1.0), new Grid(35, 51, 36)), 4)
                            .toMap());
            map.put("patch_size", List.of(64, 128));
            assertThatThrownBy(() -> Plan.fromMap(map)).hasMessageContainingAll("patch_size", "three sizes");
            map.put("patch_sise", List.of(64, 128, 128));
            assertThatThrownBy(() -> Plan.fromMap(map)).hasMessageContainingAll("patch_sise", "patch_size");
            assertThatThrownBy(() -> Plan.fromMap(Map.of())).hasMessageContaining("plan_version");
        }
    }
}
