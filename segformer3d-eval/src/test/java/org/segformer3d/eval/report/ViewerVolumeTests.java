package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;

class ViewerVolumeTests {
    @TempDir
    private Path folder;

    private Volume decoded(String base64) throws IOException {
        Path file = folder.resolve("decoded.nii.gz");
        Files.write(file, Base64.getDecoder().decode(base64));
        return NiftiReader.read(file);
    }

    @Test
    void keepsSmallVolumesAsTheyAre() throws IOException {
        Geometry geometry = Geometry.of(new Grid(4, 3, 2), Affine.ofRows(0, 2, 0, 5, 1, 0, 0, 6, 0, 0, 3, 7));
        int[] labels = new int[24];
        labels[7] = 3;
        ViewerVolume small = new ViewerVolume(geometry, 1);
        assertThat(small.isReduced()).isFalse();
        Volume back = decoded(small.labels(Volume.ofLabels(labels, geometry)));
        assertThat(back.toLabels()).isEqualTo(labels);
        assertThat(back.geometry()).isEqualTo(geometry);
    }

    @Test
    void turnsValuesIntoGreyLevels() throws IOException {
        Geometry geometry = Geometry.of(new Grid(4, 1, 1), Affine.IDENTITY);
        Volume image = Volume.of(new float[] {-1000, Float.NaN, 0, 1000}, 1, geometry);
        assertThat(decoded(new ViewerVolume(geometry, 1).image(image)).values()).containsExactly(0, 0, 255, 255);
    }

    @Test
    void putsVoxelsTogetherWhereThereAreTooMany() throws IOException {
        Geometry geometry = Geometry.of(new Grid(200, 200, 100), Affine.ofRows(-1, 0, 0, 90, 0, 1, 0, 0, 0, 0, 2, 0));
        ViewerVolume small = new ViewerVolume(geometry, 1);
        assertThat(small.isReduced()).isTrue();
        assertThat(small.size()).isEqualTo(new Grid(100, 100, 100));
        float[] values = new float[geometry.size().tokens()];
        for (int n = 0; n < values.length; n++) {
            values[n] = n / (200 * 100) % 2 * 100;
        }
        values[0] = 100;
        Volume image = decoded(small.image(Volume.of(values, 1, geometry)));
        // Every other slice is bright, so each block's mean is half way between black and white.
        assertThat(image.get(0, 50, 50, 50)).isEqualTo(128);
        assertThat(image.geometry().affine().apply(0, 0, 0)).containsExactly(new double[] {89.5, 0.5, 0}, within(1e-6));
        assertThat(image.geometry().affine().apply(99, 99, 99))
                .containsExactly(new double[] {-108.5, 198.5, 198}, within(1e-4));
    }

    @Test
    void leavesFewerVoxelsToEachOfVeryManyChannels() {
        Geometry geometry = Geometry.of(new Grid(100, 100, 100), Affine.IDENTITY);
        assertThat(new ViewerVolume(geometry, 4).isReduced()).isFalse();
        assertThat(new ViewerVolume(geometry, 8).size().tokens()).isLessThanOrEqualTo(600_000);
        assertThat(new ViewerVolume(geometry, 10_000_000).size()).isEqualTo(new Grid(1, 1, 1));
    }
}
