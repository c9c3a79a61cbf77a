package org.segformer3d.data.loading;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.cache.VolumeCache;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.data.nifti.NiftiWriter;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Normalization;
import org.segformer3d.data.preprocessing.PreparedCase;
import org.segformer3d.data.preprocessing.PreprocessingSpec;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Cropping;
import org.segformer3d.data.preprocessing.PreprocessingSpec.Orienting;
import org.segformer3d.data.preprocessing.Preprocessor;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class StoredCasesTests {
    private static final PreprocessingSpec SPEC = PreprocessingSpec.of(Normalization.zScore())
            .withOrientation(Orienting.RAS)
            .withCropping(Cropping.NONZERO)
            .withSpacing(Interpolation.LINEAR, 1.5, 1, 1);

    @TempDir
    Path folder;

    private Case scan;

    @BeforeEach
    void write() throws IOException {
        // Axes turned and flipped, with a border of zeros: orientation, cropping and resampling all have something to
        // do.
        Geometry geometry =
                Geometry.of(new Grid(6, 9, 8), Affine.ofRows(0, -1.2, 0, 11.1, 0.9, 0, 0, -3.3, 0, 0, -1.7, 0.1));
        float[] image = new float[6 * 9 * 8];
        float[] label = new float[image.length];
        for (int n = 0; n < image.length; n++) {
            boolean inside = n / 72 > 0 && n / 8 % 9 > 1 && n % 8 < 6;
            image[n] = inside ? 1 + n * 37 % 101 : 0;
            label[n] = inside ? n * 13 % 4 : 0;
        }
        NiftiWriter.write(folder.resolve("image.nii.gz"), Volume.of(image, 1, geometry));
        NiftiWriter.writeLabels(folder.resolve("label.nii.gz"), Volume.of(label, 1, geometry));
        scan = new Case("A", List.of(folder.resolve("image.nii.gz")), Optional.of(folder.resolve("label.nii.gz")));
    }

    private FileCases cases(PreprocessingSpec spec) {
        return new FileCases(List.of(scan), 1, new Preprocessor(spec));
    }

    @Test
    void give_what_was_prepared_with_its_way_back() throws IOException {
        PreparedCase prepared = cases(SPEC).load(0);
        VolumeCache cache = VolumeCache.open(folder.resolve("cache"));
        new StoredCases(cases(SPEC), cache).load(0);
        // From here on only the cache can answer.
        PreparedCase stored = new StoredCases(unreadable(), index -> cases(SPEC).key(index), cache).load(0);

        assertThat(stored.image()).isEqualTo(prepared.image());
        assertThat(stored.label()).isEqualTo(prepared.label());
        assertThat(stored.restoration().inputGeometry())
                .isEqualTo(prepared.restoration().inputGeometry());
        assertThat(stored.restoration().preparedGeometry())
                .isEqualTo(prepared.restoration().preparedGeometry());
        assertThat(stored.restoration().labels(stored.label().orElseThrow()).values())
                .containsExactly(prepared.restoration()
                        .labels(prepared.label().orElseThrow())
                        .values());
        assertThat(stored.restoration().scalar(stored.image(), -1).values())
                .containsExactly(
                        prepared.restoration().scalar(prepared.image(), -1).values());
    }

    private static CaseSource unreadable() {
        return new CaseSource() {
            @Override
            public int size() {
                return 1;
            }

            @Override
            public String id(int index) {
                return "A";
            }

            @Override
            public PreparedCase load(int index) throws IOException {
                throw new IOException("the scan is gone");
            }
        };
    }

    @Test
    void are_prepared_anew_when_the_scan_the_label_or_the_preprocessing_changes() throws IOException {
        VolumeCache cache = VolumeCache.open(folder.resolve("cache"));
        PreparedCase first = new StoredCases(cases(SPEC), cache).load(0);

        PreparedCase coarser = new StoredCases(cases(SPEC.withSpacing(Interpolation.LINEAR, 3, 3, 3)), cache).load(0);
        assertThat(coarser.size()).isNotEqualTo(first.size());

        Files.copy(
                folder.resolve("label.nii.gz"),
                folder.resolve("image.nii.gz"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        PreparedCase other = new StoredCases(cases(SPEC), cache).load(0);
        assertThat(other.image()).isNotEqualTo(first.image());
        try (java.util.stream.Stream<Path> entries = Files.list(folder.resolve("cache"))) {
            assertThat(entries.filter(path -> path.toString().endsWith(".safetensors")))
                    .hasSize(3);
        }
    }
}
