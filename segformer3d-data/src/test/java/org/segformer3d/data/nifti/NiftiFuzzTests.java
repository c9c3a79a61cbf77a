package org.segformer3d.data.nifti;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;
import static org.segformer3d.data.nifti.NiftiBytes.gzip;
import static org.segformer3d.data.nifti.NiftiBytes.write;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

/** Whatever is done to a file, it is read or refused with the one exception. */
class NiftiFuzzTests {
    private static final long[] NASTY = {
        0, 1, -1, 7, 8, 127, 128, 255, 32767, -32768, 65535, Integer.MAX_VALUE, Integer.MIN_VALUE
    };

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void aMutatedFileIsReadOrRefused(long seed) {
        Random random = new Random(seed);
        int read = 0;
        int refused = 0;
        for (int round = 0; round < 600; round++) {
            byte[] bytes = mutated(random);
            Path file = write(folder.resolve(random.nextInt(4) == 0 ? "x.nii.gz" : "x.nii"), bytes);
            try {
                Volume volume = NiftiReader.read(file);
                assertThat(volume.values().length)
                        .isEqualTo(volume.channels() * volume.geometry().size().tokens());
                assertThat(volume.geometry().affine().isFinite()).isTrue();
                assertThat(volume.geometry().orientationCodes()).hasSize(3);
                read++;
            } catch (VolumeFormatException e) {
                assertThat(e.getMessage()).startsWith(file.toString()).doesNotContain("\n");
                refused++;
            } catch (Exception | Error e) {
                fail("seed " + seed + ", round " + round + ": " + e, e);
            }
        }
        assertThat(read).as("seed " + seed + ": both outcomes occur").isPositive();
        assertThat(refused).isPositive();
    }

    private static byte[] mutated(Random random) {
        NiftiBytes file = NiftiBytes.of(3, 4, 5);
        file.version = 1 + random.nextInt(2);
        file.order = random.nextBoolean() ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
        file.qform = random.nextInt(2);
        file.sform = random.nextInt(2);
        file.srow = new double[] {1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7};
        byte[] bytes = file.file(file.counting());
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(file.order);
        int changes = random.nextInt(4);
        for (int n = 0; n < changes; n++) {
            int at = random.nextInt(file.headerLength() - 8);
            long nasty = NASTY[random.nextInt(NASTY.length)];
            switch (random.nextInt(6)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> buffer.putShort(40 + 2 * random.nextInt(8), (short) nasty);
                case 2 -> buffer.putLong(16 + 8 * random.nextInt(8), nasty);
                case 3 -> buffer.putFloat(at & ~3, random.nextBoolean() ? Float.NaN : nasty);
                case 4 -> buffer.putInt(at & ~3, (int) nasty);
                default -> buffer.putDouble(at & ~7, random.nextBoolean() ? Double.NEGATIVE_INFINITY : nasty);
            }
        }
        if (random.nextInt(4) == 0) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 20));
        }
        if (random.nextInt(3) == 0) {
            bytes = gzip(bytes);
            if (random.nextInt(2) == 0) {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            }
            if (random.nextInt(4) == 0) {
                bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            }
        }
        return bytes;
    }
}
