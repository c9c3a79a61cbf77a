package org.segformer3d.data.nifti;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.segformer3d.data.nifti.NiftiBytes.gzip;
import static org.segformer3d.data.nifti.NiftiBytes.write;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

class NiftiReaderTests {
    @TempDir
    Path folder;

    private Volume read(String name, byte[] bytes) throws IOException {
        return NiftiReader.read(write(folder.resolve(name), bytes));
    }

    @Nested
    class Voxels {
        static List<Arguments> typesVersionsAndOrders() {
            List<Arguments> all = new ArrayList<>();
            for (NiftiType type : NiftiType.values()) {
                for (int version = 1; type.isScalar() && version <= 2; version++) {
                    all.add(Arguments.of(type, version, ByteOrder.LITTLE_ENDIAN));
                    all.add(Arguments.of(type, version, ByteOrder.BIG_ENDIAN));
                }
            }
            return all;
        }

        /** Returns the raw bits and, as exact decimal doubles, what they mean. */
        private static double[][] bitsAndMeaning(NiftiType type) {
            return switch (type) {
                case UINT8 -> new double[][] {{0, 0}, {127, 127}, {128, 128}, {255, 255}};
                case INT8 -> new double[][] {{0, 0}, {127, 127}, {128, -128}, {255, -1}};
                case INT16 -> new double[][] {{0, 0}, {0x7fff, 32767}, {0x8000, -32768}, {0xffff, -1}};
                case UINT16 -> new double[][] {{0, 0}, {0x7fff, 32767}, {0x8000, 32768}, {0xffff, 65535}};
                case INT32 -> new double[][] {{7, 7}, {0x7fffffffL, 0x1p31}, {0x80000000L, -0x1p31}, {0xffffffffL, -1}};
                case UINT32 ->
                    new double[][] {{7, 7}, {0x7fffffffL, 0x1p31}, {0x80000000L, 0x1p31}, {0xffffff00L, 4294967040.0}};
                case INT64, UINT64 -> new double[][] {{7, 7}, {0x1234567, 0x1234567}, {1L << 40, 0x1p40}, {3, 3}};
                case FLOAT32, FLOAT64 -> new double[][] {{1.5, 1.5}, {-0.25, -0.25}, {3e30, 3e30f}, {0, 0}};
                default -> throw new IllegalArgumentException();
            };
        }

        @ParameterizedTest
        @MethodSource("typesVersionsAndOrders")
        void haveTheirValuesInEveryTypeVersionAndByteOrder(NiftiType type, int version, ByteOrder order)
                throws IOException {
            NiftiBytes file = NiftiBytes.of(4, 1, 1).type(type);
            file.version = version;
            file.order = order;
            double[][] cases = bitsAndMeaning(type);
            ByteBuffer raw = ByteBuffer.allocate(4 * type.bytes()).order(order);
            for (double[] one : cases) {
                switch (type) {
                    case FLOAT32 -> raw.putFloat((float) one[0]);
                    case FLOAT64 -> raw.putDouble(one[0]);
                    default -> {
                        switch (type.bytes()) {
                            case 1 -> raw.put((byte) (long) one[0]);
                            case 2 -> raw.putShort((short) (long) one[0]);
                            case 4 -> raw.putInt((int) (long) one[0]);
                            default -> raw.putLong((long) one[0]);
                        }
                    }
                }
            }

            Volume volume = read("x.nii", file.file(raw.array()));

            for (int n = 0; n < 4; n++) {
                assertThat(volume.get(0, n, 0, 0)).isEqualTo((float) cases[n][1]);
            }
            assertThat(((NiftiHeader) volume.geometry().source().orElseThrow()).type())
                    .isEqualTo(type);
        }

        @Test
        void ofUnsigned64BitsRoundOnce() throws IOException {
            NiftiBytes file = NiftiBytes.of(3).type(NiftiType.UINT64);
            byte[] raw = ByteBuffer.allocate(24)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(-1L)
                    .putLong(0x8000008000000001L)
                    .putLong(0x8000008000000000L)
                    .array();

            Volume volume = read("x.nii", file.file(raw));

            assertThat(volume.values())
                    .as("2^64-1; just above a tie of float32 rounds up; the tie rounds to even")
                    .containsExactly(0x1p64f, 0x1.000002p63f, 0x1p63f);
        }

        @Test
        void standInTheOrderOfTheFilesAxes() throws IOException {
            NiftiBytes file = NiftiBytes.of(5, 4, 3, 2);

            Volume volume = read("x.nii", file.file(file.counting()));

            assertThat(volume.shape()).containsExactly(2, 5, 4, 3);
            for (int c = 0; c < 2; c++) {
                for (int k = 0; k < 3; k++) {
                    for (int j = 0; j < 4; j++) {
                        for (int i = 0; i < 5; i++) {
                            assertThat(volume.get(c, i, j, k)).isEqualTo(i + 5 * (j + 4 * (k + 3 * c)));
                        }
                    }
                }
            }
        }

        @Test
        void areTheSameWhereSeveralBlocksOfPlanesAreNeeded() throws IOException {
            NiftiBytes file = NiftiBytes.of(3, 2, 71);

            Volume volume = read("x.nii", file.file(file.counting()));

            for (int k = 0; k < 71; k++) {
                assertThat(volume.get(0, 1, 1, k)).isEqualTo(1 + 3 + 6 * k);
            }
        }

        @Test
        void areTheSameWhereAPlaneIsTooLargeToBuffer() throws IOException {
            NiftiBytes file = NiftiBytes.of(4096, 2100, 2).type(NiftiType.UINT8);
            byte[] raw = new byte[4096 * 2100 * 2];
            for (int n = 0; n < raw.length; n++) {
                raw[n] = (byte) (n * 31L >> 5);
            }

            Volume volume = read("x.nii.gz", gzip(file.file(raw)));

            for (int n = 0; n < raw.length; n += 997) {
                assertThat(volume.get(0, n % 4096, n / 4096 % 2100, n / 4096 / 2100))
                        .isEqualTo(raw[n] & 0xff);
            }
        }

        @ParameterizedTest
        @CsvSource({
            "2.5, -10, 2.5, -10",
            "-0.5, 0, -0.5, 0",
            "1, 7, 1, 7",
            "0, 7, 1, 0",
            "NaN, 7, 1, 0",
            "Infinity, 7, 1, 0",
            "NaN, NaN, 1, 0"
        })
        void areScaledWhenTheSlopeIsFiniteAndNotZero(double slope, double inter, double factor, double summand)
                throws IOException {
            NiftiBytes file = NiftiBytes.of(3, 2, 1);
            file.slope = slope;
            file.inter = inter;

            Volume volume = read("x.nii", file.file(file.counting()));

            assertThat(volume.get(0, 2, 1, 0)).isEqualTo((float) (5 * factor + summand));
        }

        @ParameterizedTest
        @EnumSource(
                value = NiftiType.class,
                names = {"UINT8", "INT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "FLOAT32", "FLOAT64"
                })
        void areScaledInEveryType(NiftiType type) throws IOException {
            NiftiBytes file = NiftiBytes.of(1).type(type);
            file.slope = 0.1;
            file.inter = 1;
            ByteBuffer raw = ByteBuffer.allocate(type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            switch (type) {
                case FLOAT32 -> raw.putFloat(3);
                case FLOAT64 -> raw.putDouble(3);
                default -> raw.put(0, (byte) 3);
            }

            assertThat(read("x.nii", file.file(raw.array())).get(0, 0, 0, 0))
                    .isEqualTo((float) (3 * (double) 0.1f + 1));
        }
    }

    @Nested
    class Shapes {
        static Stream<Arguments> shapes() {
            return Stream.of(
                    Arguments.of(new long[] {6}, 1, new Grid(6, 1, 1)),
                    Arguments.of(new long[] {3, 2}, 1, new Grid(3, 2, 1)),
                    Arguments.of(new long[] {3, 2, 4}, 1, new Grid(3, 2, 4)),
                    Arguments.of(new long[] {3, 2, 4, 1}, 1, new Grid(3, 2, 4)),
                    Arguments.of(new long[] {3, 2, 4, 5}, 5, new Grid(3, 2, 4)),
                    Arguments.of(new long[] {3, 2, 4, 1, 5}, 5, new Grid(3, 2, 4)),
                    Arguments.of(new long[] {3, 2, 1, 1, 1, 5, 1}, 5, new Grid(3, 2, 1)));
        }

        @ParameterizedTest
        @MethodSource("shapes")
        void haveThreeSpatialAxesAndOneForChannels(long[] sizes, int channels, Grid grid) throws IOException {
            NiftiBytes file = NiftiBytes.of(sizes);

            Volume volume = read("x.nii", file.file(file.counting()));

            assertThat(volume.channels()).isEqualTo(channels);
            assertThat(volume.geometry().size()).isEqualTo(grid);
            assertThat(volume.values()[volume.values().length - 1]).isEqualTo(volume.values().length - 1);
        }

        @Test
        void withTwoAxesBeyondTheThirdAreRefused() {
            NiftiBytes file = NiftiBytes.of(2, 2, 2, 3, 4);

            assertThatThrownBy(() -> read("x.nii", file.file(file.counting())))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("2×2×2×3×4");
        }
    }

    @Nested
    class Places {
        private final NiftiBytes file = NiftiBytes.of(3, 5, 7);

        private Affine affine() throws IOException {
            return read("x.nii", file.file(file.counting())).geometry().affine();
        }

        @Test
        void comeFromTheSformWhenItHasACode() throws IOException {
            file.sform = 1;
            file.qform = 1;
            file.srow = new double[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.5, 12};

            assertThat(affine()).isEqualTo(Affine.ofRows(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.5, 12));
        }

        @Test
        void comeFromTheQformWhenOnlyThatHasACode() throws IOException {
            file.qform = 2;
            file.sform = 0;
            file.srow = new double[] {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
            // A quarter turn about z: i goes to y, j to −x.
            file.quatern = new double[] {0, 0, Math.sqrt(0.5)};
            file.qoffset = new double[] {10, 20, 30};
            file.pixdim = new double[] {-1, 2, 3, 4, 1, 1, 1, 1};

            assertThat(affine().isCloseTo(Affine.ofRows(0, -3, 0, 10, 2, 0, 0, 20, 0, 0, -4, 30), 1e-6))
                    .isTrue();
        }

        @Test
        void comeFromTheVoxelSizesOtherwiseWithTheFirstAxisToTheLeftAboutTheCentre() throws IOException {
            file.pixdim = new double[] {1, 2, 3, 4, 1, 1, 1, 1};

            assertThat(affine()).isEqualTo(Affine.ofRows(-2, 0, 0, 2, 0, 3, 0, -6, 0, 0, 4, -12));
        }

        @Test
        void treatUnknownCodesAndOddVoxelSizesAsNibabelDoes() throws IOException {
            file.sform = 17;
            file.qform = -1;
            file.pixdim = new double[] {0, -2, 0, 4, 1, 1, 1, 1};

            assertThat(affine()).isEqualTo(Affine.ofRows(-2, 0, 0, 2, 0, 1, 0, -2, 0, 0, 4, -12));
        }

        @ParameterizedTest
        @CsvSource({"1, 1000", "2, 1", "3, 0.001", "0, 1", "9, 1000", "10, 1"})
        void areInMillimetresWhateverTheUnit(int units, double factor) throws IOException {
            file.units = units;
            file.sform = 1;
            file.srow = new double[] {2, 0, 0, -8, 0, 2, 0, 16, 0, 0, 2, 4};

            Affine affine = affine();

            assertThat(affine.spacing(0)).isCloseTo(2 * factor, within(1e-12));
            assertThat(affine.get(1, 3)).isCloseTo(16 * factor, within(1e-9));
        }

        @Test
        void acceptAQuaternionSlightlyTooLongButNotOneThatIsNone() throws IOException {
            file.qform = 1;
            file.quatern = new double[] {1.0000005, 0, 0};
            assertThat(affine().isCloseTo(Affine.ofRows(1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0), 1e-6))
                    .isTrue();

            file.quatern = new double[] {1, 1, 0};
            assertThatThrownBy(this::affine)
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("quaternion");
        }

        @ParameterizedTest
        @CsvSource({
            "'0,0,0,0,0,0,0,0,0,0,0,0', column 0",
            "'2,0,0,5,0,0,0,5,0,0,4,5', column 1",
            "'2,0,2,5,0,3,0,5,0,0,0,5', column 2",
            "'2,0,NaN,5,0,3,0,5,0,0,4,5', finite",
            "'1,2,3,0,1,2,3,0,0,0,1,0', column 1"
        })
        void comeFromTheQformWhereTheSformCannotBeInverted(String rows, String reason) throws IOException {
            file.sform = 1;
            file.srow = Arrays.stream(rows.split(","))
                    .mapToDouble(Double::parseDouble)
                    .toArray();
            file.qform = 1;
            file.qoffset = new double[] {10, 20, 30};
            file.pixdim = new double[] {1, 3, 2, 4, 1, 1, 1, 1};

            Volume volume = read("x.nii", file.file(file.counting()));

            assertThat(volume.geometry().affine()).isEqualTo(Affine.ofRows(3, 0, 0, 10, 0, 2, 0, 20, 0, 0, 4, 30));
            assertThat(NiftiReader.readHeader(folder.resolve("x.nii")).remark().orElseThrow())
                    .contains("sform", reason, "qform", "3.0×2.0×4.0");
        }

        @Test
        void areWrittenSoThatNobodyElseTakesTheFormThatCannotBeUsed() throws IOException {
            file.sform = 1;
            file.qform = 1;
            file.pixdim = new double[] {1, 3, 2, 4, 1, 1, 1, 1};

            Path copy = folder.resolve("copy.nii");
            NiftiWriter.write(copy, read("x.nii", file.file(file.counting())));

            NiftiHeader header = NiftiReader.readHeader(copy);
            assertThat(header.remark()).isEmpty();
            assertThat(header.sformCode()).isPositive();
            assertThat(header.srow()).containsExactly(3, 0, 0, 0, 0, 2, 0, 0, 0, 0, 4, 0);
        }

        @ParameterizedTest
        @CsvSource({"0, 0", "0, NaN", "1, 0", "1, NaN"})
        void areRefusedWithoutAUsableForm(int sform, double voxelSize) {
            file.sform = sform;
            file.qform = 1;
            file.pixdim = new double[] {1, 3, voxelSize, 4, 1, 1, 1, 1};

            assertThatThrownBy(this::affine)
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContainingAll("x.nii", "qform", "axis 1", String.valueOf((float) voxelSize));
        }

        @Test
        void areRefusedForAnSformOfZerosWithoutAQform() {
            file.sform = 2;

            assertThatThrownBy(this::affine)
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContainingAll("x.nii", "sform is singular", "qform has no code");
        }

        @Test
        void ofNegativeVoxelSizesAreRemarkedOn() throws IOException {
            file.qform = 1;
            file.pixdim = new double[] {1, 3, -2, 4, 1, 1, 1, 1};

            assertThat(affine()).isEqualTo(Affine.ofRows(3, 0, 0, 0, 0, 2, 0, 0, 0, 0, 4, 0));
            assertThat(NiftiReader.readHeader(folder.resolve("x.nii")).remark().orElseThrow())
                    .contains("-2.0", "axis 1");
        }

        @Test
        void thatTheFormsDisagreeOnAreTheSformsWithARemark() throws IOException {
            file.sform = 1;
            file.srow = new double[] {3, 0, 0, 0, 0, 2, 0, 0, 0, 0, 4, 0};
            file.qform = 1;
            file.pixdim = new double[] {1, 3, 2, 4, 1, 1, 1, 1};
            file.qoffset = new double[] {1.2, 0, 0};
            assertThat(affine().get(0, 3)).isZero();
            assertThat(NiftiReader.readHeader(folder.resolve("x.nii")).remark()).isEmpty();

            file.qoffset = new double[] {6, 0, 0};
            assertThat(affine().get(0, 3)).isZero();
            assertThat(NiftiReader.readHeader(folder.resolve("x.nii")).remark().orElseThrow())
                    .contains("2.00 voxels", "its sform holds");
        }

        @Test
        void ofASingleSliceGetItsMissingDirection() throws IOException {
            NiftiBytes slice = NiftiBytes.of(3, 5, 1);
            slice.sform = 1;
            slice.srow = new double[] {0, -2, 0, 5, 3, 0, 0, 5, 0, 0, 0, 5};
            slice.pixdim = new double[] {1, 3, 2, 4, 1, 1, 1, 1};

            Affine affine =
                    read("x.nii", slice.file(slice.counting())).geometry().affine();

            assertThat(affine.isInvertible()).isTrue();
            assertThat(affine.spacing(2)).isEqualTo(4);
            assertThat(affine.apply(1, 1, 0)).containsExactly(3, 8, 5);
        }

        @Test
        void thatAreNotFiniteAreRefused() {
            file.sform = 1;
            file.srow[5] = Double.NaN;

            assertThatThrownBy(this::affine)
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("sform");
        }
    }

    @Nested
    class Kinds {
        private final NiftiBytes file = NiftiBytes.of(2, 3, 4);

        @ParameterizedTest
        @ValueSource(ints = {1, 2})
        void mayBePairsAndEitherNameIsGood(int version) throws IOException {
            file.version = version;
            write(folder.resolve("p.hdr"), file.header(false));
            write(folder.resolve("p.img"), file.counting());

            Volume byHeader = NiftiReader.read(folder.resolve("p.hdr"));
            Volume byVoxels = NiftiReader.read(folder.resolve("p.img"));

            assertThat(byHeader.get(0, 1, 2, 3)).isEqualTo(23);
            assertThat(byVoxels.values()).isEqualTo(byHeader.values());
        }

        @Test
        void mayBePairsOfWhichEachIsGzippedOrNot() throws IOException {
            write(folder.resolve("p.hdr.gz"), gzip(file.header(false)));
            write(folder.resolve("p.img"), file.counting());

            assertThat(NiftiReader.read(folder.resolve("p.img")).get(0, 1, 2, 3))
                    .isEqualTo(23);
        }

        @Test
        void ofAPairMayStartTheirVoxelsLater() throws IOException {
            file.voxOffset = 32;
            write(folder.resolve("p.hdr"), file.header(false));
            write(
                    folder.resolve("p.img"),
                    ByteBuffer.allocate(80).position(32).put(file.counting()).array());

            assertThat(NiftiReader.read(folder.resolve("p.hdr")).get(0, 1, 2, 3))
                    .isEqualTo(23);
        }

        @Test
        void mayHoldExtensionsWhichAreSkipped() throws IOException {
            file.voxOffset = 352 + 64;
            byte[] bytes = file.file(file.counting());
            bytes[348] = 1;
            bytes[352] = 64;
            Arrays.fill(bytes, 360, 416, (byte) 'x');

            assertThat(read("x.nii", bytes).get(0, 1, 2, 3)).isEqualTo(23);
        }

        @Test
        void areTakenForGzippedByTheirContent() throws IOException {
            byte[] bytes = file.file(file.counting());

            assertThat(read("a.nii", gzip(bytes)).get(0, 1, 2, 3)).isEqualTo(23);
            assertThat(read("b.nii.gz", bytes).get(0, 1, 2, 3)).isEqualTo(23);
        }

        @Test
        void mayConsistOfSeveralGzipMembersOrHaveBytesBehindTheVoxels() throws IOException {
            byte[] bytes = file.file(file.counting());
            byte[] first = gzip(Arrays.copyOf(bytes, 360));
            byte[] second = gzip(Arrays.copyOfRange(bytes, 360, bytes.length));
            byte[] both = Arrays.copyOf(first, first.length + second.length);
            System.arraycopy(second, 0, both, first.length, second.length);

            assertThat(read("a.nii.gz", both).get(0, 1, 2, 3)).isEqualTo(23);
            assertThat(read("b.nii", Arrays.copyOf(bytes, bytes.length + 7)).get(0, 1, 2, 3))
                    .isEqualTo(23);
        }

        @Test
        void giveTheirHeaderAlone() throws IOException {
            file.dim[0] = 2;
            write(folder.resolve("only.hdr"), file.header(false));

            NiftiHeader header = NiftiReader.readHeader(folder.resolve("only.hdr"));

            assertThat(header.dimensions()).containsExactly(2, 3);
            assertThat(header.type()).isEqualTo(NiftiType.INT16);
        }
    }

    @Nested
    class Refused {
        private void refused(String name, byte[] bytes, String... phrases) {
            assertThatThrownBy(() -> read(name, bytes))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining(name)
                    .hasMessageContainingAll(phrases)
                    .message()
                    .doesNotContain("\n");
        }

        @Test
        void areMissingFilesAndFolders() throws IOException {
            assertThatThrownBy(() -> NiftiReader.read(folder.resolve("absent.nii")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("no such file");
            Files.createDirectory(folder.resolve("dir.nii"));
            assertThatThrownBy(() -> NiftiReader.read(folder.resolve("dir.nii")))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("not a regular file");
        }

        @Test
        void areEmptyAndShortFiles() {
            refused("x.nii", new byte[0], "empty");
            refused("x.nii", new byte[100], "100 bytes", "348");
            refused("x.nii.gz", new byte[] {0x1f, (byte) 0x8b, 8}, "gzip");
        }

        @Test
        void areHalvesOfPairs() {
            refused("p.hdr", NiftiBytes.of(2).header(false), "p.img");
            refused("q.img", new byte[4], "q.hdr");
        }

        @Test
        void areOtherFormats() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.magic = "\0\0\0\0";
            refused("x.nii", file.file(file.counting()), "ANALYZE 7.5");
            byte[] other = file.file(file.counting());
            other[0] = 9;
            refused("x.nii", other, "not a NIfTI file");
        }

        @Test
        void areVoxelsThatOughtToBeElsewhere() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.magic = "ni1\0";
            refused("x.nii", file.file(file.counting()), ".img");
        }

        @ParameterizedTest
        @CsvSource({
            "0, unknown",
            "1, binary",
            "32, complex64",
            "128, RGB24",
            "1536, float128",
            "1792, complex128",
            "2048, complex256",
            "2304, RGBA32",
            "3, code 3"
        })
        void areTypesThatAreNoRealNumbersByName(int code, String name) {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.datatype = code;
            refused("x.nii", file.file(new byte[1000]), name);
        }

        @Test
        void areImpossibleSizes() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.dim[2] = 0;
            refused("x.nii", file.file(new byte[100]), "dim[2] = 0");
            file.dim[2] = -1;
            refused("x.nii", file.file(new byte[100]), "dim[2] = -1");
            file.dim[0] = 8;
            refused("x.nii", file.file(new byte[100]), "dim[0]");
            NiftiBytes huge = NiftiBytes.of(1L << 40, 1L << 40, 1L << 40);
            huge.version = 2;
            refused("x.nii", huge.file(new byte[100]), "impossible");
        }

        @ParameterizedTest
        @ValueSource(strings = {"x.nii", "x.nii.gz"})
        void areClaimsTheFileCannotHoldBeforeMemoryIsTaken(String name) {
            NiftiBytes file = NiftiBytes.of(30000, 30000, 30000);
            byte[] bytes = file.file(new byte[1000]);
            long before = usedMemory();
            refused(name, name.endsWith("gz") ? gzip(bytes) : bytes, "claims 54000000000000 bytes");
            assertThat(usedMemory() - before).isLessThan(1L << 30);
        }

        private long usedMemory() {
            return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        }

        @Test
        void areTruncatedVoxels() {
            NiftiBytes file = NiftiBytes.of(20, 30, 40);
            byte[] bytes = file.file(file.counting());
            refused("x.nii", Arrays.copyOf(bytes, bytes.length - 1), "claims 48000 bytes");
            byte[] packed = gzip(bytes);
            refused("x.nii.gz", Arrays.copyOf(packed, packed.length / 2), "truncated", "48000");
            refused("x.nii.gz", gzip(Arrays.copyOf(bytes, bytes.length - 1)), "truncated", "47999", "48000");
        }

        @Test
        void areDamagedGzipDataAlsoWhenOnlyTheChecksumTells() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            byte[] packed = gzip(file.file(file.counting()));
            packed[packed.length - 8] ^= 1;
            refused("x.nii.gz", packed, "damaged gzip data");
        }

        @ParameterizedTest
        @ValueSource(doubles = {0, 300, 351})
        void areVoxelsInsideTheHeader(double offset) {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.voxOffset = offset;
            refused("x.nii", file.file(new byte[1000]), "vox_offset", "352");
        }

        @ParameterizedTest
        @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, 1e30, 2000})
        void areVoxelsBeyondTheFile(double offset) {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            byte[] bytes = file.file(new byte[100]);
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(108, (float) offset);
            refused("x.nii", bytes, offset == 2000 ? "2000" : "vox_offset");
        }

        @Test
        void areInterceptsThatAreNotFinite() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.slope = 2;
            file.inter = Double.NaN;
            refused("x.nii", file.file(file.counting()), "scl_inter");
        }

        @Test
        void areFilesThatATextModeTransferDamaged() {
            NiftiBytes file = NiftiBytes.of(2, 3, 4);
            file.version = 2;
            file.eol = 0x0a0a1a0a;
            refused("x.nii", file.file(file.counting()), "text-mode");
        }
    }

    @Nested
    class Labels {
        @Test
        void areWholeNumbersAfterScaling() throws IOException {
            NiftiBytes file = NiftiBytes.of(3, 1, 1);
            file.slope = 1 / 3.0;
            byte[] raw = ByteBuffer.allocate(6)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putShort((short) 0)
                    .putShort((short) 3)
                    .putShort((short) 12)
                    .array();

            assertThat(NiftiReader.readLabels(write(folder.resolve("l.nii"), file.file(raw)))
                            .values())
                    .containsExactly(0, 1, 4);
        }

        @Test
        void thatAreNoneAreRefusedNamingTheVoxel() {
            NiftiBytes file = NiftiBytes.of(3, 2, 1);
            file.slope = 0.25;
            Path path = write(folder.resolve("l.nii"), file.file(file.counting()));

            assertThatThrownBy(() -> NiftiReader.readLabels(path))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContainingAll("l.nii", "0.75", "(0, 1, 0)");
        }

        @Test
        void haveOneChannel() {
            NiftiBytes file = NiftiBytes.of(3, 2, 1, 2);
            Path path = write(folder.resolve("l.nii"), file.file(file.counting()));

            assertThatThrownBy(() -> NiftiReader.readLabels(path))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("2 channels");
        }
    }
}
