package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.labels.Region;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.weights.Safetensors;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.train.demo.PhantomDataset;

/** What stands in a dataset.json, from the file to the label maps that a user gets. */
class DatasetJsonTests {
    private static final Path CASES =
            Path.of(System.getProperty("segformer3d.shared", "../../shared")).resolve("cases");

    @TempDir
    Path folder;

    @TempDir
    static Path data;

    @BeforeAll
    static void writePhantoms() throws IOException {
        new PhantomDataset(5, 3).write(data.resolve("phantoms"));
    }

    /** Runs a command and returns what it wrote to standard error, warnings of all modules included. */
    private static String errors(Object... arguments) {
        PrintStream before = System.err;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            Run run = Run.of(arguments);
            return bytes.toString(StandardCharsets.UTF_8) + run.err();
        } finally {
            System.setErr(before);
        }
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path target = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(file, target);
                }
            }
        }
        return to;
    }

    private static Object[] with(Object[] first, Object... more) {
        return Stream.concat(Arrays.stream(first), Arrays.stream(more)).toArray();
    }

    @Nested
    class Keys {
        private Path described(String json) throws IOException {
            Path copy = copy(data.resolve("phantoms"), folder.resolve("d"));
            Files.writeString(copy.resolve("dataset.json"), json.replace('\'', '"'));
            return Files.writeString(
                    folder.resolve("e.yaml"),
                    "model_parameters: {in_channels: 1, num_classes: 3}\n"
                            + "dataset_parameters: {dataset_type: nnunet, root: d, plan: auto}\n");
        }

        @Test
        void that_nobody_knows_are_warned_about_once_each_with_the_nearest_one() throws IOException {
            Path config = described(
                    "{'chanel_names': {'0': 'MR'}, 'label': {'background': 0}, 'numTraining': 7,"
                            + " 'licence': 'x', 'tensorImageSize': '3D', 'overwrite_image_reader_writer': 'SimpleITKIO', 'zzz': 1}");

            String errors = errors("plan", "--config", config, "--quiet");

            assertThat(errors.lines().filter(line -> line.contains("dataset.json")))
                    .hasSize(4)
                    .anySatisfy(line -> assertThat(line).contains("'chanel_names'", "did you mean 'channel_names'?"))
                    .anySatisfy(line -> assertThat(line).contains("'label'", "did you mean 'labels'?"))
                    .anySatisfy(line -> assertThat(line).contains("'zzz'").doesNotContain("did you mean"))
                    .anySatisfy(line -> assertThat(line).contains("numTraining is 7", "5 training cases"));
        }

        @Test
        void of_regions_reach_a_bundle_made_from_the_experiment_and_what_is_preprocessed() throws IOException {
            Path config =
                    described("{'channel_names': {'0': 'noNorm'}, 'labels': {'background': 0, 'all': [2, 1], 'part': 2,"
                            + " 'ignore': 9}, 'regions_class_order': [1, 2], 'numTraining': 5}");
            Files.writeString(config, Files.readString(config).replace("num_classes: 3", "num_classes: 2"));

            Run made = Run.of("bundle", "--config", config, "--random", "1", "--output", folder.resolve("b"));

            assertThat(made.code()).as(made.err()).isZero();
            ModelBundle bundle = ModelBundle.read(folder.resolve("b"));
            assertThat(bundle.labels().regions()).extracting(Region::write).containsExactly(1, 2);
            assertThat(bundle.labels().painting()).isEqualTo(LabelSpec.Painting.IN_TURN);
            assertThat(bundle.labels().ignored()).containsExactly(9);
            // the plan's, not the defaults'
            assertThat(bundle.preprocessing().normalization()).isEqualTo(Normalization.none());

            Run prepared = Run.of("preprocess", "--config", config, "--output", folder.resolve("prepared"), "--quiet");
            assertThat(prepared.code()).as(prepared.err()).isZero();
            assertThat(DatasetReader.read(folder.resolve("prepared")).labels())
                    .isEqualTo(DatasetReader.read(folder.resolve("d")).labels());
        }

        @Test
        void that_contradict_the_cases_end_in_one_line() throws IOException {
            Path config = described(
                    "{'channel_names': {'0': 'MR'}, 'labels': {'background': 0, 'all': [1, 2]}, 'regions_class_order': [3]}");

            Run run = Run.of("plan", "--config", config, "--quiet");

            assertThat(run.code()).isNotZero();
            assertThat(run.err())
                    .contains("dataset.json", "regions_class_order", "all [1, 2]")
                    .hasLineCount(1);
        }
    }

    @Test
    void a_tilde_is_the_home_folder_on_the_command_line() {
        String home = System.getenv("HOME") == null ? System.getProperty("user.home") : System.getenv("HOME");
        assertThat(Run.of("plan", "--config", "~/no-such-file-here.yaml").err())
                .contains(Path.of(home, "no-such-file-here.yaml").toString());
        Run predicted = Run.of(
                "predict", "--model", "~/no-such-bundle-here", "--input", "~/x", "--output", folder.resolve("x"));
        assertThat(predicted.err())
                .contains(Path.of(home, "no-such-bundle-here").toString());
    }

    /** Cases that people reported elsewhere; their README says what is right. */
    @Nested
    class Reported {
        private Object[] train(Path root, Path run, String... changes) {
            assumeTrue(Files.isDirectory(root), () -> "no such cases: " + root);
            List<Object> arguments = new ArrayList<>(List.of(
                    "train",
                    "--config",
                    CASES.resolve("tiny.yaml"),
                    "--set",
                    "dataset_parameters.root='" + root + "'",
                    "--output",
                    run,
                    "--quiet"));
            for (String change : changes) {
                arguments.addAll(List.of("--set", change));
            }
            return arguments.toArray();
        }

        private Path predicted(Path bundle, Path images, String... more) {
            Path output = folder.resolve("p");
            Run run = Run.of(with(
                    new Object[] {"predict", "--model", bundle, "--input", images, "--output", output, "--quiet"},
                    (Object[]) more));
            assertThat(run.code()).as(run.err()).isZero();
            return output;
        }

        @Test
        void D01_regions_are_written_in_turn_as_their_order_says() throws IOException {
            Path run = folder.resolve("run");
            Run trained = Run.of(train(
                    CASES.resolve("D01/d"),
                    run,
                    "dataset_parameters.labels={mode: sigmoid}",
                    "loss_fn.loss_type=dice",
                    "training_parameters.num_epochs=1"));
            assertThat(trained.code()).as(trained.err()).isZero();

            Path output = predicted(run.resolve("bundle"), CASES.resolve("D01/d/imagesTr"), "--save-logits");

            int[] write = {4, 3, 1};
            boolean[] seen = new boolean[5];
            for (int n = 0; n < 4; n++) {
                Volume labels = NiftiReader.read(output.resolve("p" + n + ".nii.gz"));
                Volume logits = NiftiReader.read(output.resolve("logits/p" + n + ".nii.gz"));
                int voxels = labels.values().length;
                for (int v = 0; v < voxels; v++) {
                    int expected = 0;
                    for (int k = 0; k < 3; k++) {
                        expected = logits.values()[k * voxels + v] > 0 ? write[k] : expected;
                    }
                    assertThat(labels.values()[v]).isEqualTo(expected);
                    seen[expected] = true;
                }
            }
            assertThat(seen[1] && seen[3]).isTrue();
        }

        @Test
        void D02_voxels_that_nobody_labelled_are_learned_from_the_others() throws IOException {
            Path run = folder.resolve("run");
            Path root = CASES.resolve("D02/named");
            Run trained = Run.of(train(root, run, "training_parameters.num_epochs=40"));
            assertThat(trained.code()).as(trained.err()).isZero();

            Path output = predicted(run.resolve("bundle"), root.resolve("imagesTr"));

            int marked = 0;
            int found = 0;
            for (int n = 0; n < 4; n++) {
                float[] labels =
                        NiftiReader.read(output.resolve("p" + n + ".nii.gz")).values();
                float[] truth = NiftiReader.read(root.resolve("labelsTr/p" + n + ".nii.gz"))
                        .values();
                for (int v = 0; v < labels.length; v++) {
                    assertThat(labels[v]).isLessThan(3);
                    if (truth[v] == 3) {
                        marked++;
                        found += labels[v] > 0 ? 1 : 0;
                    }
                }
            }
            assertThat(found / (double) marked).isGreaterThan(0.6);
            Run scored = Run.of("evaluate", "--predictions", output, "--labels", root.resolve("labelsTr"), "--json");
            assertThat(scored.err()).contains("label 3", "ignore");
            assertThat(scored.out()).doesNotContain("\"name\" : \"3\"");
        }

        @Test
        void D02_a_value_without_a_name_is_refused_with_advice_that_does_no_harm() throws IOException {
            Path root = CASES.resolve("D02/255");
            Run refused = Run.of(train(root, folder.resolve("refused")));
            assertThat(refused.code()).isEqualTo(1);
            assertThat(refused.err())
                    .contains("p", "label value 255", "ignore: 255")
                    .doesNotContain("to the background")
                    .hasLineCount(1);

            Run trained = Run.of(
                    train(root, folder.resolve("run"), "dataset_parameters.labels={mode: softmax, ignore: 255}"));
            assertThat(trained.code()).as(trained.err()).isZero();
        }

        @Test
        void D05_channels_are_normalised_each_by_its_name() throws IOException {
            assumeTrue(Files.isDirectory(CASES.resolve("D05")), "no such cases");
            for (String name : List.of("ct_pet", "ct_nonorm", "t1_nonorm")) {
                Path root = copy(CASES.resolve("D05/d"), folder.resolve(name));
                Files.copy(CASES.resolve("D05/" + name + ".json"), root.resolve("dataset.json"));
                Path cache = folder.resolve("cache-" + name);
                Run run = Run.of(train(
                        root,
                        folder.resolve("run-" + name),
                        "model_parameters.in_channels=2",
                        "dataset_parameters.split.validation_fraction=0",
                        "dataset_parameters.plan=auto",
                        "dataset_parameters.cache_dir='" + cache + "'"));
                assertThat(run.code()).as(run.err()).isZero();
                try (Stream<Path> files = Files.list(cache)) {
                    List<Path> stored = files.filter(file -> file.toString().endsWith(".safetensors"))
                            .toList();
                    assertThat(stored).hasSize(4);
                    boolean p0 = false;
                    for (Path file : stored) {
                        float[] image =
                                Safetensors.read(file).tensors().get("image").toFloats();
                        float[] first = Arrays.copyOf(image, image.length / 2);
                        float[] second = Arrays.copyOfRange(image, image.length / 2, image.length);
                        if (name.startsWith("ct")) {
                            assertThat(least(first)).isCloseTo((130 - 157.5315) / 21.2705, within(1e-4));
                            assertThat(most(first)).isCloseTo((190 - 157.5315) / 21.2705, within(1e-4));
                        } else {
                            assertThat(mean(first)).isCloseTo(0, within(1e-5));
                            assertThat(deviation(first)).isCloseTo(1, within(1e-5));
                        }
                        if (name.endsWith("nonorm")) {
                            assertThat(most(second)).isEqualTo(0.59375);
                            p0 |= Math.abs(mean(second) - 0.39115) < 1e-5
                                    && Math.abs(deviation(second) - 0.10028) < 1e-5;
                        } else {
                            assertThat(mean(second)).isCloseTo(0, within(1e-5));
                            assertThat(deviation(second)).isCloseTo(1, within(1e-5));
                        }
                    }
                    assertThat(p0).isEqualTo(name.endsWith("nonorm"));
                }
                assertThat(Files.readString(folder.resolve("run-" + name + "/plan.yaml")))
                        .contains(name.startsWith("ct") ? "0 CT:" : "0 T1:", "1 ");
            }
        }

        @Test
        void D05_without_a_plan_names_that_are_not_followed_are_warned_about() throws IOException {
            assumeTrue(Files.isDirectory(CASES.resolve("D05")), "no such cases");
            Path root = copy(CASES.resolve("D05/d"), folder.resolve("d"));
            Files.copy(CASES.resolve("D05/t1_nonorm.json"), root.resolve("dataset.json"));
            String errors = errors(train(root, folder.resolve("run"), "model_parameters.in_channels=2"));
            assertThat(errors).contains("preprocessing.normalization", "noNorm").doesNotContain("T1");

            String told = errors(train(
                    root,
                    folder.resolve("told"),
                    "model_parameters.in_channels=2",
                    "dataset_parameters.preprocessing={normalization: [z_score, none]}"));
            assertThat(told).doesNotContain("preprocessing.normalization");
        }

        private static double mean(float[] values) {
            double sum = 0;
            for (float value : values) {
                sum += value;
            }
            return sum / values.length;
        }

        private static double deviation(float[] values) {
            double mean = mean(values);
            double sum = 0;
            for (float value : values) {
                sum += (value - mean) * (value - mean);
            }
            return Math.sqrt(sum / values.length);
        }

        private static double least(float[] values) {
            double least = values[0];
            for (float value : values) {
                least = Math.min(least, value);
            }
            return least;
        }

        private static double most(float[] values) {
            double most = values[0];
            for (float value : values) {
                most = Math.max(most, value);
            }
            return most;
        }
    }
}
