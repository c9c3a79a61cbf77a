package org.segformer3d.data.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.volume.Volume;

/** One oblique volume that SimpleITK, nibabel and a hand wrote in other formats, beside itself as NIfTI. */
class SharedFormatsTests {
    private static Path shared(String name) {
        Path file = Path.of(System.getProperty("segformer3d.shared", "../shared"), "cases", "D04", name);
        Assumptions.assumeTrue(Files.exists(file), "no shared case at " + file);
        return file;
    }

    private static void assertSame(Volume found, Volume expected) {
        assertThat(found.channels()).isEqualTo(expected.channels());
        assertThat(found.geometry().size()).isEqualTo(expected.geometry().size());
        assertThat(found.values()).containsExactly(expected.values());
        assertThat(found.geometry().affine().isCloseTo(expected.geometry().affine(), 2e-4))
                .as(found.geometry().affine() + " is " + expected.geometry().affine())
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sitk_raw.nrrd",
                "sitk_gzip.nrrd",
                "sitk_detached.nhdr",
                "ascii.nrrd",
                "big_endian.nrrd",
                "ras.nrrd",
                "sitk_raw.mha",
                "sitk_zlib.mha",
                "sitk_raw.mhd",
                "sitk_zlib.mhd",
                "ascii.mha",
                "big_endian.mha",
                "scan.mgh",
                "scan.mgz"
            })
    void holdTheScan(String name) throws IOException {
        assertSame(VolumeFiles.read(shared(name)), VolumeFiles.read(shared("scan.nii.gz")));
        assertThat(VolumeFiles.readHeader(shared(name)).channels()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"two_vector.nrrd", "list_first.nrrd", "two_vector.mha"})
    void holdBothChannels(String name) throws IOException {
        Volume expected = Volume.stack(
                List.of(VolumeFiles.read(shared("two_0000.nii.gz")), VolumeFiles.read(shared("two_0001.nii.gz"))));
        assertSame(VolumeFiles.read(shared(name)), expected);
        assertThat(VolumeFiles.readHeader(shared(name)).channels()).isEqualTo(2);
    }
}
