package org.segformer3d.train.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.dataset.Split;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.planning.Plan;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.train.config.ExperimentConfig;
import org.segformer3d.train.config.PlanFile;

class PlanningTests {
    @TempDir
    private static Path data;

    @TempDir
    private Path folder;

    /** Five hearts of 40×48 voxels of 1.5 mm in 6 to 8 slices of 10 mm: label 3 in the middle of 2, 1 beside it. */
    @BeforeAll
    static void writeHearts() throws IOException {
        for (int patient = 1; patient <= 5; patient++) {
            String name = String.format(Locale.ROOT, "patient%03d", patient);
            Path at = Files.createDirectories(data.resolve(name));
            Files.writeString(at.resolve("Info.cfg"), "ED: 1\nES: 9\n");
            for (String frame : List.of("_frame01", "_frame09")) {
                Grid size = new Grid(40, 48, 6 + patient % 3);
                Geometry place = Geometry.of(size, Affine.scaling(-1.5, -1.5, 10));
                float[] image = new float[size.tokens()];
                float[] label = new float[size.tokens()];
                int n = 0;
                for (int x = 0; x < 40; x++) {
                    for (int y = 0; y < 48; y++) {
                        for (int z = 0; z < size.width(); z++, n++) {
                            double r = Math.hypot(x - 18, y - 24);
                            label[n] = r < 6 ? 3 : r < 9 ? 2 : Math.hypot(x - 32, y - 24) < 5 ? 1 : 0;
                            image[n] = 20 + 50 * label[n] + (x * 7 + y * 3 + z) % 11;
                        }
                    }
                }
                NiftiWriter.write(at.resolve(name + frame + ".nii.gz"), Volume.of(image, 1, place));
                NiftiWriter.writeLabels(at.resolve(name + frame + "_gt.nii.gz"), Volume.of(label, 1, place));
            }
        }
    }

    private ExperimentConfig config(String... changes) {
        ExperimentConfig config = ExperimentConfig.parse("""
                project: heart
                model_parameters:
                  in_channels: 1
                  num_classes: 4
                  embed_dims: [4, 4, 4, 4]
                  num_heads: [1, 1, 1, 1]
                  depths: [1, 1, 1, 1]
                  mlp_ratios: [1, 1, 1, 1]
                  decoder_head_embedding_dim: 4
                loss_fn: {loss_type: diceCE}
                training_parameters: {num_epochs: 1}
                dataset_parameters:
                  dataset_type: acdc
                  split: {test_fraction: 0.2, validation_fraction: 0, seed: 1}
                  plan: auto
                  labels: {mode: softmax}
                """, "heart.yaml", folder);
        List<String> all = new ArrayList<>(
                List.of("dataset_parameters.root='" + data + "'", "output.run_dir='" + folder.resolve("run") + "'"));
        all.addAll(Arrays.asList(changes));
        return config.withOverrides(all);
    }

    @Test
    void a_plan_says_what_the_experiment_leaves_open() throws IOException {
        Planning planned = Planning.of(config(), done -> {});

        Plan plan = planned.plan().orElseThrow();
        assertThat(plan.preprocessing().axes()).containsExactly(2, 1, 0);
        assertThat(plan.preprocessing().spacing()).hasValue(List.of(2.5, 1.5, 1.5));
        assertThat(plan.patch()).isEqualTo(new Grid(32, 48, 48));
        assertThat(planned.config().dataset().preprocessing()).isEqualTo(plan.preprocessing());
        assertThat(planned.config().dataset().patch()).isEqualTo(plan.patch());
        assertThat(planned.config().dataset().batchSize()).isEqualTo(plan.batch());
        assertThat(planned.config().validation().roi()).isEqualTo(plan.patch());
        assertThat(planned.config().dataset().plan()).isEmpty();
    }

    @Test
    void what_the_experiment_says_itself_goes_before_the_plan_key_by_key() throws IOException {
        ExperimentConfig config = config(
                        "dataset_parameters.patch_size=[16, 32, 32]",
                        "dataset_parameters.train_dataloader_args.batch_size=3",
                        "dataset_parameters.preprocessing.spacing=[5, 2, 2]")
                .withOverrides(List.of("training_parameters.num_epochs=2"));

        ExperimentConfig planned = Planning.of(config, done -> {}).config();

        assertThat(planned.dataset().patch()).isEqualTo(new Grid(16, 32, 32));
        assertThat(planned.validation().roi()).isEqualTo(new Grid(16, 32, 32));
        assertThat(planned.dataset().batchSize()).isEqualTo(3);
        assertThat(planned.dataset().preprocessing().spacing()).hasValue(List.of(5.0, 2.0, 2.0));
        assertThat(planned.dataset().preprocessing().interpolation()).isEqualTo(Interpolation.CUBIC);
        assertThat(planned.dataset().preprocessing().axes()).containsExactly(2, 1, 0);
        assertThat(ExperimentConfig.parse(planned.toYaml(), "again", folder)).isEqualTo(planned);
    }

    @Test
    void an_edited_plan_is_used_as_it_stands() throws IOException {
        Path file = folder.resolve("plan.yaml");
        PlanFile.write(file, Planning.make(config(), 1L << 30, done -> {}));
        String text = Files.readString(file);
        assertThat(text).startsWith("#").contains("normalization: z_score");
        Files.writeString(file, text.replace("normalization: z_score", "normalization: min_max"));

        Planning planned = Planning.of(config("dataset_parameters.plan='" + file + "'"), done -> {});

        assertThat(planned.config().dataset().preprocessing().normalization()).isEqualTo(Normalization.minMax());
        assertThat(PlanFile.read(file)).isEqualTo(planned.plan().orElseThrow());
    }

    @Test
    void looks_at_training_cases_only() throws IOException {
        List<Integer> seen = new ArrayList<>();
        Plan plan = Planning.make(config(), 1L << 30, seen::add);
        assertThat(seen).hasSize(8).last().isEqualTo(8);
        assertThat(Planning.cases(config())).isEqualTo(8);
        assertThat(plan.fingerprint())
                .containsEntry("cases", 8)
                .containsEntry("cases_with_label", Map.of("1", 8, "2", 8, "3", 8));
    }

    @Test
    void a_training_tells_of_its_planning_which_can_be_stopped_before_anything_is_written() {
        List<String> told = new ArrayList<>();
        ProgressListener listener = new ProgressListener() {
            @Override
            public void planning(int done, int cases) {
                told.add(done + "/" + cases);
            }
        };
        TrainerOptions options = TrainerOptions.defaults().listenedBy(listener).stoppingWhen(() -> told.size() == 3);

        assertThatThrownBy(() -> Trainer.run(config(), options, new FakeBackend()))
                .isInstanceOf(CancellationException.class)
                .hasMessageContaining("nothing was written");

        assertThat(told).containsExactly("1/8", "2/8", "3/8");
        assertThat(folder.resolve("run")).doesNotExist();
    }

    @Test
    void says_how_to_make_a_plan_that_is_missing_and_which_key_is_wrong() throws IOException {
        Path file = folder.resolve("none.yaml");
        ExperimentConfig config = config("dataset_parameters.plan='" + file + "'");
        assertThatThrownBy(() -> Planning.of(config, done -> {}))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("none.yaml", "segformer3d plan");
        Files.writeString(
                file, "plan_version: 1\npreprocessing: {spacing: [1, 1]}\npatch_size: [8, 8, 8]\nbatch_size: 2\n");
        assertThatThrownBy(() -> Planning.of(config, done -> {}))
                .isInstanceOf(ConfigException.class)
                .hasMessageContainingAll("none.yaml", "preprocessing.spacing")
                .message()
                .doesNotContain("\n");
        assertThatThrownBy(() -> Planning.of(
                        config("dataset_parameters.dataset_type=brats2017_seg", "model_parameters.num_classes=3"),
                        done -> {}))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("dataset_parameters.plan");
    }

    @Test
    void training_follows_the_plan_and_scores_test_patients_in_their_own_geometry() throws IOException {
        TrainingOutcome outcome =
                Trainer.run(config("validation.test=true"), TrainerOptions.defaults(), new FakeBackend());

        Split split = Split.read(folder.resolve("run/split.json"));
        assertThat(split.train()).hasSize(8);
        assertThat(split.test()).hasSize(2);
        assertThat(split.test().get(0).substring(0, 10))
                .isEqualTo(split.test().get(1).substring(0, 10));
        ModelBundle bundle = ModelBundle.read(outcome.bundle().orElseThrow());
        assertThat(bundle.preprocessing().spacing()).hasValue(List.of(2.5, 1.5, 1.5));
        assertThat(PlanFile.read(folder.resolve("run/plan.yaml")).preprocessing())
                .isEqualTo(bundle.preprocessing());
        assertThat(outcome.test().orElseThrow().cases()).hasSize(2);
        // Going on takes the plan that is there; another one would be another run, which is refused.
        Path plan = folder.resolve("run/plan.yaml");
        TrainerOptions resuming = TrainerOptions.defaults().resuming(true);
        assertThat(Trainer.run(config("validation.test=true"), resuming, new FakeBackend())
                        .weightsHash())
                .isEqualTo(outcome.weightsHash());
        Files.writeString(plan, Files.readString(plan).replace("normalization: z_score", "normalization: min_max"));
        assertThatThrownBy(() -> Trainer.run(config("validation.test=true"), resuming, new FakeBackend()))
                .isInstanceOf(RunFolderException.class)
                .hasMessageContaining("dataset_parameters.preprocessing");

        String id = split.test().get(0);
        Geometry predicted = NiftiReader.read(folder.resolve("run/test/predictions/" + id + ".nii.gz"))
                .geometry();
        assertThat(predicted)
                .isEqualTo(NiftiReader.read(data.resolve(id.substring(0, 10) + "/" + id + ".nii.gz"))
                        .geometry());
    }
}
