package org.segformer3d.eval.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.weights.StateDictMismatchException;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.Sha256;
import org.segformer3d.data.io.TooNewFileException;
import org.segformer3d.data.io.TooOldFileException;
import org.segformer3d.data.io.UnsupportedFileException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.eval.TinyModel;

class ModelBundleTests {
    private static final LabelSpec LABELS = LabelSpec.preset("brats2021");

    @TempDir
    private Path folder;

    private final ModelBundle bundle = TinyModel.bundle(2, LABELS);

    private Path written(String name) throws IOException {
        Path target = folder.resolve(name);
        bundle.write(target);
        return target;
    }

    private static void assertSame(ModelBundle found, ModelBundle expected) {
        assertThat(found.name()).isEqualTo(expected.name());
        assertThat(found.network()).isEqualTo(expected.network());
        assertThat(found.weights()).isEqualTo(expected.weights());
        assertThat(found.preprocessing()).isEqualTo(expected.preprocessing());
        assertThat(found.labels()).isEqualTo(expected.labels());
        assertThat(found.inference()).isEqualTo(expected.inference());
        assertThat(found.provenance()).hasToString(expected.provenance().toString());
    }

    @Nested
    class WrittenAndRead {
        @Test
        void as_a_folder_is_the_same() throws IOException {
            assertSame(ModelBundle.read(written("model")), bundle);
            try (Stream<Path> files = Files.list(folder.resolve("model"))) {
                assertThat(files.map(file -> file.getFileName().toString()))
                        .containsExactlyInAnyOrder("bundle.json", "weights.safetensors", "README.md");
            }
        }

        @Test
        void as_a_zip_file_is_the_same() throws IOException {
            Path zip = written("deep/er/model.zip");
            assertThat(zip).isRegularFile();
            assertSame(ModelBundle.read(zip), bundle);
        }

        @Test
        void as_a_zip_file_is_the_same_every_time() throws IOException {
            assertThat(written("one.zip")).hasSameBinaryContentAs(written("two.zip"));
        }

        @Test
        void from_a_zip_file_of_the_folder_is_the_same() throws IOException {
            Path model = written("model");
            Path zip = folder.resolve("model.zip");
            try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
                out.putNextEntry(new ZipEntry("model/"));
                for (String name : new String[] {"README.md", "bundle.json", "weights.safetensors"}) {
                    out.putNextEntry(new ZipEntry("model/" + name));
                    Files.copy(model.resolve(name), out);
                }
            }
            assertSame(ModelBundle.read(zip), bundle);
        }

        @Test
        void replaces_an_older_bundle() throws IOException {
            Path model = written("model");
            ModelBundle other = TinyModel.bundle(1, LabelSpec.softmax("organ"));
            other.write(model);
            assertSame(ModelBundle.read(model), other);
            other.write(written("model.zip"));
            assertSame(ModelBundle.read(folder.resolve("model.zip")), other);
        }

        @Test
        void tells_people_about_itself() throws IOException {
            assertThat(written("model").resolve("README.md"))
                    .content()
                    .contains("random-7", "2 channels", "WT: values [1, 2, 4], written as 2", "not trained");
        }
    }

    @Nested
    class Writing {
        @Test
        void never_replaces_a_folder_with_other_things_in_it() throws IOException {
            Path notes = Files.createDirectory(folder.resolve("notes"));
            Files.writeString(notes.resolve("thesis.txt"), "years of work");
            assertThatIOException()
                    .isThrownBy(() -> bundle.write(notes))
                    .withMessageContaining("thesis.txt")
                    .withMessageContaining("choose another name");
            assertThat(notes.resolve("thesis.txt")).hasContent("years of work");
        }

        @Test
        void leaves_nothing_half_done_when_it_fails() throws IOException {
            Path file = Files.writeString(folder.resolve("model"), "a file");
            assertThatIOException().isThrownBy(() -> bundle.write(file));
            assertThat(file).hasContent("a file");
            try (Stream<Path> files = Files.list(folder)) {
                assertThat(files).containsExactly(file);
            }
        }
    }

    @Nested
    class Damage {
        @Test
        void of_one_bit_of_the_weights_is_found() throws IOException {
            Path weights = written("model").resolve("weights.safetensors");
            byte[] bytes = Files.readAllBytes(weights);
            String expected = Sha256.of(bytes);
            bytes[bytes.length - 5] ^= 1;
            Files.write(weights, bytes);
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageStartingWith(weights.toString())
                    .withMessageContaining("found SHA-256 " + Sha256.of(bytes))
                    .withMessageContaining("expected " + expected);
        }

        @Test
        void by_truncation_is_found() throws IOException {
            Path weights = written("model").resolve("weights.safetensors");
            byte[] bytes = Files.readAllBytes(weights);
            Files.write(weights, Arrays.copyOf(bytes, bytes.length - 100));
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageContaining("found " + (bytes.length - 100) + " bytes, expected " + bytes.length);
        }

        @Test
        void of_the_description_is_found() throws IOException {
            Path description = edit("\"overlap\" : 0.5", "\"overlap\" : 0.6");
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageStartingWith(description.toString())
                    .withMessageContaining("damaged or edited");
        }

        @Test
        void of_the_descriptions_syntax_is_found() throws IOException {
            edit("\"labels\"", "labels\"");
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageContaining("not readable as JSON");
        }

        @Test
        void by_a_missing_file_is_found() throws IOException {
            Files.delete(written("model").resolve("weights.safetensors"));
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageContaining("no such file");
        }

        @Test
        void of_a_zip_file_is_found_wherever_a_bit_flips() throws IOException {
            Path zip = written("model.zip");
            byte[] whole = Files.readAllBytes(zip);
            int refused = 0;
            for (int at = 0; at < whole.length; at += whole.length / 97) {
                byte[] bytes = whole.clone();
                bytes[at] ^= 0x10;
                Files.write(zip, bytes);
                try {
                    assertSame(ModelBundle.read(zip), bundle);
                } catch (IOException e) {
                    assertThat(e).hasMessageStartingWith(zip.toString());
                    refused++;
                }
            }
            // A flip in the README or in a time stamp harms nothing and may pass.
            assertThat(refused).isGreaterThan(80);
        }

        @Test
        void of_a_zip_files_end_is_found() throws IOException {
            Path zip = written("model.zip");
            byte[] whole = Files.readAllBytes(zip);
            Files.write(zip, Arrays.copyOf(whole, whole.length / 2));
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(zip))
                    .withMessageContaining("not a readable zip file");
        }
    }

    @Nested
    class Versions {
        @Test
        void that_are_too_new_are_told_apart() throws IOException {
            Path description = edit("\"version\" : 1", "\"version\" : 2");
            assertThatExceptionOfType(TooNewFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageStartingWith(description + ": bundle version 2 is too new: expected at most 1");
        }

        @Test
        void that_are_too_old_are_told_apart() throws IOException {
            edit("\"version\" : 1", "\"version\" : 0");
            assertThatExceptionOfType(TooOldFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("model")))
                    .withMessageContaining("bundle version 0 is too old: expected at least 1");
        }
    }

    private Path edit(String from, String to) throws IOException {
        Path description = written("model").resolve("bundle.json");
        String text = Files.readString(description);
        assertThat(text).contains(from);
        return Files.writeString(description, text.replaceFirst(java.util.regex.Pattern.quote(from), to));
    }

    @Nested
    class Other {
        @Test
        void paths_are_told_apart() throws IOException {
            assertThatExceptionOfType(FileNotFoundException.class)
                    .isThrownBy(() -> ModelBundle.read(folder.resolve("nowhere")))
                    .withMessageContaining("nowhere: no such file or folder, expected a model bundle");
            assertThatExceptionOfType(UnsupportedFileException.class)
                    .isThrownBy(() -> ModelBundle.read(folder))
                    .withMessageContaining("found no bundle.json");
            Path text = Files.writeString(folder.resolve("text.txt"), "no bundle at all");
            assertThatExceptionOfType(CorruptFileException.class)
                    .isThrownBy(() -> ModelBundle.read(text))
                    .withMessageStartingWith(text.toString());
        }

        @Test
        void zip_files_and_json_files_are_refused() throws IOException {
            Path zip = folder.resolve("photos.zip");
            try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
                out.putNextEntry(new ZipEntry("photo.jpg"));
            }
            assertThatExceptionOfType(UnsupportedFileException.class).isThrownBy(() -> ModelBundle.read(zip));
            Path other = Files.createDirectory(folder.resolve("other"));
            Files.writeString(other.resolve("bundle.json"), "{\"format\": \"something\"}");
            assertThatExceptionOfType(UnsupportedFileException.class)
                    .isThrownBy(() -> ModelBundle.read(other))
                    .withMessageContaining("found format something, expected segformer3d-bundle");
        }

        @Test
        void zip_entries_never_leave_their_place() throws IOException {
            Path zip = written("model.zip");
            Path crafted = folder.resolve("crafted.zip");
            try (ZipFile in = new ZipFile(zip.toFile());
                    OutputStream file = Files.newOutputStream(crafted);
                    ZipOutputStream out = new ZipOutputStream(file)) {
                out.putNextEntry(new ZipEntry("../escaped.txt"));
                out.write("escaped".getBytes(StandardCharsets.UTF_8));
                for (String name : new String[] {"bundle.json", "weights.safetensors"}) {
                    out.putNextEntry(new ZipEntry(name));
                    in.getInputStream(in.getEntry(name)).transferTo(out);
                }
            }
            assertSame(ModelBundle.read(crafted), bundle);
            assertThat(folder.resolve("escaped.txt")).doesNotExist();
            assertThat(folder.resolveSibling("escaped.txt")).doesNotExist();
        }
    }

    @Nested
    class Parts {
        @Test
        void that_do_not_fit_are_refused() {
            assertThatExceptionOfType(ConfigException.class)
                    .isThrownBy(() -> new ModelBundle(
                            "x",
                            TinyModel.network(2, 5),
                            bundle.weights(),
                            bundle.preprocessing(),
                            LABELS,
                            bundle.inference(),
                            Map.of()))
                    .withMessage(
                            "model_parameters.num_classes: found 5, expected 3, one for each of the labels TC, WT, ET");
            assertThatExceptionOfType(StateDictMismatchException.class)
                    .isThrownBy(() -> new ModelBundle(
                            "x",
                            TinyModel.network(3, 3),
                            bundle.weights(),
                            bundle.preprocessing(),
                            LABELS,
                            bundle.inference(),
                            Map.of()));
        }

        @Test
        void decide_the_configuration_hash_and_the_weights_do_not() {
            Map<String, Object> provenance = new LinkedHashMap<>(bundle.provenance());
            provenance.put("note", "other");
            ModelBundle renamed = new ModelBundle(
                    "x",
                    bundle.network(),
                    bundle.weights(),
                    bundle.preprocessing(),
                    bundle.labels(),
                    bundle.inference(),
                    provenance);
            assertThat(renamed.configurationHash())
                    .hasSize(64)
                    .isEqualTo(bundle.configurationHash())
                    .isNotEqualTo(bundle.withInference(bundle.inference().withOverlap(0.25))
                            .configurationHash());
        }

        @Test
        void are_reproduced_by_the_seed() {
            assertThat(TinyModel.bundle(2, LABELS).weights()).isEqualTo(bundle.weights());
            assertThat(bundle.provenance()).containsEntry("seed", 7L).containsKey("version");
            assertThat(bundle.provenance().get("version")).asString().matches("\\d+\\.\\d+\\.\\d+.*");
        }
    }
}
