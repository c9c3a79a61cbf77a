package org.segformer3d.data.mgh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.data.format.VoxelBytes.gzip;
import static org.segformer3d.data.format.VoxelBytes.join;
import static org.segformer3d.data.format.VoxelBytes.values;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.format.VoxelBytes;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VoxelType;

class MghFormatTests {
    @TempDir
    Path folder;

    private static byte[] header(int type, int frames) {
        ByteBuffer b = ByteBuffer.allocate(284);
        b.putInt(1)
                .putInt(2)
                .putInt(3)
                .putInt(4)
                .putInt(frames)
                .putInt(type)
                .putInt(0)
                .putShort((short) 1);
        for (float value : new float[] {2, 3, 4, 0, 1, 0, -0.6f, 0, 0.8f, 0.8f, 0, 0.6f, 10, -20, 30}) {
            b.putFloat(value);
        }
        return b.array();
    }

    private static byte[] voxels(VoxelType type, int count) {
        return VoxelBytes.counting(type, ByteOrder.BIG_ENDIAN, 0, count);
    }

    private Volume read(byte[]... parts) throws IOException {
        return VolumeFiles.read(Files.write(folder.resolve("x.mgh"), join(parts)));
    }

    @ParameterizedTest
    @CsvSource({"0, UINT8", "1, INT32", "3, FLOAT32", "4, INT16", "10, UINT16"})
    void voxelsHaveTheirValuesInEveryType(int code, VoxelType type) throws IOException {
        assertThat(read(header(code, 1), voxels(type, 24)).values()).containsExactly(values());
        // What follows the voxels, the scanner's parameters and tags, doesn't count.
        Path packed = folder.resolve("x.mgz");
        Files.write(packed, gzip(join(header(code, 1), voxels(type, 24), new byte[20])));
        assertThat(VolumeFiles.read(packed).values()).containsExactly(values());
    }

    @Test
    void framesAreChannels() throws IOException {
        Volume read = read(header(0, 5), voxels(VoxelType.UINT8, 120));
        assertThat(read.channels()).isEqualTo(5);
        assertThat(read.values()).containsExactly(VoxelBytes.interleaved(5, 3));
    }

    /** Expected affines are nibabel 5.4's. */
    @Nested
    class Places {
        @Test
        void areGivenByTheCentre() throws IOException {
            Affine affine =
                    read(header(4, 1), voxels(VoxelType.INT16, 24)).geometry().affine();
            assertThat(affine.isCloseTo(
                            Affine.ofRows(
                                    0,
                                    -1.8000000715255737,
                                    3.200000047683716,
                                    6.300000190734863,
                                    2,
                                    0,
                                    0,
                                    -22,
                                    0,
                                    2.4000000953674316,
                                    2.4000000953674316,
                                    21.600000381469727),
                            1e-6))
                    .as(affine.toString())
                    .isTrue();
        }

        /** As FreeSurfer's C code has it; nibabel turns the second and third axis the other way. */
        @Test
        void areFreeSurfersOwnWhereTheHeaderSaysThatItsDontCount() throws IOException {
            byte[] header = header(4, 1);
            header[29] = 0;
            assertThat(read(header, voxels(VoxelType.INT16, 24)).geometry().affine())
                    .isEqualTo(Affine.ofRows(-1, 0, 0, 1, 0, 0, 1, -2, 0, -1, 0, 1.5));
        }

        @Test
        void areWrittenAsTheyWere() throws IOException {
            Volume read = read(header(4, 1), voxels(VoxelType.INT16, 24));
            Path copy = folder.resolve("copy.mgh");
            VolumeFiles.writeLabels(copy, read);
            assertThat(Arrays.copyOf(Files.readAllBytes(copy), 90)).isEqualTo(Arrays.copyOf(join(header(0, 1)), 90));
        }

        @Test
        void thatAreNoneAreRefused() {
            byte[] flat = header(4, 1);
            ByteBuffer.wrap(flat).putFloat(30, 0);
            assertThatThrownBy(() -> read(flat, voxels(VoxelType.INT16, 24)))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("spans no volume");
        }
    }

    @Nested
    class Damage {
        @Test
        void isReportedBeforeMemoryIsTaken() {
            byte[] large = header(4, 1);
            ByteBuffer.wrap(large).putInt(4, 1000).putInt(8, 1000).putInt(12, 1000);
            assertThatThrownBy(() -> read(large, voxels(VoxelType.INT16, 24))).hasMessageContaining("truncated");
            ByteBuffer.wrap(large).putInt(4, Integer.MAX_VALUE);
            assertThatThrownBy(() -> read(large, voxels(VoxelType.INT16, 24))).hasMessageContaining("2^31");
        }

        @Test
        void isReportedOfCutFilesAndOtherTypes() throws IOException {
            assertThatThrownBy(() -> read(header(4, 1), new byte[47]))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("truncated");
            assertThatThrownBy(() -> read(Arrays.copyOf(header(4, 1), 100)))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("found only 100 bytes");
            assertThatThrownBy(() -> read(header(6, 1), new byte[480]))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("tensor");
        }
    }
}
