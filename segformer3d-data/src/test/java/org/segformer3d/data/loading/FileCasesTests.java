package org.segformer3d.data.loading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.ReferenceTensors;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.dataset.DatasetReader;
import org.segformer3d.data.dataset.SegmentationDataset;
import org.segformer3d.data.labels.LabelSpec;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Cropping;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Orienting;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.transform.Augmentation;
import org.segformer3d.data.volume.Volume;

class FileCasesTests {
    private static Path shared(String name) {
        Path path = Path.of(System.getProperty("segformer3d.shared", "../shared"), name);
        Assumptions.assumeTrue(Files.exists(path), "no shared data at " + path);
        return path;
    }

    @Nested
    class OnPhantomsInBratsShape {
        /**
         * What the official script makes: each slice along the file's last axis to 0…1, RAS, axes in the order z, y, x, and the box from
         * (13, 56, 56) of at most 128³. Slices are scaled here, as only that script wants it so.
         */
        @Test
        void oriented_voxels_and_label_channels_are_those_of_the_official_script() throws IOException {
            ReferenceTensors reference = ReferenceTensors.open("pipeline/brats_preprocess.safetensors");
            Path raw = shared("reference/pipeline/brats_raw/train");
            Preprocessor preprocessor =
                    new Preprocessor(PreprocessingSpec.of(Normalization.none()).withOrientation(Orienting.RAS));
            for (String id : List.of("BRATS_001", "BRATS_002")) {
                List<Path> images = IntStream.range(0, 4)
                        .mapToObj(c -> raw.resolve("imagesTr/" + id + "_000" + c + ".nii.gz"))
                        .toList();
                Path label = raw.resolve("labelsTr/" + id + ".nii.gz");
                PreparedCase prepared =
                        new FileCases(List.of(new Case(id, images, Optional.of(label))), 4, preprocessor).load(0);
                Grid size = prepared.size();
                // The first scan's slices lie along z, the second is turned and has them along x.
                int sliced = id.equals("BRATS_001") ? 2 : 0;
                float[] image = scaledSlices(prepared.image().toFloats(), size, sliced);
                double[] shape = reference.get(id + ".shape").toDoubles();
                Grid box = new Grid((int) shape[1], (int) shape[2], (int) shape[3]);

                double[] indices = reference.get(id + ".index").toDoubles();
                float[] expected = reference.get(id + ".modalities_at_index").toFloats();
                for (int n = 0; n < indices.length; n++) {
                    int index = (int) indices[n];
                    int at = index / box.tokens() * size.tokens() + inWhole(index % box.tokens(), box, size);
                    assertThat(image[at]).isCloseTo(expected[n], within(1e-6f));
                }

                HostTensor target =
                        LabelSpec.preset("brats2017").encode(prepared.label().orElseThrow(), id);
                byte[] packed =
                        new byte[(int) reference.get(id + ".label_packed").elements()];
                reference.get(id + ".label_packed").bytes().get(packed);
                byte[] found = new byte[packed.length];
                ByteBuffer channels = target.bytes();
                int members = 0;
                for (int n = 0; n < 3 * box.tokens(); n++) {
                    int at = n / box.tokens() * size.tokens() + inWhole(n % box.tokens(), box, size);
                    int member = channels.get(at);
                    members += member;
                    found[n / 8] |= (byte) (member << 7 - n % 8);
                }
                assertThat(found).isEqualTo(packed);
                assertThat(members).isPositive();
            }
        }

        private static float[] scaledSlices(float[] image, Grid size, int axis) {
            int inner = axis == 0 ? size.height() * size.width() : 1;
            int count = size.size(axis);
            int voxels = size.tokens();
            float[] low = new float[4 * count];
            float[] high = new float[4 * count];
            Arrays.fill(low, Float.POSITIVE_INFINITY);
            Arrays.fill(high, Float.NEGATIVE_INFINITY);
            for (int n = 0; n < image.length; n++) {
                int slice = n / voxels * count + n / inner % count;
                low[slice] = Math.min(low[slice], image[n]);
                high[slice] = Math.max(high[slice], image[n]);
            }
            float[] scaled = new float[image.length];
            for (int n = 0; n < image.length; n++) {
                int slice = n / voxels * count + n / inner % count;
                float range = high[slice] - low[slice];
                scaled[n] = range == 0 ? 0 : (image[n] - low[slice]) / range;
            }
            return scaled;
        }

        private static int inWhole(int index, Grid box, Grid size) {
            int z = 13 + index / (box.height() * box.width());
            int y = 56 + index / box.width() % box.height();
            int x = 56 + index % box.width();
            return (x * size.height() + y) * size.width() + z;
        }
    }

    @Nested
    class OnRealScans {
        @Test
        void every_hippocampus_label_survives_preparing_and_restoring() throws IOException {
            SegmentationDataset dataset = DatasetReader.read(shared("data/Task04_Hippocampus"));
            Preprocessor preprocessor = new Preprocessor(PreprocessingSpec.of(Normalization.zScore())
                    .withOrientation(Orienting.RAS)
                    .withCropping(Cropping.NONZERO));
            // Every thirteenth: both element types and the widest intensity ranges are among them.
            List<Case> some = IntStream.range(0, dataset.cases().size())
                    .filter(n -> n % 13 == 0)
                    .mapToObj(dataset.cases()::get)
                    .toList();
            CaseSource cases = new FileCases(some, 1, preprocessor);
            for (int n = 0; n < cases.size(); n++) {
                PreparedCase prepared = cases.load(n);
                Volume truth = NiftiReader.readLabels(some.get(n).label().orElseThrow());
                Volume restored = prepared.restoration().labels(prepared.label().orElseThrow());
                assertThat(restored.values()).as(cases.id(n)).isEqualTo(truth.values());
                double mean = 0;
                for (float value : prepared.image().toFloats()) {
                    mean += value;
                }
                // A value that isn't finite would spoil the mean.
                assertThat(mean / prepared.size().tokens()).as(cases.id(n)).isCloseTo(0, within(1e-5));
            }
        }

        @Test
        void an_epoch_covers_the_whole_data_set() throws IOException {
            SegmentationDataset dataset = DatasetReader.read(shared("data/Task04_Hippocampus"));
            LabelSpec labels = LabelSpec.of(LabelSpec.Mode.SIGMOID, dataset.labels());
            assertThat(labels).isEqualTo(LabelSpec.sigmoid("Anterior", "Posterior"));
            CaseSource cases = new CachedCases(new FileCases(
                    dataset.cases(),
                    dataset.channels().size(),
                    new Preprocessor(PreprocessingSpec.of(Normalization.zScore()))));
            LoaderSpec spec = new LoaderSpec(
                    4, true, true, 2, new Grid(48, 64, 48), 1, 1, Augmentation.fromConfig("standard"), 42);
            try (PatchLoader loader = new PatchLoader(cases, labels, spec)) {
                int batches = 0;
                for (Batch batch : loader.epoch(0)) {
                    assertThat(batch.input().shape()).containsExactly(4, 1, 48, 64, 48);
                    assertThat(batch.target().shape()).containsExactly(4, 2, 48, 64, 48);
                    batches++;
                }
                assertThat(batches).isEqualTo(dataset.cases().size() / 4);
            }
        }
    }

    @Test
    void a_missing_file_is_named(@TempDir Path folder) {
        Path gone = folder.resolve("gone.nii.gz");
        CaseSource cases = new FileCases(
                List.of(new Case("gone", List.of(gone), Optional.empty())),
                0,
                new Preprocessor(PreprocessingSpec.of(Normalization.none())));
        assertThat(cases.ids()).containsExactly("gone");
        assertThatThrownBy(() -> cases.load(0)).isInstanceOf(IOException.class).hasMessageContaining(gone.toString());
    }
}
