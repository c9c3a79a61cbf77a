package org.segformer3d.data.metaimage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.segformer3d.data.format.VoxelBytes.SIZE;
import static org.segformer3d.data.format.VoxelBytes.join;
import static org.segformer3d.data.format.VoxelBytes.shorts;
import static org.segformer3d.data.format.VoxelBytes.values;
import static org.segformer3d.data.format.VoxelBytes.zlib;

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
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.format.VoxelBytes;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VoxelType;

class MetaImageFormatTests {
    private static final String START = "ObjectType = Image\nNDims = 3\n";
    private static final String BINARY = START + "BinaryData = True\nBinaryDataByteOrderMSB = False\n";
    private static final String SHORTS = "DimSize = 2 3 4\nElementType = MET_SHORT\n";
    private static final String LOCAL = "ElementDataFile = LOCAL\n";
    private static final String PLACE =
            "TransformMatrix = 1 0 0 0 0 1 0 -1 0\nOffset = 1 2 3\nElementSpacing = 2 3 4\n";

    @TempDir
    Path folder;

    private Path file(String name, String header, byte[] voxels) throws IOException {
        return Files.write(folder.resolve(name), join(header.getBytes(StandardCharsets.UTF_8), voxels));
    }

    private Volume read(String header, byte[] voxels) throws IOException {
        return VolumeFiles.read(file("x.mha", header, voxels));
    }

    @Nested
    class Voxels {
        @ParameterizedTest
        @EnumSource(VoxelType.class)
        void haveTheirValuesInEveryTypeAndByteOrder(VoxelType type) throws IOException {
            String[] names = {
                "UCHAR", "CHAR", "USHORT", "SHORT", "ULONG", "LONG", "ULONG_LONG", "LONG_LONG", "FLOAT", "DOUBLE"
            };
            for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
                byte[] voxels = VoxelBytes.counting(type, order, 0, 24);
                String header = START + "BinaryData = True\nElementByteOrderMSB = " + (order == ByteOrder.BIG_ENDIAN)
                        + "\nDimSize = 2 3 4\nElementType = MET_" + names[type.ordinal()] + "\n";
                assertThat(read(header + LOCAL, voxels).values()).containsExactly(values());
                byte[] packed = zlib(voxels);
                assertThat(read(
                                        header + "CompressedData = True\nCompressedDataSize = " + packed.length + "\n"
                                                + LOCAL,
                                        packed)
                                .values())
                        .containsExactly(values());
                assertThat(read(header + "CompressedData = True\n" + LOCAL, packed)
                                .values())
                        .containsExactly(values());
            }
        }

        @Test
        void areReadFromText() throws IOException {
            StringBuilder text = new StringBuilder();
            for (int n = 0; n < 24; n++) {
                text.append(n).append(' ');
            }
            assertThat(read(
                                    START + "BinaryData = False\n" + SHORTS + LOCAL,
                                    text.toString().getBytes(StandardCharsets.US_ASCII))
                            .values())
                    .containsExactly(values());
        }

        @Test
        void areReadWithSpacesTabsAndWindowsLineEndsInTheHeader() throws IOException {
            String header = "\tNDims=3\r\nBinaryData  =  t\r\nElementType = MET_SHORT\r\nDimSize =  2   3 4 \r\n"
                    + "Comment = anything\r\nElementDataFile =LOCAL\r\n";
            assertThat(read(header, shorts()).values()).containsExactly(values());
        }
    }

    @Nested
    class FilesOfTheirOwn {
        @Test
        void areOneOrAListOrNumbered() throws IOException {
            Files.write(folder.resolve("all.raw"), shorts());
            Files.write(folder.resolve("late.raw"), join(new byte[5], shorts()));
            Files.write(folder.resolve("all.zraw"), zlib(shorts()));
            for (int k = 0; k < 4; k++) {
                Files.write(
                        folder.resolve("s0" + k + ".raw"),
                        VoxelBytes.counting(VoxelType.INT16, ByteOrder.LITTLE_ENDIAN, 6 * k, 6));
            }
            String[] ends = {
                "ElementDataFile = all.raw\n",
                "HeaderSize = 5\nElementDataFile = late.raw\n",
                "HeaderSize = -1\nElementDataFile = late.raw\n",
                "CompressedData = True\nElementDataFile = all.zraw\n",
                "ElementDataFile = LIST\ns00.raw\ns01.raw\ns02.raw\ns03.raw\n",
                "ElementDataFile = LIST 2\ns00.raw\ns01.raw\ns02.raw\ns03.raw\n",
                "ElementDataFile = s%02d.raw 0 3 1\n"
            };
            for (String end : ends) {
                Path header = file("x.mhd", BINARY + SHORTS.replace("\n", "\n") + end, new byte[0]);
                assertThat(VolumeFiles.read(header).values()).as(end).containsExactly(values());
                assertThat(VolumeFiles.readHeader(header).files().get(0)).isEqualTo(header);
            }
        }

        @Test
        void thatAreMissingAreNamed() throws IOException {
            Path header = file("x.mhd", BINARY + SHORTS + "ElementDataFile = none.raw\n", new byte[0]);
            assertThatThrownBy(() -> VolumeFiles.read(header))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.mhd")
                    .hasMessageContaining("none.raw");
        }
    }

    /** Expected affines are SimpleITK 2.5's, turned from left, posterior, superior to right, anterior, superior. */
    @Nested
    class Places {
        @Test
        void areColumnsOfTheMatrixTimesSpacing() throws IOException {
            // Axis 2 points to posterior −1, that is anterior, axis 1 to superior.
            assertThat(read(BINARY + PLACE + SHORTS + LOCAL, shorts())
                            .geometry()
                            .affine())
                    .isEqualTo(Affine.ofRows(-2, 0, 0, -1, 0, 0, 4, -2, 0, 3, 0, 3));
        }

        @Test
        void areCalledByOtherNamesToo() throws IOException {
            String other = PLACE.replace("TransformMatrix", "Orientation")
                    .replace("Offset", "Position")
                    .replace("ElementSpacing", "ElementSize");
            assertThat(read(BINARY + other + SHORTS + LOCAL, shorts())
                            .geometry()
                            .affine())
                    .isEqualTo(Affine.ofRows(-2, 0, 0, -1, 0, 0, 4, -2, 0, 3, 0, 3));
            String more =
                    PLACE.replace("TransformMatrix", "Rotation").replace("Offset", "Origin") + "ElementSize = 7 7 7\n";
            assertThat(read(BINARY + more + SHORTS + LOCAL, shorts()).geometry().affine())
                    .isEqualTo(Affine.ofRows(-2, 0, 0, -1, 0, 0, 4, -2, 0, 3, 0, 3));
        }

        @Test
        void areMillimetresFromTheOriginWhereNothingIsSaid() throws IOException {
            assertThat(read(BINARY + SHORTS + LOCAL, shorts()).geometry().affine())
                    .isEqualTo(Affine.ofRows(-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0));
        }

        @ParameterizedTest
        @ValueSource(
                strings = {
                    "TransformMatrix = 0 0 0 0 0 0 0 0 0",
                    "TransformMatrix = 1 0 0 1 0 0 0 0 1",
                    "TransformMatrix = 1 0 0 0 1 0",
                    "ElementSpacing = 1 0 1",
                    "ElementSpacing = 1 -1 1",
                    "Offset = NaN 0 0",
                    "Offset = a b c",
                    "DistanceUnits = inch"
                })
        void thatAreNoneAreRefused(String line) {
            assertThatThrownBy(() -> read(BINARY + line + "\n" + SHORTS + LOCAL, shorts()))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.mha")
                    .hasMessageContaining(line.substring(0, line.indexOf(' ')));
        }
    }

    @Nested
    class Channels {
        @Test
        void areBesideEachOtherOrAlongTheFourthDimension() throws IOException {
            byte[] voxels = VoxelBytes.counting(VoxelType.UINT8, ByteOrder.LITTLE_ENDIAN, 0, 72);
            for (String type : new String[] {"MET_UCHAR", "MET_UCHAR_ARRAY"}) {
                Volume beside = read(
                        BINARY + PLACE + "ElementNumberOfChannels = 3\nDimSize = 2 3 4\nElementType = " + type + "\n"
                                + LOCAL,
                        voxels);
                assertThat(beside.values()).containsExactly(VoxelBytes.interleaved(3, 0));
            }
            Volume fourth = read(
                    BINARY.replace("NDims = 3", "NDims = 4")
                            + "TransformMatrix = 1 0 0 0 0 0 1 0 0 -1 0 0 0 0 0 1\nOffset = 1 2 3 9\nElementSpacing = 2 3 4 5\n"
                            + "DimSize = 2 3 4 3\nElementType = MET_UCHAR\n" + LOCAL,
                    voxels);
            assertThat(fourth.values()).containsExactly(VoxelBytes.interleaved(3, 3));
            assertThat(fourth.geometry().size()).isEqualTo(SIZE);
            assertThat(fourth.geometry().affine()).isEqualTo(Affine.ofRows(-2, 0, 0, -1, 0, 0, 4, -2, 0, 3, 0, 3));
        }
    }

    @Nested
    class WhatIsNotSupported {
        @ParameterizedTest
        @CsvSource(
                delimiter = '|',
                value = {
                    "ObjectType = Image | ObjectType = Tube | Tube",
                    "NDims = 3 | NDims = 2 | NDims = 2",
                    "DimSize = 2 3 4 | DimSize = 2 3 | DimSize",
                    "DimSize = 2 3 4 | DimSize = 2 3 0 | DimSize",
                    "DimSize = 2 3 4 | Comment = x | DimSize",
                    "DimSize = 2 3 4 | DimSize = 60000 60000 60000 | 2^31",
                    "MET_SHORT | MET_OTHER | MET_OTHER",
                    "ElementType = MET_SHORT | Comment = x | ElementType",
                    "BinaryData = True | BinaryData = Maybe | Maybe",
                    "ElementDataFile = LOCAL | Comment = x | ElementDataFile",
                    "ElementDataFile = LOCAL | HeaderSize = 4;ElementDataFile = LOCAL | HeaderSize",
                    "DimSize = 2 3 4 | nonsense | nonsense",
                    "DimSize = 2 3 4 | DimSize = 2 3 4;DimSize = 2 3 5 | twice"
                })
        void isRefusedByName(String there, String instead, String named) {
            assertThatThrownBy(() ->
                            read((BINARY + SHORTS + LOCAL).replace(there, instead.replace(';', '\n')), shorts()))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("x.mha")
                    .hasMessageContaining(named);
        }
    }

    @Nested
    class Damage {
        @Test
        void isReportedBeforeMemoryIsTaken() {
            for (String line : new String[] {"", "CompressedData = True\n", "BinaryData = False\n"}) {
                assertThatThrownBy(() -> read(
                                START + line + "DimSize = 1000 1000 2000\nElementType = MET_CHAR\n" + LOCAL, shorts()))
                        .isInstanceOf(VolumeFormatException.class)
                        .hasMessageContaining("truncated");
            }
        }

        @Test
        void isReportedOfCutAndChangedData() throws IOException {
            assertThatThrownBy(() -> read(BINARY + SHORTS + LOCAL, Arrays.copyOf(shorts(), 47)))
                    .hasMessageContaining("truncated");
            byte[] packed = zlib(shorts());
            packed[packed.length - 1] ^= 1;
            assertThatThrownBy(() -> read(BINARY + "CompressedData = True\n" + SHORTS + LOCAL, packed))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining("zlib");
        }
    }

    @Nested
    class Written {
        @Test
        void filesSayWhatTheyHold() throws IOException {
            Geometry geometry = Geometry.of(SIZE, Affine.ofRows(-2, 0, 0, -1, 0, 0, 4, -2, 0, 3, 0, 3));
            VolumeFiles.write(folder.resolve("w.mha"), Volume.of(values(), 1, geometry));
            assertThat(Files.readString(folder.resolve("w.mha"), StandardCharsets.ISO_8859_1))
                    .startsWith("ObjectType = Image\nNDims = 3\n")
                    .contains("\nTransformMatrix = 1.0 0.0 0.0 0.0 0.0 1.0 0.0 -1.0 0.0\n")
                    .contains("\nOffset = 1.0 2.0 3.0\n")
                    .contains("\nElementSpacing = 2.0 3.0 4.0\n")
                    .contains("\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n");
            VolumeFiles.writeLabels(folder.resolve("a.b.mhd"), Volume.of(values(), 1, geometry));
            assertThat(VolumeFiles.readHeader(folder.resolve("a.b.mhd")).files())
                    .containsExactly(folder.resolve("a.b.mhd"), folder.resolve("a.b.zraw"));
            assertThat(VolumeFiles.read(folder.resolve("a.b.mhd")).geometry()).isEqualTo(geometry);
        }
    }
}
