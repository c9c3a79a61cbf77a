package org.segformer3d.data.nrrd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.data.format.VoxelBytes.SIZE;
import static org.segformer3d.data.format.VoxelBytes.gzip;
import static org.segformer3d.data.format.VoxelBytes.join;
import static org.segformer3d.data.format.VoxelBytes.shorts;
import static org.segformer3d.data.format.VoxelBytes.values;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.format.VoxelBytes;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;

class NrrdFormatTests {
    private static final String SHORTS = "type: short\ndimension: 3\nsizes: 2 3 4\nendian: little\n";
    private static final String RAW = SHORTS + "encoding: raw\n";
    private static final String PLACE = "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (1,2,3)\n";
    private static final String LPS = "space: left-posterior-superior\n" + PLACE;

    @TempDir
    Path folder;

    private Path file(String name, String fields, byte[] voxels) throws IOException {
        byte[] header = ("NRRD0004\n" + fields + (voxels.length == 0 ? "" : "\n")).getBytes(StandardCharsets.UTF_8);
        return Files.write(folder.resolve(name), join(header, voxels));
    }

    private Volume read(String fields, byte[] voxels) throws IOException {
        return VolumeFiles.read(file("x.nrrd", fields, voxels));
    }

    private static Affine diagonal(double x, double y, double z, double ox, double oy, double oz) {
        return Affine.ofRows(x, 0, 0, ox, 0, y, 0, oy, 0, 0, z, oz);
    }

    @Nested
    class Voxels {
        @ParameterizedTest
        @EnumSource(VoxelType.class)
        void haveTheirValuesInEveryTypeAndByteOrder(VoxelType type) throws IOException {
            String[] names = {
                "uchar",
                "signed char",
                "unsigned short int",
                "int16_t",
                "uint",
                "int",
                "ulonglong",
                "long long",
                "float",
                "double"
            };
            for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
                byte[] voxels = VoxelBytes.counting(type, order, 0, 24);
                String fields = "type: " + names[type.ordinal()] + "\ndimension: 3\nsizes: 2 3 4\nendian: "
                        + (order == ByteOrder.BIG_ENDIAN ? "big" : "little") + "\n" + LPS;
                assertThat(read(fields + "encoding: raw\n", voxels).values()).containsExactly(values());
                assertThat(read(fields + "encoding: gzip\n", gzip(voxels)).values())
                        .containsExactly(values());
            }
        }

        @Test
        void areReadFromText() throws IOException {
            StringBuilder text = new StringBuilder();
            for (int n = 0; n < 24; n++) {
                text.append(n).append(n % 5 == 0 ? "\r\n" : n % 3 == 0 ? "\t" : " ");
            }
            String fields = "type: short\ndimension: 3\nsizes: 2 3 4\nencoding: ascii\n" + LPS;
            assertThat(read(fields, text.toString().getBytes(StandardCharsets.US_ASCII))
                            .values())
                    .containsExactly(values());
            String decimals = "nan -inf +1.5e-1 " + "0 ".repeat(21);
            Volume decimal = read(fields.replace("short", "float"), decimals.getBytes(StandardCharsets.US_ASCII));
            assertThat(decimal.get(0, 0, 0, 0)).isNaN();
            assertThat(decimal.get(0, 1, 0, 0)).isEqualTo(Float.NEGATIVE_INFINITY);
            assertThat(decimal.get(0, 0, 1, 0)).isEqualTo(0.15f);
            for (String wrong : new String[] {"x", "40000", "1.5", "0x10"}) {
                assertThatThrownBy(() -> read(fields, (wrong + " 0".repeat(23)).getBytes(StandardCharsets.US_ASCII)))
                        .isInstanceOf(VolumeFormatException.class)
                        .hasMessageContaining("'" + wrong + "'");
            }
            assertThatThrownBy(() -> read(fields, "0 ".repeat(23).getBytes(StandardCharsets.US_ASCII)))
                    .hasMessageContaining("truncated");
        }

        @Test
        void mayFollowLinesAndBytesThatAreSkipped() throws IOException {
            byte[] lines = "a\nbc\n".getBytes(StandardCharsets.US_ASCII);
            byte[] bytes = "XYZ".getBytes(StandardCharsets.US_ASCII);
            assertThat(read(RAW + LPS + "line skip: 2\nbyte skip: 3\n", join(lines, bytes, shorts()))
                            .values())
                    .containsExactly(values());
            assertThat(read(
                                    SHORTS + "encoding: gzip\n" + LPS + "lineskip: 2\nbyteskip: 3\n",
                                    join(lines, gzip(join(bytes, shorts()))))
                            .values())
                    .containsExactly(values());
            assertThat(read(RAW + LPS + "byte skip: -1\n", join(lines, bytes, shorts()))
                            .values())
                    .containsExactly(values());
        }

        @Test
        void mayFollowAHeaderWithWindowsLineEnds() throws IOException {
            byte[] header =
                    ("NRRD0005\n" + RAW + LPS + "\n").replace("\n", "\r\n").getBytes(StandardCharsets.US_ASCII);
            Path file = Files.write(folder.resolve("w.nrrd"), join(header, shorts()));
            assertThat(VolumeFiles.read(file).values()).containsExactly(values());
        }
    }

    @Nested
    class FilesOfTheirOwn {
        private byte[] slice(int k) {
            return VoxelBytes.counting(VoxelType.INT16, ByteOrder.LITTLE_ENDIAN, 6 * k, 6);
        }

        @Test
        void areOneOrAListOrNumbered() throws IOException {
            Files.write(folder.resolve("all.raw"), shorts());
            assertThat(VolumeFiles.read(file("a.nhdr", RAW + LPS + "data file: ./all.raw\n", new byte[0]))
                            .values())
                    .containsExactly(values());
            for (int k = 0; k < 4; k++) {
                Files.write(folder.resolve("s0" + k + ".raw"), slice(k));
                Files.write(folder.resolve("z" + k + ".gz"), gzip(slice(k)));
            }
            String list = "data file: LIST\ns00.raw\ns01.raw\ns02.raw\ns03.raw\n";
            Path listed = file("b.nhdr", RAW + LPS + list, new byte[0]);
            assertThat(VolumeFiles.read(listed).values()).containsExactly(values());
            assertThat(VolumeFiles.readHeader(listed).files())
                    .hasSize(5)
                    .startsWith(listed)
                    .endsWith(folder.resolve("s03.raw"));
            assertThat(VolumeFiles.read(file("c.nhdr", RAW + LPS + "datafile: s%02d.raw 0 3 1 2\n", new byte[0]))
                            .values())
                    .containsExactly(values());
            String gzipped = SHORTS + "encoding: gzip\n" + LPS + "data file: z%d.gz 0 3 1\n";
            assertThat(VolumeFiles.read(file("d.nhdr", gzipped, new byte[0])).values())
                    .containsExactly(values());
            Volume backwards =
                    VolumeFiles.read(file("e.nhdr", RAW + LPS + "data file: s%02d.raw 3 0 -1\n", new byte[0]));
            assertThat(backwards.get(0, 0, 0, 0)).isEqualTo(18);
        }

        @Test
        void thatAreMissingOrDontFitAreNamed() throws IOException {
            assertThatThrownBy(() -> VolumeFiles.read(file("a.nhdr", RAW + LPS + "data file: none.raw\n", new byte[0])))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("a.nhdr")
                    .hasMessageContaining("none.raw");
            Files.write(folder.resolve("s.raw"), slice(0));
            String five = "data file: LIST\n" + "s.raw\n".repeat(5);
            assertThatThrownBy(() -> VolumeFiles.read(file("b.nhdr", RAW + LPS + five, new byte[0])))
                    .hasMessageContaining("5 files");
            Files.write(folder.resolve("short.raw"), new byte[11]);
            String cut = "data file: LIST\ns.raw\ns.raw\ns.raw\nshort.raw\n";
            assertThatThrownBy(() -> VolumeFiles.read(file("c.nhdr", RAW + LPS + cut, new byte[0])))
                    .hasMessageContaining("short.raw")
                    .hasMessageContaining("11 bytes, expected 12 bytes");
            assertThatThrownBy(() ->
                            VolumeFiles.read(file("d.nhdr", RAW + LPS + "data file: s%d.raw 3 0 1\n", new byte[0])))
                    .hasMessageContaining("STEP");
        }
    }

    /** Expected affines are SimpleITK 2.5's, turned from left, posterior, superior to right, anterior, superior. */
    @Nested
    class Places {
        @ParameterizedTest
        @CsvSource({
            "left-posterior-superior, -2, -3, 4, -1, -2, 3",
            "LPS, -2, -3, 4, -1, -2, 3",
            "RAS, 2, 3, 4, 1, 2, 3",
            "right-anterior-superior, 2, 3, 4, 1, 2, 3",
            "left-anterior-superior, -2, 3, 4, -1, 2, 3",
            "las, -2, 3, 4, -1, 2, 3",
            "scanner-xyz, -2, -3, 4, -1, -2, 3",
            "3D-right-handed, -2, -3, 4, -1, -2, 3",
            "3D-left-handed, -2, -3, 4, -1, -2, 3"
        })
        void areTurnedFromEverySpace(String space, double x, double y, double z, double ox, double oy, double oz)
                throws IOException {
            assertThat(read(RAW + "space: " + space + "\n" + PLACE, shorts())
                            .geometry()
                            .affine())
                    .isEqualTo(diagonal(x, y, z, ox, oy, oz));
        }

        @Test
        void areTurnedFromASpaceWithTime() throws IOException {
            for (String space : new String[] {"RAST", "right-anterior-superior-time"}) {
                Volume read = read(
                        "type: uchar\ndimension: 4\nsizes: 2 3 4 2\nencoding: raw\nspace: " + space
                                + "\nspace directions: (2,0,0,0) (0,3,0,0) (0,0,4,0) (0,0,0,1.5)\n"
                                + "space origin: (1,2,3,0)\nkinds: space space space time\n",
                        VoxelBytes.counting(VoxelType.UINT8, ByteOrder.LITTLE_ENDIAN, 0, 48));
                assertThat(read.geometry().affine()).isEqualTo(diagonal(2, 3, 4, 1, 2, 3));
                assertThat(read.channels()).isEqualTo(2);
                assertThat(read.values()).containsExactly(VoxelBytes.interleaved(2, 3));
            }
        }

        @Test
        void followDirectionsThatAreObliqueOrSwapAxes() throws IOException {
            Volume read = read(
                    RAW + "space: RAS\nspace directions: (0,2,0) (3,0,0.5) ( 0, 0, -4 )\nspace origin: (1,2,3)\n",
                    shorts());
            assertThat(read.geometry().affine()).isEqualTo(Affine.ofRows(0, 3, 0, 1, 2, 0, 0, 2, 0, 0.5, -4, 3));
            assertThat(read.values()).containsExactly(values());
        }

        @ParameterizedTest
        @CsvSource(
                delimiter = '|',
                value = {
                    "spacings: 2 3 4 | 0 | 0 | 0",
                    "spacings: 2 3 4;axis mins: 10 20 30 | -11 | -21.5 | 32",
                    "spacings: 2 3 4;axismins: 10 20 30;centers: cell cell cell | -11 | -21.5 | 32",
                    "spacings: 2 3 4;axis mins: 10 20 30;centerings: node node node | -10 | -20 | 30"
                })
        void ofFilesWithoutASpaceFollowTheAxes(String fields, double x, double y, double z) throws IOException {
            assertThat(read(RAW + fields.replace(';', '\n') + "\n", shorts())
                            .geometry()
                            .affine())
                    .isEqualTo(diagonal(-2, -3, 4, x, y, z));
        }

        @Test
        void ofFilesThatSayNothingAreMillimetres() throws IOException {
            assertThat(read(RAW, shorts()).geometry().affine()).isEqualTo(diagonal(-1, -1, 1, 0, 0, 0));
        }

        @Test
        void areInMillimetresWhateverTheUnit() throws IOException {
            assertThat(read(RAW + "space: RAS\n" + PLACE + "space units: \"cm\" \"cm\" \"mm\"\n", shorts())
                            .geometry()
                            .affine())
                    .isEqualTo(diagonal(20, 30, 4, 10, 20, 3));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "space: LPS\nspace directions: (0,0,0) (0,3,0) (0,0,4)\n",
                    "space: LPS\nspace directions: (1,0,0) (2,0,0) (0,0,4)\n",
                    "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,inf)\n",
                    "space: LPS\nspace directions: (1,0) (0,1) (0,0)\n",
                    "space: LPS\nspace directions: (1,0,0) (0,1,0)\n",
                    "space: LPS\nspacings: 1 1 1\n",
                    "space: nowhere\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n",
                    "space directions: (1,0,0) (0,1,0) (0,0,1)\n",
                    "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace units: \"ell\" \"mm\" \"mm\"\n",
                    "spacings: 1 0 1\n",
                    "spacings: 1 -1 1\n"
                })
        void thatAreNoneAreRefused(String fields) {
            assertThatThrownBy(() -> read(RAW + fields, shorts()))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.nrrd")
                    .hasMessageContaining("spac");
        }
    }

    @Nested
    class Channels {
        @ParameterizedTest
        @ValueSource(ints = {0, 1, 2, 3})
        void areReadFromAnyAxis(int axis) throws IOException {
            String[] sizes = {"2 ", "3 ", "4 ", ""};
            String[] directions = {"(2,0,0) ", "(0,3,0) ", "(0,0,4) ", ""};
            String[] kinds = {"domain ", "domain ", "space ", ""};
            sizes[axis] = "5 " + sizes[axis];
            directions[axis] = "none " + directions[axis];
            for (String kind : new String[] {"list", "vector", "covariant-vector", "time", "3-vector"}) {
                String[] named = kinds.clone();
                named[axis] = kind + " " + named[axis];
                String fields = "type: uchar\ndimension: 4\nencoding: raw\nsizes: " + String.join("", sizes)
                        + "\nspace: LPS\nspace directions: " + String.join("", directions) + "\nkinds: "
                        + String.join("", named) + "\nspace origin: (1,2,3)\n";
                Volume read = read(fields, VoxelBytes.counting(VoxelType.UINT8, ByteOrder.LITTLE_ENDIAN, 0, 120));
                assertThat(read.channels()).isEqualTo(5);
                assertThat(read.geometry().size()).isEqualTo(SIZE);
                assertThat(read.geometry().affine()).isEqualTo(diagonal(-2, -3, 4, -1, -2, 3));
                assertThat(read.values()).containsExactly(VoxelBytes.interleaved(5, axis));
            }
        }

        @Test
        void areTheFourthAxisWhereNothingSaysSo() throws IOException {
            byte[] voxels = VoxelBytes.counting(VoxelType.UINT8, ByteOrder.LITTLE_ENDIAN, 0, 48);
            String fields = "type: uchar\ndimension: 4\nencoding: raw\nsizes: 2 3 4 2\n";
            assertThat(read(fields, voxels).values()).containsExactly(VoxelBytes.interleaved(2, 3));
            String first = fields.replace("2 3 4 2", "2 2 3 4") + "kinds: list domain domain domain\n";
            assertThat(read(first, voxels).values()).containsExactly(VoxelBytes.interleaved(2, 0));
        }

        @Test
        void alongAnAxisOfOneDontCount() throws IOException {
            Volume read = read(
                    RAW.replace("dimension: 3", "dimension: 4").replace("2 3 4", "1 2 3 4")
                            + "kinds: stub domain domain domain\n",
                    shorts());
            assertThat(read.channels()).isEqualTo(1);
            assertThat(read.values()).containsExactly(values());
        }

        @Test
        void ofLargeImagesAreReadToo() throws IOException {
            // More than a block, so that runs end within rows.
            Grid size = new Grid(101, 103, 107);
            byte[] voxels = new byte[size.tokens() * 3];
            for (int n = 0; n < voxels.length; n++) {
                voxels[n] = (byte) (n * 31 >> 3);
            }
            Volume read = read(
                    "type: uchar\ndimension: 4\nencoding: raw\nsizes: 3 101 103 107\nkinds: vector space space space\n",
                    voxels);
            for (int n = 0; n < voxels.length; n += 997) {
                int voxel = n / 3;
                assertThat(read.get(n % 3, voxel % 101, voxel / 101 % 103, voxel / 101 / 103))
                        .isEqualTo(voxels[n] & 0xff);
            }
        }
    }

    @Nested
    class WhatIsNotSupported {
        @ParameterizedTest
        @CsvSource(
                delimiter = '|',
                value = {
                    "encoding: raw | encoding: bzip2 | bzip2",
                    "encoding: raw | encoding: bz2 | bzip2",
                    "encoding: raw | encoding: hex | hex",
                    "type: short | type: block | block",
                    "type: short | type: complex | complex",
                    "endian: little | number: 3 | endian",
                    "endian: little | endian: middle | middle",
                    "sizes: 2 3 4 | sizes: 2 3 | 2 sizes",
                    "sizes: 2 3 4 | sizes: 2 3 0 | '0'",
                    "sizes: 2 3 4 | sizes: 2 3 -4 | '-4'",
                    "dimension: 3 | dimension: 2 | 3 sizes",
                    "dimension: 3 | dimension: 99 | 99",
                    "sizes: 2 3 4 | sizes: 2 3 4;sizes: 2 3 4 | twice",
                    "sizes: 2 3 4 | nonsense | nonsense",
                    "sizes: 2 3 4 | sizes: 60000 60000 60000 | 2^31"
                })
        void isRefusedByName(String there, String instead, String named) {
            assertThatThrownBy(() -> read((RAW + LPS).replace(there, instead.replace(';', '\n')), shorts()))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.nrrd")
                    .hasMessageContaining(named);
        }

        @ParameterizedTest
        @ValueSource(strings = {"RGB-color", "complex", "3D-symmetric-matrix", "quaternion", "RGBA-color"})
        void amongKindsIsRefusedByName(String kind) {
            assertThatThrownBy(() -> read(
                            "type: uchar\ndimension: 4\nencoding: raw\nsizes: 2 2 3 4\nkinds: " + kind
                                    + " space space space\n",
                            new byte[48]))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining(kind.toLowerCase(java.util.Locale.ROOT));
        }

        @Test
        void isAFileOfTwoDimensionsOrOfFive() {
            assertThatThrownBy(() -> read("type: uchar\ndimension: 2\nencoding: raw\nsizes: 2 3\n", new byte[6]))
                    .hasMessageContaining("2 spatial axes");
            assertThatThrownBy(() -> read(
                            "type: uchar\ndimension: 5\nencoding: raw\nsizes: 2 2 2 3 4\nkinds: list list space space space\n",
                            new byte[96]))
                    .hasMessageContaining("2 2 2 3 4");
        }

        @Test
        void isAVersionThatDoesntExistYet() throws IOException {
            Path file = Files.write(folder.resolve("n.nrrd"), "NRRD0009\n\n".getBytes(StandardCharsets.US_ASCII));
            assertThatThrownBy(() -> VolumeFiles.read(file)).hasMessageContaining("NRRD0009");
        }

        @Test
        void isAFileThatIsGzippedAsAWhole() throws IOException {
            byte[] all = join(("NRRD0004\n" + RAW + LPS + "\n").getBytes(StandardCharsets.US_ASCII), shorts());
            Path file = Files.write(folder.resolve("x.nrrd.gz"), gzip(all));
            assertThatThrownBy(() -> VolumeFiles.read(file)).hasMessageContaining("gunzip");
        }
    }

    @Nested
    class Damage {
        @Test
        void isReportedBeforeMemoryIsTaken() {
            for (String encoding : new String[] {"raw", "gzip", "ascii"}) {
                assertThatThrownBy(() ->
                                read(RAW.replace("raw", encoding).replace("2 3 4", "1000 1000 2000") + LPS, shorts()))
                        .isInstanceOf(VolumeFormatException.class)
                        .hasMessageContaining("truncated");
            }
        }

        @Test
        void isReportedOfCutAndChangedData() throws IOException {
            assertThatThrownBy(() -> read(RAW + LPS, Arrays.copyOf(shorts(), 47)))
                    .hasMessageContaining("truncated");
            byte[] packed = gzip(shorts());
            assertThatThrownBy(() -> read(SHORTS + "encoding: gzip\n" + LPS, Arrays.copyOf(packed, packed.length - 12)))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.nrrd");
            packed[packed.length - 6] ^= 1;
            assertThatThrownBy(() -> read(SHORTS + "encoding: gzip\n" + LPS, packed))
                    .hasMessageContaining("damaged gzip");
            assertThatThrownBy(() -> read(SHORTS + "encoding: gzip\n" + LPS, shorts()))
                    .hasMessageContaining("damaged gzip");
        }
    }

    @Nested
    class Written {
        @Test
        void filesSayWhatTheyHold() throws IOException {
            Geometry geometry = Geometry.of(SIZE, Affine.ofRows(-2, 0, 0, 31.5, 0, 3, 0.25, -20.25, 0, 0, 4, 7));
            VolumeFiles.writeLabels(folder.resolve("l.nrrd"), Volume.of(new float[24], 1, geometry));
            String text = Files.readString(folder.resolve("l.nrrd"), StandardCharsets.ISO_8859_1);
            assertThat(text)
                    .startsWith("NRRD0004\n")
                    .contains("\ntype: unsigned char\n")
                    .contains("\nsizes: 2 3 4\n")
                    .contains("\nspace: left-posterior-superior\n")
                    .contains("\nspace directions: (2.0,0.0,0.0) (0.0,-3.0,0.0) (0.0,-0.25,4.0)\n")
                    .contains("\nspace origin: (-31.5,20.25,7.0)\n")
                    .contains("\nencoding: gzip\n");
        }

        @Test
        void headersOfTheirOwnNameTheirVoxels() throws IOException {
            Geometry geometry = Geometry.of(SIZE, Affine.IDENTITY);
            Path file = folder.resolve("a.b.nhdr");
            VolumeFiles.write(file, Volume.of(values(), 1, geometry));
            VolumeHeader header = VolumeFiles.readHeader(file);
            assertThat(header.files()).containsExactly(file, folder.resolve("a.b.raw.gz"));
            assertThat(VolumeFiles.read(file).values()).containsExactly(values());
            assertThat(VolumeFiles.read(file).geometry()).isEqualTo(geometry);
        }
    }
}
