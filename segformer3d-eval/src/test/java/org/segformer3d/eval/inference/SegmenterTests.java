package org.segformer3d.eval.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Orientation;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.eval.TinyModel;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.SegmentationResult.Phase;

class SegmenterTests {
    private static final LabelSpec ORGAN = LabelSpec.softmax("organ", "lesion");
    private static final Geometry BOX = Geometry.of(new Grid(21, 9, 17), Affine.scaling(1, 1, 1));

    @TempDir
    private Path folder;

    private final Backend backend = TinyModel.backend();

    @AfterEach
    void closeBackend() {
        backend.close();
    }

    private Path write(String name, Volume volume) throws IOException {
        Path file = folder.resolve(name);
        NiftiWriter.write(file, volume);
        return file;
    }

    private static Case of(String id, Path... files) {
        return new Case(id, List.of(files), Optional.empty());
    }

    private static TreeSet<Integer> values(Volume labels) {
        TreeSet<Integer> values = new TreeSet<>();
        for (int label : labels.toLabels()) {
            values.add(label);
        }
        return values;
    }

    /** Returns a scan that was cropped to fewer voxels with a border of zeros around it. */
    private static Volume bordered(Geometry geometry, int border) {
        Volume scan = TinyModel.scan(3, geometry);
        Grid size = geometry.size();
        int n = 0;
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                for (int k = 0; k < size.width(); k++, n++) {
                    if (i < border || j < border || k < border) {
                        scan.values()[n] = 0;
                    }
                }
            }
        }
        return scan;
    }

    @Nested
    class Labels {
        @Test
        void are_those_of_the_network_under_the_sliding_window() throws IOException {
            ModelBundle bundle = TinyModel.bundle(1, ORGAN, TinyModel.intensitiesOnly());
            Volume scan = TinyModel.scan(1, BOX);
            PreparedCase prepared = new Preprocessor(bundle.preprocessing()).prepare(List.of(scan));
            try (Segmenter segmenter = Segmenter.open(backend, bundle);
                    var model = backend.load(bundle.network(), bundle.weights())) {
                HostTensor logits = bundle.inference().window().infer(model::predict, prepared.image());
                SegmentationResult result = segmenter.segment(List.of(write("scan.nii.gz", scan)));
                assertThat(result.labels().values())
                        .containsExactly(bundle.labels().decode(logits).toFloats());
                assertThat(values(result.labels())).hasSizeGreaterThan(1);
                assertThat(result.caseId()).isEqualTo("scan");
                assertThat(result.windows()).isEqualTo(4);
            }
        }

        @Test
        void turn_with_the_patient() throws IOException {
            // The same patient stored in RAS order and with permuted and flipped voxel axes.
            Geometry turned = Geometry.of(new Grid(11, 19, 14), TinyModel.oblique());
            Volume scan = TinyModel.scan(2, turned);
            Orientation toRas = Orientation.toRas(turned.affine());
            assertThat(toRas.isIdentity()).isFalse();
            try (Segmenter segmenter = Segmenter.open(backend, TinyModel.bundle(1, ORGAN))) {
                Volume labels = segmenter.segment("turned", List.of(scan)).labels();
                Volume inRas =
                        segmenter.segment("ras", List.of(toRas.apply(scan))).labels();
                assertThat(toRas.apply(labels).values()).containsExactly(inRas.values());
                assertThat(values(labels)).hasSizeGreaterThan(1);
            }
        }

        @Test
        void do_not_depend_on_whether_the_bundle_was_on_disk() throws IOException {
            ModelBundle bundle = TinyModel.bundle(1, ORGAN);
            bundle.write(folder.resolve("model.zip"));
            Volume scan = TinyModel.scan(1, BOX);
            try (Segmenter here = Segmenter.open(backend, bundle);
                    Segmenter there = Segmenter.open(backend, ModelBundle.read(folder.resolve("model.zip")))) {
                assertThat(there.segment("a", List.of(scan)).labels().values())
                        .containsExactly(
                                here.segment("a", List.of(scan)).labels().values());
            }
        }

        @Test
        void are_the_same_from_several_threads_at_once() throws InterruptedException, ExecutionException {
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try (Segmenter segmenter = Segmenter.open(backend, TinyModel.bundle(1, ORGAN))) {
                float[] expected = segmenter
                        .segment("a", List.of(TinyModel.scan(0, BOX)))
                        .labels()
                        .values();
                List<Callable<float[]>> tasks = new ArrayList<>();
                for (int n = 0; n < 8; n++) {
                    int seed = n % 2;
                    tasks.add(() -> segmenter
                            .segment("a", List.of(TinyModel.scan(seed, BOX)))
                            .labels()
                            .values());
                }
                List<Future<float[]>> found = threads.invokeAll(tasks);
                for (int n = 0; n < found.size(); n += 2) {
                    assertThat(found.get(n).get()).containsExactly(expected);
                }
            } finally {
                threads.shutdown();
            }
        }
    }

    @Nested
    class Geometries {
        @Test
        void come_back_bit_for_bit_from_an_oblique_scan() throws IOException {
            Path file =
                    write("oblique.nii.gz", TinyModel.scan(5, Geometry.of(new Grid(7, 20, 18), TinyModel.oblique())));
            // A header as scanners write them: qform and sform that differ a little, both used, and a negative qfac.
            byte[] bytes = unzipped(file);
            ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            header.putShort(252, (short) 1).putShort(254, (short) 2);
            header.putFloat(76, -1).putFloat(256, 0.1f).putFloat(260, 0.2f).putFloat(264, -0.7f);
            header.putFloat(268, 1.5f).putFloat(272, -2.25f).putFloat(276, 100.125f);
            try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
                out.write(bytes);
            }
            Volume labels = predicted(file, TinyModel.bundle(1, ORGAN));
            assertThat(labels.geometry().affine())
                    .isEqualTo(NiftiReader.read(file).geometry().affine());
            byte[] written = unzipped(folder.resolve("out/oblique.nii.gz"));
            // dim, pixdim with qfac, units, qform, quaternion, offsets, sform
            assertThat(Arrays.copyOfRange(written, 40, 56)).isEqualTo(Arrays.copyOfRange(bytes, 40, 56));
            assertThat(Arrays.copyOfRange(written, 76, 108)).isEqualTo(Arrays.copyOfRange(bytes, 76, 108));
            assertThat(written[123]).isEqualTo(bytes[123]);
            assertThat(Arrays.copyOfRange(written, 252, 328)).isEqualTo(Arrays.copyOfRange(bytes, 252, 328));
            // uint8
            assertThat(ByteBuffer.wrap(written).order(ByteOrder.LITTLE_ENDIAN).getShort(70))
                    .isEqualTo((short) 2);
        }

        @Test
        void smaller_than_the_window_along_every_axis_are_no_problem() throws IOException {
            Geometry thin = Geometry.of(new Grid(5, 3, 1), Affine.scaling(0.5, 2, 10));
            assertThat(predicted(write("thin.nii.gz", TinyModel.scan(1, thin)), TinyModel.bundle(1, ORGAN))
                            .geometry())
                    .isEqualTo(thin);
        }

        @Test
        void that_were_resampled_and_cropped_come_back() throws IOException {
            PreprocessingSpec spec = PreprocessingSpec.fromMap(Map.of())
                    .withSpacing(Interpolation.LINEAR, 1.5, 1.5, 1.5)
                    .withCropping(PreprocessingSpec.Cropping.NONZERO);
            Geometry oblique = Geometry.of(new Grid(17, 22, 12), TinyModel.oblique());
            Volume labels = predicted(write("scan.nii.gz", bordered(oblique, 3)), TinyModel.bundle(1, ORGAN, spec));
            assertThat(labels.geometry().size()).isEqualTo(oblique.size());
            assertThat(labels.geometry().affine().isCloseTo(oblique.affine(), 1e-5))
                    .isTrue();
            for (int j = 0; j < 22; j++) {
                assertThat(labels.get(0, 2, j, 11)).isZero();
            }
        }

        private Volume predicted(Path file, ModelBundle bundle) throws IOException {
            try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                SegmentationResult result = segmenter.segment(List.of(file));
                return NiftiReader.read(
                        PredictionOutput.labelsIn(folder.resolve("out")).write(result));
            }
        }

        private byte[] unzipped(Path file) throws IOException {
            try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(Files.readAllBytes(file)))) {
                return in.readAllBytes();
            }
        }
    }

    @Nested
    class Channels {
        private final ModelBundle two = TinyModel.bundle(2, ORGAN);

        @Test
        void may_come_in_one_file_or_in_several() throws IOException {
            Volume first = TinyModel.scan(1, BOX);
            Volume second = TinyModel.scan(2, BOX);
            Path both = write("both.nii.gz", Volume.stack(List.of(first, second)));
            try (Segmenter segmenter = Segmenter.open(backend, two)) {
                float[] one = segmenter.segment(List.of(both)).labels().values();
                assertThat(segmenter
                                .segment(List.of(write("a.nii.gz", first), write("b.nii.gz", second)))
                                .labels()
                                .values())
                        .containsExactly(one);
            }
        }

        @Test
        void in_another_number_are_refused_naming_the_files() throws IOException {
            Path only = write("only.nii.gz", TinyModel.scan(1, BOX));
            try (Segmenter segmenter = Segmenter.open(backend, two)) {
                assertThatExceptionOfType(DatasetException.class)
                        .isThrownBy(() -> segmenter.segment(List.of(only)))
                        .withMessageContaining("found 1 channel in " + only)
                        .withMessageContaining("expected 2 as the model 'random-7' takes");
                assertThatExceptionOfType(DatasetException.class)
                        .isThrownBy(() -> segmenter.segment(List.of(only, only, only)))
                        .withMessageContaining("found 3 channels in " + only + ", " + only + ", " + only);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> segmenter.segment("case", List.of(TinyModel.scan(1, BOX))))
                        .withMessageContaining("found 1 channels, expected 2");
            }
        }

        @Test
        void that_lie_elsewhere_are_refused_with_both_values() throws IOException {
            Path first = write("first.nii.gz", TinyModel.scan(1, BOX));
            Path moved = write(
                    "moved.nii.gz",
                    TinyModel.scan(1, Geometry.of(BOX.size(), BOX.affine().translatedVoxels(0, 0.6, 0))));
            Path close = write(
                    "close.nii.gz",
                    TinyModel.scan(1, Geometry.of(BOX.size(), BOX.affine().translatedVoxels(0, 0.4, 0))));
            Path smaller = write("smaller.nii.gz", TinyModel.scan(1, Geometry.of(new Grid(21, 9, 16), BOX.affine())));
            try (Segmenter segmenter = Segmenter.open(backend, two)) {
                assertThat(segmenter.segment(List.of(first, close)).labels().geometry())
                        .isEqualTo(BOX);
                assertThatExceptionOfType(DatasetException.class)
                        .isThrownBy(() -> segmenter.segment(List.of(first, moved)))
                        .withMessageStartingWith(moved.toString())
                        .withMessageContaining("found origin [0.0 0.6 0.0] mm, expected [0.0 0.0 0.0] mm")
                        .withMessageContaining(first.toString());
                assertThatExceptionOfType(DatasetException.class)
                        .isThrownBy(() -> segmenter.segment(List.of(first, smaller)))
                        .withMessageContaining("found 21×9×16 voxels, expected 21×9×17");
            }
        }
    }

    @Nested
    class Logits {
        @Test
        void decode_to_the_labels() throws IOException {
            Path file = write("scan.nii.gz", TinyModel.scan(1, BOX));
            ModelBundle bundle = TinyModel.bundle(1, ORGAN);
            try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                SegmentationResult result = segmenter.segment(
                        SegmentationRequest.of(of("scan", file)).keepingLogits(true));
                assertThat(result.hasLogits()).isTrue();
                assertThat(bundle.labels().decode(result.logits().toTensor()).toFloats())
                        .containsExactly(result.labels().values());
                Volume probabilities = result.probabilities();
                assertThat(probabilities.channels()).isEqualTo(3);
                int voxels = probabilities.voxels();
                for (int n = 0; n < voxels; n++) {
                    float sum = 0;
                    for (int c = 0; c < 3; c++) {
                        assertThat(probabilities.values()[c * voxels + n]).isBetween(0f, 1f);
                        sum += probabilities.values()[c * voxels + n];
                    }
                    assertThat(sum).isBetween(0.99999f, 1.00001f);
                }
            }
        }

        @Test
        void give_independent_probabilities_in_sigmoid_mode() throws IOException {
            ModelBundle bundle = TinyModel.bundle(1, LabelSpec.preset("brats2021"), TinyModel.intensitiesOnly());
            Path file = write("scan.nii.gz", TinyModel.scan(1, BOX));
            try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                SegmentationResult result = segmenter.segment(
                        SegmentationRequest.of(of("scan", file)).keepingLogits(true));
                float[] logits = result.logits().values();
                float[] probabilities = result.probabilities().values();
                for (int n = 0; n < logits.length; n++) {
                    assertThat((double) probabilities[n])
                            .isCloseTo(1 / (1 + Math.exp(-logits[n])), org.assertj.core.api.Assertions.within(1e-6));
                }
            }
        }

        @Test
        void are_certain_where_the_scan_was_cropped_away() throws IOException {
            PreprocessingSpec spec =
                    PreprocessingSpec.fromMap(Map.of()).withCropping(PreprocessingSpec.Cropping.NONZERO);
            Path file = write("scan.nii.gz", bordered(BOX, 2));
            for (LabelSpec labels : List.of(ORGAN, LabelSpec.sigmoid("organ", "lesion"))) {
                ModelBundle bundle = TinyModel.bundle(1, labels, spec);
                try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                    SegmentationResult result = segmenter.segment(
                            SegmentationRequest.of(of("scan", file)).keepingLogits(true));
                    boolean exclusive = labels == ORGAN;
                    assertThat(result.labels().get(0, 1, 5, 5)).isZero();
                    assertThat(result.probabilities().get(0, 1, 5, 5)).isEqualTo(exclusive ? 1 : 0);
                    assertThat(result.probabilities().get(1, 1, 5, 5)).isZero();
                    assertThat(result.logits().get(0, 1, 5, 5)).isEqualTo(exclusive ? 30 : -30);
                    assertThat(result.logits().get(1, 1, 5, 5)).isEqualTo(-30);
                    assertThat(labels.decode(result.logits().toTensor()).toFloats())
                            .containsExactly(result.labels().values());
                }
            }
        }

        @Test
        void that_were_not_kept_cannot_be_had() throws IOException {
            Path file = write("scan.nii.gz", TinyModel.scan(1, BOX));
            try (Segmenter segmenter = Segmenter.open(backend, TinyModel.bundle(1, ORGAN))) {
                SegmentationResult result = segmenter.segment(List.of(file));
                assertThat(result.hasLogits()).isFalse();
                assertThatIllegalStateException().isThrownBy(result::logits).withMessageContaining("weren't kept");
            }
        }
    }

    @Nested
    class Mirroring {
        @Test
        void averages_the_logits_of_the_mirrored_scan() throws IOException {
            ModelBundle plain = TinyModel.bundle(1, LabelSpec.sigmoid("organ"), TinyModel.intensitiesOnly());
            // A scan of exactly one window, so that mirroring the window is mirroring the scan.
            Geometry cube = Geometry.of(new Grid(16, 16, 16), Affine.IDENTITY);
            Volume scan = TinyModel.scan(4, cube);
            Volume mirrored = mirrored(scan);
            float[] expected = mirrored(logits(plain, mirrored)).values();
            float[] straight = logits(plain, scan).values();
            float[] found = logits(plain.withInference(plain.inference().withMirrorAxes(List.of(2))), scan)
                    .values();
            for (int n = 0; n < found.length; n++) {
                assertThat(found[n])
                        .isCloseTo((straight[n] + expected[n]) / 2, org.assertj.core.api.Assertions.within(1e-5f));
            }
            assertThat(found).isNotEqualTo(straight);
        }

        private Volume logits(ModelBundle bundle, Volume scan) throws IOException {
            try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                return segmenter
                        .segment(SegmentationRequest.of(of("scan", write("scan.nii.gz", scan)))
                                .keepingLogits(true))
                        .logits();
            }
        }

        private Volume mirrored(Volume volume) {
            float[] values = volume.values().clone();
            for (int row = 0; row < values.length; row += 16) {
                for (int w = 0; w < 16; w++) {
                    values[row + w] = volume.values()[row + 15 - w];
                }
            }
            return Volume.of(values, 1, volume.geometry());
        }
    }

    @Nested
    class Results {
        @Test
        void say_how_they_were_made() throws IOException {
            Path file = write("scan.nii.gz", TinyModel.scan(1, BOX));
            ModelBundle bundle = TinyModel.bundle(1, ORGAN);
            List<String> told = new ArrayList<>();
            try (Segmenter segmenter = Segmenter.open(backend, bundle)) {
                SegmentationResult result = segmenter.segment(
                        SegmentationRequest.of(of("scan", file)).toldTo((done, total) -> told.add(done + "/" + total)));
                assertThat(result.timings().keySet())
                        .containsExactly(Phase.READ, Phase.PREPARE, Phase.PREDICT, Phase.NETWORK, Phase.RESTORE);
                assertThat(result.provenance())
                        .containsEntry("backend", "reference")
                        .containsEntry("device", "cpu");
                assertThat(result.provenance().get("model"))
                        .asString()
                        .contains(bundle.weights().hash(), bundle.configurationHash(), "seed=7");
                assertThat(result.provenance().get("inputs")).asString().contains("sha256", "scan.nii.gz");
                assertThat(told).containsExactly("0/4", "2/4", "4/4");
                result.peakMemoryBytes().ifPresent(bytes -> assertThat(bytes).isGreaterThan(10_000_000));
            }
        }

        @Test
        void cannot_be_had_from_a_closed_segmenter() {
            Segmenter segmenter = Segmenter.open(backend, TinyModel.bundle(1, ORGAN));
            segmenter.close();
            segmenter.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> segmenter.segment("a", List.of(TinyModel.scan(1, BOX))))
                    .withMessageContaining("closed");
        }
    }
}
