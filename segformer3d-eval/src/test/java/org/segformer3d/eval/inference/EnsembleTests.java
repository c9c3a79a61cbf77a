package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.WeightInitializer;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.TinyModel;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.postprocessing.PostprocessingStep;

class EnsembleTests {
    private static final Geometry BOX = Geometry.of(new Grid(18, 40, 17), Affine.scaling(1, 1, 2));

    @TempDir
    private Path folder;

    private final Backend backend = TinyModel.backend();
    private Path scan;

    @BeforeEach
    void writeScan() throws IOException {
        scan = folder.resolve("scan.nii.gz");
        NiftiWriter.write(scan, TinyModel.scan(3, BOX));
    }

    @AfterEach
    void closeBackend() {
        backend.close();
    }

    private static LabelSpec labels(LabelSpec.Mode mode) {
        return mode == LabelSpec.Mode.SOFTMAX ? LabelSpec.softmax("organ", "lesion") : LabelSpec.preset("brats2021");
    }

    private static ModelBundle bundle(LabelSpec labels, long seed) {
        ModelBundle base = TinyModel.bundle(1, labels, TinyModel.intensitiesOnly());
        return new ModelBundle(
                "seed-" + seed,
                base.network(),
                WeightInitializer.initialize(base.network().parameters(), seed),
                base.preprocessing(),
                labels,
                base.inference(),
                base.provenance());
    }

    private Path predict(String to, MemoryBudget budget, List<MemoryPlan> plans, ModelBundle... members)
            throws IOException {
        Path target = folder.resolve(to);
        try (Segmenter segmenter = Segmenter.open(backend, Ensemble.of(List.of(members)), budget)) {
            PredictionReport report = new PredictionJob(List.of(scan), new PredictionOutput(target, true, true, true))
                    .run(segmenter, new PredictionListener() {
                        @Override
                        public void planned(Case one, MemoryPlan plan) {
                            plans.add(plan);
                        }
                    });
            assertThat(report.failures()).isEmpty();
        }
        return target;
    }

    private Path predict(String to, ModelBundle... members) throws IOException {
        return predict(to, MemoryBudget.of(8L << 30), new ArrayList<>(), members);
    }

    private static final List<String> FILES =
            List.of("scan.nii.gz", "logits/scan.nii.gz", "probabilities/scan.nii.gz", "uncertainty/scan.nii.gz");

    @Nested
    class Probabilities {
        @ParameterizedTest
        @EnumSource(LabelSpec.Mode.class)
        void of_twice_the_same_bundle_are_the_bundles_bit_for_bit(LabelSpec.Mode mode) throws IOException {
            ModelBundle bundle = bundle(labels(mode), 7);
            Path one = predict("one", bundle);
            Path three = predict("three", bundle, bundle, bundle);
            for (String file : FILES) {
                assertThat(three.resolve(file)).hasSameBinaryContentAs(one.resolve(file));
            }
        }

        @ParameterizedTest
        @EnumSource(LabelSpec.Mode.class)
        void are_the_mean_of_the_members_own_with_their_own_windows_and_mirroring(LabelSpec.Mode mode)
                throws IOException {
            ModelBundle a = bundle(labels(mode), 7);
            ModelBundle b = bundle(labels(mode), 8);
            ModelBundle c = bundle(labels(mode), 9);
            b = b.withInference(new InferenceSpec(new Grid(16, 32, 16), 0.25, Blend.CONSTANT, 1));
            c = c.withInference(c.inference().withMirrorAxes(List.of(1)));
            float[][] own = {
                probabilities(predict("a", a)), probabilities(predict("b", b)), probabilities(predict("c", c))
            };
            Path all = predict("all", a, b, c);
            float[] found = probabilities(all);
            float[] mean = new float[found.length];
            double apart = 0;
            for (int n = 0; n < found.length; n++) {
                mean[n] = (float) (((double) own[0][n] + own[1][n] + own[2][n]) / 3);
                apart = Math.max(apart, Math.abs(own[0][n] - own[1][n]));
            }
            assertThat(apart).isGreaterThan(0.01);
            assertThat(found).containsExactly(mean, within(1e-6f));
            Volume labels = NiftiReader.read(all.resolve("scan.nii.gz"));
            assertThat(labels.values()).containsExactly(decoded(labels(mode), mean));
        }

        private float[] probabilities(Path output) throws IOException {
            return NiftiReader.read(output.resolve("probabilities/scan.nii.gz")).values();
        }

        /** Decodes by hand: the largest probability, or regions painted where theirs is above a half. */
        private float[] decoded(LabelSpec spec, float[] probabilities) {
            int voxels = BOX.size().tokens();
            float[] labels = new float[voxels];
            for (int n = 0; n < voxels; n++) {
                if (spec.mode() == LabelSpec.Mode.SOFTMAX) {
                    int best = 0;
                    for (int c = 1; c < 3; c++) {
                        best = probabilities[c * voxels + n] > probabilities[best * voxels + n] ? c : best;
                    }
                    labels[n] = best;
                } else {
                    boolean core = probabilities[n] > 0.5;
                    boolean whole = probabilities[voxels + n] > 0.5;
                    boolean enhancing = probabilities[2 * voxels + n] > 0.5;
                    labels[n] = enhancing ? 4 : core ? 1 : whole ? 2 : 0;
                }
            }
            return labels;
        }
    }

    @Nested
    class Logits {
        private final Grid one = new Grid(1, 1, 1);

        private float[] mean(LabelSpec spec, float[]... members) {
            ProbabilityMean mean = new ProbabilityMean(spec, one, 1);
            mean.begin(0, 1);
            for (float[] member : members) {
                mean.accept(0, 0, HostTensor.of(member, member.length, 1, 1, 1));
                mean.next();
            }
            float[] found = new float[members[0].length];
            mean.handOut((start, row, block) -> block.floatBuffer().get(found));
            return found;
        }

        @Test
        void keep_apart_what_is_certain_to_all_of_float32() {
            // Both probabilities are 1 in float32; the second is the larger one all the same.
            float[] found = mean(LabelSpec.sigmoid("a", "b"), new float[] {20, 40}, new float[] {21, 50});
            assertThat(found[0]).isCloseTo((float) -Math.log((Math.exp(-20) + Math.exp(-21)) / 2), within(1e-5f));
            assertThat(found[1]).isCloseTo((float) -Math.log((Math.exp(-40) + Math.exp(-50)) / 2), within(1e-5f));
        }

        @Test
        void stay_finite_however_large_they_are() {
            assertThat(mean(LabelSpec.sigmoid("a", "b"), new float[] {3e38f, -1000}, new float[] {-3e38f, 1000}))
                    .containsExactly(new float[] {0, 0}, within(1e-6f));
            for (float value : mean(LabelSpec.softmax("a"), new float[] {3e38f, -3e38f}, new float[] {3e38f, -2e38f})) {
                assertThat(Float.isFinite(value)).isTrue();
            }
        }

        @Test
        void weigh_every_member_equally() {
            float[] found = mean(
                    LabelSpec.sigmoid("a", "b"),
                    new float[] {2, -1},
                    new float[] {-3, -1},
                    new float[] {0.5f, 4},
                    new float[] {1, 1});
            double a = (sigmoid(2) + sigmoid(-3) + sigmoid(0.5) + sigmoid(1)) / 4;
            double b = (sigmoid(-1) + sigmoid(-1) + sigmoid(4) + sigmoid(1)) / 4;
            assertThat(sigmoid(found[0])).isCloseTo(a, within(1e-7));
            assertThat(sigmoid(found[1])).isCloseTo(b, within(1e-7));
        }

        private double sigmoid(double x) {
            return 1 / (1 + Math.exp(-x));
        }
    }

    @Nested
    class Memory {
        @Test
        void that_is_less_gives_the_same_results_in_strips() throws IOException {
            ModelBundle[] members = {
                bundle(labels(LabelSpec.Mode.SIGMOID), 7), bundle(labels(LabelSpec.Mode.SIGMOID), 8)
            };
            List<MemoryPlan> plans = new ArrayList<>();
            Path generous = predict("generous", MemoryBudget.of(8L << 30), plans, members);
            Path tight = null;
            while (plans.get(plans.size() - 1).strips(BOX.size()) == 1) {
                tight = predict(
                        "tight", MemoryBudget.of(plans.get(plans.size() - 1).bytes() - 1), plans, members);
            }
            for (String file : FILES) {
                assertThat(tight.resolve(file)).hasSameBinaryContentAs(generous.resolve(file));
            }
        }
    }

    @Nested
    class Members {
        @Test
        void are_listed_with_their_hashes_where_results_come_from() throws IOException {
            ModelBundle a = bundle(labels(LabelSpec.Mode.SOFTMAX), 7);
            ModelBundle b = bundle(labels(LabelSpec.Mode.SOFTMAX), 8);
            try (Segmenter segmenter = Segmenter.open(backend, Ensemble.of(List.of(a, b)), MemoryBudget.AVAILABLE)) {
                Map<?, ?> model = (Map<?, ?>)
                        segmenter.segment(List.of(scan)).provenance().get("model");
                assertThat(model.get("name")).isEqualTo("ensemble of 2: seed-7, seed-8");
                List<?> members = (List<?>) model.get("members");
                assertThat(members.stream()
                                .map(member -> ((Map<?, ?>) member).get("weights_hash"))
                                .toList())
                        .isEqualTo(List.of(a.weights().hash(), b.weights().hash()));
                assertThat(model.get("weights_hash"))
                        .isEqualTo(segmenter.ensemble().weightsHash());
            }
            assertThat(Ensemble.of(List.of(b, a)).weightsHash())
                    .isNotEqualTo(Ensemble.of(List.of(a, b)).weightsHash());
            assertThat(Ensemble.of(a).weightsHash()).isEqualTo(a.weights().hash());
        }

        @Test
        void tell_how_far_they_all_are() throws IOException {
            ModelBundle bundle = bundle(labels(LabelSpec.Mode.SOFTMAX), 7);
            List<String> told = new ArrayList<>();
            try (Segmenter segmenter =
                    Segmenter.open(backend, Ensemble.of(List.of(bundle, bundle)), MemoryBudget.AVAILABLE)) {
                SegmentationResult result =
                        segmenter.segment(SegmentationRequest.of(new Case("scan", List.of(scan), Optional.empty()))
                                .toldTo((done, total) -> told.add(done + "/" + total)));
                assertThat(result.windows())
                        .isEqualTo(2 * bundle.inference().window().windows(BOX.size()));
                assertThat(told.get(0)).isEqualTo("0/" + result.windows());
                assertThat(told).doesNotHaveDuplicates();
                assertThat(told.get(told.size() - 1)).isEqualTo(result.windows() + "/" + result.windows());
            }
        }

        @Test
        void clean_labels_as_the_first_one_does() throws IOException {
            ModelBundle plain = bundle(labels(LabelSpec.Mode.SOFTMAX), 7);
            List<PostprocessingStep> steps = List.of(PostprocessingStep.parse("remove_small=100000"));
            ModelBundle cleaning = plain.withInference(plain.inference().withPostprocessing(steps));
            assertThat(NiftiReader.read(predict("cleaned", cleaning, plain).resolve("scan.nii.gz"))
                            .values())
                    .containsOnly(0);
            assertThat(NiftiReader.read(predict("plain", plain, cleaning).resolve("scan.nii.gz"))
                            .values())
                    .contains(1);
        }

        @Test
        void must_agree_in_what_comes_in_and_goes_out() {
            ModelBundle first = TinyModel.bundle(1, LabelSpec.softmax("organ", "lesion"));
            refused(first, TinyModel.bundle(2, first.labels()))
                    .withMessage("model_parameters.in_channels: found 2 in folds/1, expected 1 as in folds/0;"
                            + " the models of an ensemble must agree in it");
            refused(first, TinyModel.bundle(1, LabelSpec.softmax("organ")))
                    .withMessageStartingWith(
                            "model_parameters.num_classes: found 2 in folds/1, expected 3 as in folds/0");
            refused(first, TinyModel.bundle(1, LabelSpec.sigmoid("a", "b", "c")))
                    .withMessageStartingWith("labels.mode: found sigmoid in folds/1, expected softmax as in folds/0");
            refused(first, TinyModel.bundle(1, LabelSpec.softmax("lesion", "organ")))
                    .withMessageStartingWith("labels.regions: found [");
            PreprocessingSpec other =
                    PreprocessingSpec.fromMap(Map.of()).withSpacing(Interpolation.LINEAR, 1.5, 1.5, 1.5);
            refused(first, TinyModel.bundle(1, first.labels(), other))
                    .withMessageStartingWith(
                            "preprocessing.spacing: found [1.5, 1.5, 1.5] in folds/1, expected nothing as in folds/0");
            assertThatIllegalArgumentException().isThrownBy(() -> Ensemble.of(List.of()));
        }

        private org.assertj.core.api.ThrowableAssertAlternative<ConfigException> refused(
                ModelBundle first, ModelBundle second) {
            return assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> new Ensemble(List.of(first, second), List.of("folds/0", "folds/1")));
        }
    }
}
