package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dataset.LabelClass;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.metrics.Evaluation.Grids;
import org.segformer3d.eval.result.CaseFailure;

class EvaluationTests {
    private static final Geometry ROW = Geometry.of(new Grid(8, 1, 1), Affine.scaling(1, 2, 5));

    @TempDir
    private Path folder;

    private Path predictions;
    private Path labels;

    @BeforeEach
    void makeFolders() throws IOException {
        predictions = Files.createDirectory(folder.resolve("predictions"));
        labels = Files.createDirectory(folder.resolve("labels"));
    }

    private static void write(Path where, String id, Geometry geometry, int... values) throws IOException {
        NiftiWriter.writeLabels(where.resolve(id + ".nii.gz"), Volume.ofLabels(values, geometry));
    }

    private void pair(String id, int[] predicted, int... truth) throws IOException {
        write(predictions, id, ROW, predicted);
        write(labels, id, ROW, truth);
    }

    private static int[] of(int... values) {
        return values;
    }

    private Evaluation evaluation() {
        return new Evaluation(predictions, labels);
    }

    /** Three cases: a good one, one without class 2, one where class 2 was invented. */
    private void threeCases() throws IOException {
        pair("a", of(1, 1, 1, 0, 2, 2, 0, 0), 1, 1, 0, 0, 2, 2, 2, 2);
        pair("b", of(1, 0, 0, 0, 0, 0, 0, 0), 1, 0, 0, 0, 0, 0, 0, 0);
        pair("c", of(0, 0, 2, 2, 0, 0, 0, 0), 1, 1, 0, 0, 0, 0, 0, 0);
    }

    @Nested
    class Scores {
        @Test
        void are_dice_per_class_and_case() throws IOException {
            threeCases();
            EvaluationSummary summary = evaluation()
                    .scoring(List.of(LabelClass.of(0, "background"), LabelClass.of(1, "one"), LabelClass.of(2, "two")))
                    .run();
            assertThat(summary.classes()).extracting(LabelClass::name).containsExactly("one", "two");
            assertThat(summary.cases()).extracting(CaseScores::id).containsExactly("a", "b", "c");
            CaseScores a = summary.cases().get(0);
            assertThat(a.get(Measure.DICE, 0)).isEqualTo(0.8);
            assertThat(a.get(Measure.DICE, 1)).isEqualTo(2 * 2 / 6.0);
            assertThat(a.get(Measure.IOU, 1)).isEqualTo(0.5);
            assertThat(a.get(Measure.SENSITIVITY, 1)).isEqualTo(0.5);
            assertThat(a.get(Measure.PRECISION, 0)).isEqualTo(2 / 3.0);
            assertThat(a.get(Measure.SPECIFICITY, 0)).isEqualTo(5 / 6.0);
            // voxels of 10 mm³
            assertThat(a.predictedMillilitres(1)).isEqualTo(0.02, within(1e-12));
            assertThat(a.truthMillilitres(1)).isEqualTo(0.04, within(1e-12));
            assertThat(a.volumeDifferenceMillilitres(1)).isEqualTo(-0.02, within(1e-12));
            assertThat(summary.cases().get(1).get(Measure.DICE, 1)).isNaN();
            assertThat(summary.cases().get(2).get(Measure.DICE, 1)).isNaN();
            assertThat(summary.bothEmpty(1)).isEqualTo(1);
            assertThat(summary.failures()).isEmpty();
        }

        @Test
        void of_surfaces_are_in_the_truths_millimetres() throws IOException {
            Geometry slices = Geometry.of(new Grid(1, 2, 4), Affine.scaling(1, 2, 5));
            write(predictions, "a", slices, 1, 0, 0, 2, 0, 0, 9, 0);
            write(labels, "a", slices, 0, 0, 1, 9, 0, 0, 9, 0);
            SurfaceScores scores = evaluation()
                    .scoring(List.of(LabelClass.of(1, "one"), LabelClass.of(2, "two"), LabelClass.of(9, "ignore")))
                    .run()
                    .cases()
                    .get(0)
                    .surfaces()
                    .get(0);
            assertThat(scores.get(SurfaceMeasure.HD95_MM)).isEqualTo(10);
            assertThat(scores.get(SurfaceMeasure.ASSD_MM)).isEqualTo(10);
            assertThat(scores.get(SurfaceMeasure.NSD_1MM)).isZero();
        }

        @Test
        void of_surfaces_leave_out_voxels_that_the_truth_says_to_ignore() throws IOException {
            pair("a", of(1, 0, 0, 0, 0, 0, 0, 1), 1, 0, 0, 0, 0, 0, 0, 9);
            EvaluationSummary summary = evaluation()
                    .scoring(List.of(LabelClass.of(1, "organ"), LabelClass.of(9, "ignore")))
                    .run();
            assertThat(summary.spread(SurfaceMeasure.HD95_MM, 0)).isEqualTo(new Spread(0, 0, 0, 1, 0));
        }

        @Test
        void are_averaged_where_they_are_defined() throws IOException {
            threeCases();
            EvaluationSummary summary = evaluation().run();
            assertThat(summary.spread(Measure.DICE, 0).mean()).isEqualTo(0.6, within(1e-12));
            assertThat(summary.spread(Measure.DICE, 0).median()).isEqualTo(0.8);
            assertThat(summary.spread(Measure.DICE, 0).std())
                    .isEqualTo(Math.sqrt((0.04 + 0.16 + 0.36) / 3), within(1e-12));
            assertThat(summary.spread(Measure.DICE, 1)).isEqualTo(new Spread(2 / 3.0, 0, 2 / 3.0, 1, 2));
            assertThat(summary.overall(Measure.DICE).mean())
                    .isEqualTo(((0.8 + 2 / 3.0) / 2 + 1 + 0) / 3, within(1e-12));
            assertThat(summary.meanOfClasses(Measure.DICE)).isEqualTo((0.6 + 2 / 3.0) / 2, within(1e-12));
        }

        @Test
        void take_every_value_that_occurs_when_no_class_is_named() throws IOException {
            pair("a", of(3, 0, 0, 0, 0, 0, 0, 0), 0, 0, 0, 0, 0, 0, 0, 7);
            assertThat(evaluation().run().classes())
                    .extracting(LabelClass::name)
                    .containsExactly("3", "7");
        }

        @Test
        void of_regions_unite_their_values() throws IOException {
            pair("a", of(1, 2, 4, 0, 0, 0, 0, 0), 2, 4, 1, 1, 0, 0, 0, 0);
            EvaluationSummary summary =
                    evaluation().scoring(LabelSpec.preset("brats2021")).run();
            assertThat(summary.classes()).extracting(LabelClass::name).containsExactly("TC", "WT", "ET");
            assertThat(summary.cases().get(0).counts())
                    .containsExactly(
                            new OverlapCounts(1, 1, 2, 4),
                            new OverlapCounts(3, 0, 1, 4),
                            new OverlapCounts(0, 1, 1, 6));
        }

        @Test
        void of_exclusive_classes_leave_the_background_out() throws IOException {
            threeCases();
            assertThat(evaluation()
                            .scoring(LabelSpec.softmax("one", "two"))
                            .run()
                            .classes())
                    .extracting(LabelClass::name)
                    .containsExactly("one", "two");
        }

        @Test
        void leave_out_voxels_that_the_truth_says_to_ignore() throws IOException {
            pair("a", of(1, 1, 1, 1, 0, 0, 0, 0), 1, 1, 9, 9, 9, 1, 0, 0);
            EvaluationSummary summary = evaluation()
                    .scoring(List.of(LabelClass.of(1, "organ"), LabelClass.of(9, "ignore")))
                    .run();
            assertThat(summary.classes()).extracting(LabelClass::name).containsExactly("organ");
            assertThat(summary.cases().get(0).counts()).containsExactly(new OverlapCounts(2, 0, 1, 2));
        }

        @Test
        void of_all_values_can_leave_some_out() throws IOException {
            pair("a", of(1, 1, 1, 1, 0, 0, 0, 0), 1, 1, 9, 9, 9, 1, 0, 0);
            EvaluationSummary summary = evaluation().ignoring(List.of(9)).run();
            assertThat(summary.classes()).extracting(LabelClass::name).containsExactly("1");
            assertThat(summary.cases().get(0).counts()).containsExactly(new OverlapCounts(2, 0, 1, 2));
            assertThat(summary.unscoredValues()).isEmpty();
            assertThatThrownBy(() -> evaluation()
                            .scoring(List.of(LabelClass.of(9, "nine")))
                            .ignoring(List.of(9)))
                    .hasMessageContainingAll("9", "'nine'");
        }

        @Test
        void of_a_model_leave_out_what_it_ignores() throws IOException {
            pair("a", of(1, 1, 1, 1, 0, 0, 0, 0), 1, 1, 9, 9, 9, 1, 0, 0);
            EvaluationSummary summary = evaluation()
                    .scoring(LabelSpec.softmax("organ").ignoring(List.of(9)))
                    .run();
            assertThat(summary.classes()).extracting(LabelClass::name).containsExactly("organ");
            assertThat(summary.cases().get(0).counts()).containsExactly(new OverlapCounts(2, 0, 1, 2));
        }

        @Test
        void say_which_values_belong_to_no_class() throws IOException {
            pair("a", of(1, 3, 0, 0, 0, 0, 0, 0), 1, 4, 0, 0, 0, 0, 0, 0);
            EvaluationSummary summary =
                    evaluation().scoring(List.of(LabelClass.of(1, "one"))).run();
            assertThat(summary.unscoredValues()).containsExactly(3, 4);
            assertThat(summary.table()).contains("label values that belong to no class: [3, 4]");
        }

        @Test
        void may_be_of_certain_cases_only() throws IOException {
            threeCases();
            write(labels, "d", ROW, 1, 0, 0, 0, 0, 0, 0, 0);
            EvaluationSummary summary = evaluation().forCases(List.of("c", "a")).run();
            assertThat(summary.cases()).extracting(CaseScores::id).containsExactly("a", "c");
            assertThat(summary.failures()).isEmpty();
        }
    }

    @Nested
    class Failures {
        @Test
        void name_a_file_missing_on_either_side() throws IOException {
            threeCases();
            write(labels, "onlyLabel", ROW, new int[8]);
            write(predictions, "onlyPrediction", ROW, new int[8]);
            EvaluationSummary summary = evaluation().run();
            assertThat(summary.cases()).hasSize(3);
            assertThat(summary.failures())
                    .containsExactly(
                            new CaseFailure(
                                    "onlyLabel",
                                    predictions
                                            + ": no prediction for case 'onlyLabel', expected a file such as onlyLabel.nii.gz"),
                            new CaseFailure(
                                    "onlyPrediction",
                                    labels
                                            + ": no label for case 'onlyPrediction', expected a file such as onlyPrediction.nii.gz"));
            assertThat(summary.table()).contains("2 cases could not be compared:\n  onlyLabel: ");
        }

        @Test
        void name_both_values_of_what_differs() throws IOException {
            threeCases();
            write(predictions, "a", Geometry.of(new Grid(2, 4, 1), ROW.affine()), new int[8]);
            write(predictions, "b", Geometry.of(ROW.size(), ROW.affine().translatedVoxels(0.6, 0, 0)), new int[8]);
            EvaluationSummary summary = evaluation().run();
            assertThat(summary.cases()).extracting(CaseScores::id).containsExactly("c");
            assertThat(summary.failures().get(0).reason())
                    .contains("found 2×4×1 voxels, expected 8×1×1", predictions.toString(), labels.toString());
            assertThat(summary.failures().get(1).reason())
                    .contains(
                            "found origin [0.6 0.0 0.0] mm, expected [0.0 0.0 0.0] mm as in " + labels,
                            "corners lie up to 0.6 voxels apart, at most 0.5 are allowed")
                    .doesNotContain("spacing", "axes");
        }

        @Test
        void name_spacings_and_directions_too() throws IOException {
            threeCases();
            write(predictions, "a", Geometry.of(ROW.size(), Affine.scaling(1.1, 2, 5)), new int[8]);
            write(predictions, "b", Geometry.of(ROW.size(), Affine.scaling(-1, 2, 5)), new int[8]);
            EvaluationSummary summary = evaluation().run();
            assertThat(summary.failures().get(0).reason())
                    .contains("found spacing [1.1 2.0 5.0] mm, expected [1.0 2.0 5.0] mm")
                    .doesNotContain("origin", "axes");
            assertThat(summary.failures().get(1).reason())
                    .contains("found axes LAS ([-1.0 0.0 0.0], ", "expected RAS ([1.0 0.0 0.0], ");
        }

        @Test
        void do_not_include_what_lies_within_half_a_voxel() throws IOException {
            threeCases();
            write(
                    predictions,
                    "b",
                    Geometry.of(ROW.size(), ROW.affine().translatedVoxels(0.4, 0, 0)),
                    1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0);
            assertThat(evaluation().run().failures()).isEmpty();
        }

        @Test
        void are_scored_on_the_truths_grid_when_that_is_wanted() throws IOException {
            // Twice as fine along the first axis, and beginning two voxels of the truth earlier.
            Geometry fine = Geometry.of(new Grid(12, 1, 1), Affine.ofRows(0.5, 0, 0, -2.25, 0, 2, 0, 0, 0, 0, 5, 0));
            write(predictions, "a", fine, 9, 9, 9, 9, 1, 1, 1, 1, 0, 0, 2, 2);
            write(labels, "a", ROW, 1, 1, 0, 2, 0, 0, 0, 2);
            assertThat(evaluation().run().failures()).hasSize(1);
            EvaluationSummary summary = evaluation().with(Grids.RESAMPLED).run();
            assertThat(summary.failures()).isEmpty();
            assertThat(summary.cases().get(0).resampled()).isTrue();
            assertThat(summary.cases().get(0).counts())
                    .containsExactly(new OverlapCounts(2, 0, 0, 6), new OverlapCounts(1, 0, 1, 6));
        }

        @Test
        void are_compared_voxel_by_voxel_when_the_geometry_is_to_be_ignored() throws IOException {
            write(predictions, "a", Geometry.of(ROW.size(), Affine.scaling(7, 7, 7)), 1, 1, 0, 0, 0, 0, 0, 0);
            write(labels, "a", ROW, 1, 1, 0, 0, 0, 0, 0, 0);
            write(predictions, "b", Geometry.of(new Grid(2, 4, 1), ROW.affine()), new int[8]);
            write(labels, "b", ROW, new int[8]);

            EvaluationSummary summary = evaluation().with(Grids.IGNORED).run();

            assertThat(summary.cases()).extracting(CaseScores::id).containsExactly("a");
            assertThat(summary.cases().get(0).get(Measure.DICE, 0)).isEqualTo(1);
            assertThat(summary.cases().get(0).truthMillilitres(0)).isEqualTo(0.02);
            assertThat(summary.failures().get(0).reason()).contains("2×4×1");
        }

        @Test
        void are_left_out_and_named_where_a_partner_may_be_missing() throws IOException {
            threeCases();
            write(labels, "onlyLabel", ROW, new int[8]);
            write(predictions, "onlyPrediction", ROW, new int[8]);

            EvaluationSummary summary = evaluation().allowingMissing().run();

            assertThat(summary.failures()).isEmpty();
            assertThat(summary.leftOut())
                    .containsExactly(
                            new CaseFailure("onlyLabel", "has no prediction"),
                            new CaseFailure("onlyPrediction", "has no label"));
            assertThat(summary.table()).contains("2 cases left out:\n  onlyLabel: has no prediction\n");
        }

        @Test
        void include_scans_where_label_maps_belong() throws IOException {
            Grid size = new Grid(10, 10, 10);
            int[] noise = new Random(5).ints(1000, 0, 400).toArray();
            write(predictions, "scan", Geometry.of(size, Affine.IDENTITY), noise);
            write(labels, "scan", Geometry.of(size, Affine.IDENTITY), new int[1000]);

            assertThat(evaluation().run().failures().get(0).reason())
                    .contains("predictions", "scan.nii.gz", "looks like an image");
            EvaluationSummary named =
                    evaluation().scoring(List.of(LabelClass.of(1, "organ"))).run();
            assertThat(named.cases()).hasSize(1);
            assertThat(named.classes()).hasSize(1);
        }

        @Test
        void include_files_that_hold_no_labels() throws IOException {
            threeCases();
            NiftiWriter.write(
                    predictions.resolve("a.nii.gz"), Volume.of(new float[] {0.5f, 0, 0, 0, 0, 0, 0, 0}, 1, ROW));
            Files.writeString(labels.resolve("b.nii.gz"), "not an image");
            EvaluationSummary summary = evaluation().run();
            assertThat(summary.failures()).extracting(CaseFailure::id).containsExactly("a", "b");
            assertThat(summary.failures().get(0).reason()).contains("found 0.5 at voxel (0, 0, 0)");
            assertThat(summary.failures().get(1).reason()).contains("b.nii.gz");
        }

        @Test
        void of_everything_are_an_exception() throws IOException {
            assertThatExceptionOfType(DatasetException.class)
                    .isThrownBy(() -> evaluation().run())
                    .withMessageContaining("no images in this folder");
            write(predictions, "a", ROW, new int[8]);
            write(labels, "a_gt", ROW, new int[8]);
            assertThatExceptionOfType(DatasetException.class)
                    .isThrownBy(() -> evaluation().run())
                    .withMessageContaining("found no case that is also in " + labels)
                    .withMessageContaining("found a here and a_gt there");
            assertThatExceptionOfType(DatasetException.class)
                    .isThrownBy(() -> new Evaluation(predictions, folder.resolve("nowhere")).run())
                    .withMessageContaining("no such folder");
            NiftiWriter.writeLabels(predictions.resolve("a.nii"), Volume.ofLabels(new int[8], ROW));
            assertThatExceptionOfType(DatasetException.class)
                    .isThrownBy(() -> evaluation().run())
                    .withMessageContaining("expected one file a case");
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> evaluation().scoring(List.of(LabelClass.of(1, "x"), LabelClass.of(2, "x"))))
                    .withMessageContaining("distinct names");
        }
    }

    @Nested
    class Output {
        @Test
        void is_a_table_for_people() throws IOException {
            threeCases();
            assertThat(evaluation().run().table()).isEqualTo("""
                            case, worst first                                  1                         2                      mean
                            ──────────────────────────  ────────────────────────  ────────────────────────  ────────────────────────
                            c                                             0.0000                         –                    0.0000
                            a                                             0.8000                    0.6667                    0.7333
                            b                                             1.0000                         –                    1.0000
                            ──────────────────────────  ────────────────────────  ────────────────────────  ────────────────────────
                            Dice, mean ± std (cases)         0.6000 ± 0.4320 (3)       0.6667 ± 0.0000 (1)       0.5778 ± 0.4228 (3)
                            95 % interval                        0.0000 – 1.0000                         –           0.0000 – 1.0000
                            median                                        0.8000                    0.6667                    0.7333
                            IoU                              0.5556 ± 0.4157 (3)       0.5000 ± 0.0000 (1)       0.5278 ± 0.4101 (3)
                            sensitivity                      0.6667 ± 0.4714 (3)       0.5000 ± 0.0000 (1)       0.5833 ± 0.4249 (3)
                            specificity                      0.9444 ± 0.0786 (3)       0.9167 ± 0.1179 (3)       0.9306 ± 0.0520 (3)
                            precision                        0.8333 ± 0.1667 (2)       0.5000 ± 0.5000 (2)       0.6111 ± 0.4374 (3)
                            relative volume difference      -0.1667 ± 0.6236 (3)      -0.5000 ± 0.0000 (1)      -0.3333 ± 0.4714 (3)
                            HD mm                       0.5000 ± 0.5000 (2 +1 ∞)  2.0000 ± 0.0000 (1 +1 ∞)  0.7500 ± 0.7500 (2 +1 ∞)
                            HD95 mm                     0.4500 ± 0.4500 (2 +1 ∞)  1.8500 ± 0.0000 (1 +1 ∞)  0.6875 ± 0.6875 (2 +1 ∞)
                            HD95 directed mm            0.4500 ± 0.4500 (2 +1 ∞)  0.0000 ± 0.0000 (1 +1 ∞)  0.2250 ± 0.2250 (2 +1 ∞)
                            ASD mm                      0.1667 ± 0.1667 (2 +1 ∞)  0.0000 ± 0.0000 (1 +1 ∞)  0.0833 ± 0.0833 (2 +1 ∞)
                            ASSD mm                     0.1000 ± 0.1000 (2 +1 ∞)  0.5000 ± 0.0000 (1 +1 ∞)  0.1750 ± 0.1750 (2 +1 ∞)
                            NSD 1 mm                         0.6667 ± 0.4714 (3)       0.4167 ± 0.4167 (2)       0.6389 ± 0.4530 (3)
                            NSD 2 mm                         0.6667 ± 0.4714 (3)       0.5000 ± 0.5000 (2)       0.6667 ± 0.4714 (3)
                            (n): n of 3 cases are counted, those that have the class; +n ∞: n more, where only one of prediction and truth has it, are in no mean
                            """);
        }

        @Test
        void is_json_with_null_and_a_reason_for_what_is_not_defined() throws IOException {
            threeCases();
            evaluation().run().write(folder.resolve("new/report"), Map.of("made_by", "test"));
            JsonNode json = new ObjectMapper()
                    .readTree(folder.resolve("new/report/evaluation.json").toFile());
            JsonNode b = json.get("cases").get(1).get("classes").get(1);
            assertThat(b.get("dice").isNull()).isTrue();
            assertThat(b.get("hd95_mm").isNull()).isTrue();
            assertThat(b.get("truth_empty").asBoolean()).isTrue();
            assertThat(b.get("prediction_empty").asBoolean()).isTrue();
            JsonNode c = json.get("cases").get(2).get("classes").get(1);
            assertThat(c.get("dice").isNull()).isTrue();
            assertThat(c.get("assd_mm").isNull()).isTrue();
            assertThat(c.get("nsd_1mm").asDouble()).isZero();
            assertThat(c.get("prediction_empty").asBoolean()).isFalse();
            assertThat(c.get("precision").asDouble()).isZero();
            assertThat(json.get("classes").get(1).get("dice").get("undefined").asInt())
                    .isEqualTo(2);
            assertThat(json.get("classes").get(1).get("both_empty").asInt()).isEqualTo(1);
            assertThat(json.get("overall").get("dice").get("mean_of_classes").asDouble())
                    .isEqualTo((0.6 + 2 / 3.0) / 2, within(1e-12));
            assertThat(json.get("provenance").get("made_by").asText()).isEqualTo("test");
        }

        @Test
        void is_read_back_as_it_was() throws IOException {
            threeCases();
            write(labels, "d", ROW, new int[8]);
            EvaluationSummary summary = evaluation().run();
            summary.write(folder, Map.of());
            assertThat(EvaluationSummary.read(folder.resolve("evaluation.json")))
                    .isEqualTo(summary);
        }

        @Test
        void of_another_kind_is_not_read() throws IOException {
            Path file = folder.resolve("evaluation.json");
            Files.writeString(file, "{");
            assertThatExceptionOfType(CorruptFileException.class).isThrownBy(() -> EvaluationSummary.read(file));
            Files.writeString(file, "{\"format\": \"other\"}");
            assertThatExceptionOfType(UnsupportedFileException.class)
                    .isThrownBy(() -> EvaluationSummary.read(file))
                    .withMessageContaining("found format other, expected segformer3d-evaluation");
            Files.writeString(file, "{\"format\": \"segformer3d-evaluation\", \"version\": 2}");
            assertThatExceptionOfType(TooNewFileException.class).isThrownBy(() -> EvaluationSummary.read(file));
            Files.writeString(file, "{\"format\": \"segformer3d-evaluation\", \"version\": 1}");
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> EvaluationSummary.read(file))
                    .withMessageContaining("incomplete");
        }

        @Test
        void begins_with_the_worst_cases() throws IOException {
            threeCases();
            evaluation().run().write(folder, Map.of());
            assertThat(new ObjectMapper()
                            .readTree(folder.resolve("evaluation.json").toFile())
                            .get("worst_first")
                            .toString())
                    .isEqualTo("[\"c\",\"a\",\"b\"]");
            assertThat(Files.readAllLines(folder.resolve("evaluation.csv")))
                    .extracting(line -> line.substring(0, 1))
                    .containsExactly("c", "c", "c", "a", "a", "b", "b");
            assertThat(Files.readAllLines(folder.resolve("summary.csv")))
                    .hasSize(1 + 3 * Score.all().size())
                    .startsWith("class,score,mean,std,median,ci95_low,ci95_high,counted,undefined,infinite")
                    .anyMatch(line -> line.startsWith("1,dice,0.6") && line.endsWith(",0.0,1.0,3,0,0"));
        }

        @Test
        void names_each_maker_of_the_predictions_once() throws IOException {
            threeCases();
            String description = """
                    {"format": "segformer3d-prediction", "provenance": {"backend": "reference", "device": "cpu",
                     "model": {"name": "m", "weights_hash": "%s", "configuration_hash": "c"}}}""";
            Files.writeString(predictions.resolve("a.json"), description.formatted("w1"));
            Files.writeString(predictions.resolve("b.json"), description.formatted("w1"));
            Files.writeString(predictions.resolve("c.json"), description.formatted("w2"));
            Files.writeString(predictions.resolve("dataset.json"), "{\"name\": \"other\"}");
            Files.writeString(predictions.resolve("broken.json"), "{");
            assertThat(evaluation().provenance().get("predicted_by"))
                    .asInstanceOf(org.assertj.core.api.InstanceOfAssertFactories.LIST)
                    .extracting(Object::toString)
                    .containsExactly(
                            "{model=m, weights_hash=w1, configuration_hash=c, version=null, backend=reference, device=cpu}",
                            "{model=m, weights_hash=w2, configuration_hash=c, version=null, backend=reference, device=cpu}");
        }

        @Test
        void is_csv_with_empty_fields_for_what_is_not_defined() throws IOException {
            threeCases();
            evaluation()
                    .scoring(List.of(LabelClass.of(1, "one"), LabelClass.of(2, "two, or \"more\"")))
                    .run()
                    .write(folder, Map.of());
            assertThat(Files.readAllLines(folder.resolve("evaluation.csv")))
                    .hasSize(7)
                    .startsWith(
                            "case,class,dice,iou,sensitivity,specificity,precision,relative_volume_difference,true_positives,false_positives,"
                                    + "false_negatives,true_negatives,predicted_ml,truth_ml,volume_difference_ml,hd_mm,hd95_mm,hd95_directed_mm,asd_mm,assd_mm,"
                                    + "nsd_1mm,nsd_2mm")
                    .contains("b,\"two, or \"\"more\"\"\",,,,1.0,,,0,0,0,8,0.0,0.0,0.0,,,,,,,");
        }
    }
}
