package org.segformer3d.data.nifti;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.data.nifti.NiftiBytes.gzip;
import static org.segformer3d.data.nifti.NiftiBytes.write;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

/** Images of several blocks, which one thread inflates while another checks and converts them. */
class LargeGzippedImageTests {
    private static final int NI = 70;
    private static final int NJ = 90;
    private static final int NK = 170;
    private static final int HEADER = 352;

    @TempDir
    Path folder;

    private final byte[] raw = noise(NI * NJ * NK * Short.BYTES);
    private final byte[] file = NiftiBytes.of(NI, NJ, NK).file(raw);

    private static byte[] noise(int length) {
        byte[] bytes = new byte[length];
        SplittableRandom random = new SplittableRandom(3);
        for (int n = 0; n < length; n++) {
            bytes[n] = (byte) random.nextInt(16);
        }
        return bytes;
    }

    private Volume read(byte[] bytes) throws IOException {
        return NiftiReader.read(write(folder.resolve("x.nii.gz"), bytes));
    }

    private static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    private void assertHoldsTheVoxels(Volume volume) {
        ByteBuffer shorts = ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN);
        float[] expected = new float[NI * NJ * NK];
        int at = 0;
        for (int k = 0; k < NK; k++) {
            for (int j = 0; j < NJ; j++) {
                for (int i = 0; i < NI; i++) {
                    expected[(i * NJ + j) * NK + k] = shorts.getShort(at);
                    at += Short.BYTES;
                }
            }
        }
        assertThat(volume.values()).isEqualTo(expected);
    }

    @Nested
    class Members {
        @Test
        void areReadOneAfterTheOther() throws IOException {
            assertHoldsTheVoxels(read(gzip(file)));
            assertHoldsTheVoxels(read(joined(
                    gzip(Arrays.copyOf(file, 100)),
                    gzip(Arrays.copyOfRange(file, 100, 100)),
                    gzip(Arrays.copyOfRange(file, 100, 1_000_001)),
                    gzip(Arrays.copyOfRange(file, 1_000_001, file.length)))));
        }

        @Test
        void mayBeFollowedByPadding() throws IOException {
            assertHoldsTheVoxels(read(joined(gzip(file), new byte[512])));
        }

        @Test
        void mayHaveANameACommentAnExtraFieldAndAHeaderChecksum() throws IOException {
            byte[] plain = gzip(file);
            byte[] header = joined(
                    new byte[] {0x1f, (byte) 0x8b, 8, 2 + 4 + 8 + 16, 0, 0, 0, 0, 0, 3, 3, 0, 'e', 'x', 't'},
                    "image.nii\0why\0".getBytes(StandardCharsets.ISO_8859_1));
            CRC32 crc = new CRC32();
            crc.update(header);
            byte[] sum = {(byte) crc.getValue(), (byte) (crc.getValue() >> 8)};
            byte[] rest = Arrays.copyOfRange(plain, 10, plain.length);

            assertHoldsTheVoxels(read(joined(header, sum, rest)));

            sum[0] ^= 1;
            assertThatThrownBy(() -> read(joined(header, sum, rest)))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("Corrupt GZIP header");
        }
    }

    @Nested
    class Damage {
        private void refused(byte[] bytes, String... phrases) {
            assertThatThrownBy(() -> read(bytes))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.nii.gz")
                    .hasMessageContainingAll(phrases);
        }

        @ParameterizedTest
        @ValueSource(ints = {8, 5, 4, 1})
        void isSeenInTheChecksumAndInTheLength(int beforeTheEnd) {
            byte[] packed = gzip(file);
            packed[packed.length - beforeTheEnd] ^= 1;

            refused(packed, "damaged gzip data", "Corrupt GZIP trailer");
        }

        @Test
        void isSeenInAMemberBeforeTheLast() {
            byte[] first = gzip(Arrays.copyOf(file, 900_000));
            first[first.length - 8] ^= 1;

            refused(joined(first, gzip(Arrays.copyOfRange(file, 900_000, file.length))), "Corrupt GZIP trailer");
        }

        @ParameterizedTest
        @ValueSource(doubles = {0.1, 0.5, 0.9, 0.99})
        void isATruncationAnywhere(double part) {
            byte[] packed = gzip(file);

            refused(
                    Arrays.copyOf(packed, (int) (part * packed.length)),
                    "truncated",
                    String.valueOf(file.length - HEADER));
        }

        @Test
        void isATruncatedTrailer() {
            byte[] packed = gzip(file);

            refused(Arrays.copyOf(packed, packed.length - 3), "damaged gzip data");
        }

        @Test
        void amidTheDataIsReported() {
            byte[] packed = gzip(file);
            Arrays.fill(packed, packed.length / 2, packed.length / 2 + 4000, (byte) 0xff);

            refused(packed, "damaged gzip data");
        }
    }

    /** Columns of zeros are skipped; whatever isn't quite zero must not be. */
    @Nested
    class MostlyZero {
        @ParameterizedTest
        @EnumSource(
                value = NiftiType.class,
                names = {"UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "FLOAT32", "FLOAT64"
                })
        void imagesKeepEverySingleVoxel(NiftiType type) throws IOException {
            for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
                NiftiBytes image = NiftiBytes.of(35, 41, 300).type(type);
                image.order = order;
                byte[] voxels = new byte[35 * 41 * 300 * type.bytes()];
                SplittableRandom random = new SplittableRandom(type.ordinal());
                float[] expected = new float[35 * 41 * 300];
                for (int n = 0; n < 40; n++) {
                    int i = n < 2 ? 34 * n : random.nextInt(35);
                    int j = random.nextInt(41);
                    int k = random.nextInt(300);
                    put(type, ByteBuffer.wrap(voxels).order(order), i + 35 * (j + 41 * k));
                    expected[(i * 41 + j) * 300 + k] = 1;
                }

                assertThat(read(gzip(image.file(voxels))).values()).isEqualTo(expected);
            }
        }

        private void put(NiftiType type, ByteBuffer voxels, int at) {
            switch (type) {
                case FLOAT32 -> voxels.putFloat(at * 4, 1);
                case FLOAT64 -> voxels.putDouble(at * 8, 1);
                default ->
                    voxels.put(
                            at * type.bytes() + (voxels.order() == ByteOrder.LITTLE_ENDIAN ? 0 : type.bytes() - 1),
                            (byte) 1);
            }
        }

        @Test
        void imagesKeepTheirIntercept() throws IOException {
            NiftiBytes image = NiftiBytes.of(30, 30, 300);
            image.slope = 2;
            image.inter = -3;

            assertThat(read(gzip(image.file(new byte[30 * 30 * 300 * 2]))).values())
                    .containsOnly(-3f);
        }

        @Test
        void imagesKeepNegativeZeros() throws IOException {
            NiftiBytes image = NiftiBytes.of(30, 30, 300).type(NiftiType.FLOAT32);
            byte[] voxels = new byte[30 * 30 * 300 * 4];
            voxels[3] = (byte) 0x80;

            float[] values = read(gzip(image.file(voxels))).values();

            assertThat(Float.floatToRawIntBits(values[0])).isEqualTo(Float.floatToRawIntBits(-0f));
            assertThat(Float.floatToRawIntBits(values[1])).isZero();
        }
    }
}
