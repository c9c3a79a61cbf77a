package org.segformer3d.data.metaimage;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;
import org.segformer3d.data.voxel.HeaderText;
import org.segformer3d.data.voxel.NumberedNames;
import org.segformer3d.data.voxel.StoredVoxels;
import org.segformer3d.data.voxel.StoredVoxels.Encoding;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The header of a MetaImage file of three dimensions, or of four of which the last is channels.
 *
 * <p>{@code TransformMatrix} lists the directions of the axes one after the other, in left, posterior, superior; {@code Offset} is the
 * first voxel's centre.
 */
final class MetaImageHeader {
    private static final int LONGEST_VALUE = 4096;
    private static final Logger LOG = LoggerFactory.getLogger(MetaImageHeader.class);

    /** Other names of a key, which MetaIO reads as the same. */
    private static final Map<String, String> ALIASES = Map.of(
            "orientation", "transformmatrix",
            "rotation", "transformmatrix",
            "position", "offset",
            "origin", "offset",
            "elementbyteordermsb", "binarydatabyteordermsb");

    private static final Set<String> USED = Set.of(
            "objecttype",
            "ndims",
            "binarydata",
            "binarydatabyteordermsb",
            "compresseddata",
            "transformmatrix",
            "offset",
            "elementspacing",
            "elementsize",
            "dimsize",
            "headersize",
            "elementnumberofchannels",
            "elementtype",
            "elementtointensityfunctionslope",
            "elementtointensityfunctionoffset",
            "distanceunits",
            "elementdatafile");

    private final Path file;
    private final Map<String, String> values = new HashMap<>();
    private final List<String> dataFiles = new ArrayList<>();
    private long textBytes;

    private VoxelType type;
    private long[] sizes;
    private Encoding encoding;
    private long channels;
    private int channelAxis;
    private Geometry geometry;

    private MetaImageHeader(Path file) {
        this.file = file;
    }

    /**
     * Reads a header.
     *
     * @throws VolumeFormatException when it isn't one or says what isn't supported
     */
    static MetaImageHeader read(Path file) throws IOException {
        MetaImageHeader header = new MetaImageHeader(file);
        header.readValues();
        header.interpret();
        return header;
    }

    private VolumeFormatException problem(String text) {
        return new VolumeFormatException(file, text);
    }

    private void readValues() throws IOException {
        if (!Files.isRegularFile(file)) {
            throw problem("no such file");
        }
        try (HeaderText text = HeaderText.open(file)) {
            while (!values.containsKey("elementdatafile")) {
                String line = text.line();
                if (line == null) {
                    throw problem(
                            values.isEmpty()
                                    ? "not a MetaImage file: it doesn't begin with 'key = value'"
                                    : "its header has no ElementDataFile, with which a MetaImage header ends");
                }
                if (line.isBlank()) {
                    continue;
                }
                int equals = line.indexOf('=');
                String name = equals < 0 ? "" : line.substring(0, equals).strip();
                if (!name.matches("[A-Za-z][A-Za-z0-9_ -]*")) {
                    throw problem(
                            line.startsWith("\u001f")
                                    ? "a gzipped file, expected a MetaImage file, whose voxels alone may be compressed: gunzip it first"
                                    : "found the line '" + shortened(line)
                                            + "' in its header, expected 'key = value' until ElementDataFile");
                }
                String key = name.toLowerCase(Locale.ROOT);
                key = ALIASES.getOrDefault(key, key);
                String value = line.substring(equals + 1).strip();
                if (!USED.contains(key)) {
                    continue; // names, dates and other things that say nothing of voxels or place
                }
                if (value.length() > LONGEST_VALUE) {
                    throw problem("found " + name + " of " + value.length() + " characters, expected at most "
                            + LONGEST_VALUE);
                }
                String before = values.put(key, value);
                if (before != null && !before.equals(value)) {
                    throw problem(
                            "found " + name + " twice, as '" + shortened(before) + "' and '" + shortened(value) + "'");
                }
            }
            String data = values.get("elementdatafile");
            if (data.matches("LIST(\\s+\\d+D?)?")) {
                for (String line = text.line(); line != null; line = text.line()) {
                    if (!line.isBlank()) {
                        dataFiles.add(line.strip());
                    }
                }
                if (dataFiles.isEmpty()) {
                    throw problem("found ElementDataFile = LIST and no names of files after it");
                }
            } else if (!isLocal()) {
                dataFiles.addAll(NumberedNames.of(data).orElse(List.of(data)));
                if (dataFiles.isEmpty()) {
                    throw problem("found ElementDataFile = " + shortened(data)
                            + ", expected NAME%03d MIN MAX STEP with STEP leading from MIN to MAX");
                }
            }
            textBytes = text.position();
        }
    }

    private boolean isLocal() {
        return Set.of("local", "local_data")
                .contains(values.get("elementdatafile").toLowerCase(Locale.ROOT));
    }

    private static String shortened(String text) {
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private void interpret() throws IOException {
        String object = values.getOrDefault("objecttype", "Image");
        if (!object.equalsIgnoreCase("Image")) {
            throw problem("found ObjectType '" + shortened(object) + "', expected Image");
        }
        int dimensions = (int) whole("NDims", 3, 1, 16);
        if (dimensions != 3 && dimensions != 4) {
            throw problem("found NDims = " + dimensions + ", expected 3, or 4 with channels along the last");
        }
        if (!values.containsKey("dimsize")) {
            throw problem("its header has no DimSize");
        }
        String[] words = values.get("dimsize").split("\\s+");
        if (words.length != dimensions) {
            throw problem("found DimSize = " + shortened(values.get("dimsize")) + ", expected " + dimensions
                    + " numbers as NDims says");
        }
        sizes = new long[dimensions];
        for (int axis = 0; axis < dimensions; axis++) {
            sizes[axis] = whole("DimSize", words[axis], 1, Integer.MAX_VALUE);
        }
        type = type();
        encoding = !isTrue("BinaryData", true)
                ? Encoding.TEXT
                : isTrue("CompressedData", false) ? Encoding.ZLIB : Encoding.RAW;
        long beside = whole("ElementNumberOfChannels", 1, 1, Integer.MAX_VALUE);
        long last = dimensions == 4 ? sizes[3] : 1;
        if (beside > 1 && last > 1) {
            throw problem("found " + beside + " channels beside each other and " + last
                    + " along the fourth dimension, expected one of these to be 1");
        }
        channels = beside * last;
        channelAxis = beside > 1 ? 0 : 3;
        if ((double) sizes[0] * sizes[1] * sizes[2] * channels > Integer.MAX_VALUE - 8) {
            throw problem("found DimSize = " + values.get("dimsize") + " and " + channels
                    + " channels, expected at most 2^31 - 9 values in one volume");
        }
        place(dimensions);
    }

    private VoxelType type() throws VolumeFormatException {
        String name = values.getOrDefault("elementtype", "");
        String scalar = name.toUpperCase(Locale.ROOT).replaceAll("_ARRAY$", "");
        return switch (scalar) {
            case "MET_CHAR" -> VoxelType.INT8;
            case "MET_UCHAR" -> VoxelType.UINT8;
            case "MET_SHORT" -> VoxelType.INT16;
            case "MET_USHORT" -> VoxelType.UINT16;
            // 32 bits, whatever a compiler's long has.
            case "MET_INT", "MET_LONG" -> VoxelType.INT32;
            case "MET_UINT", "MET_ULONG" -> VoxelType.UINT32;
            case "MET_LONG_LONG" -> VoxelType.INT64;
            case "MET_ULONG_LONG" -> VoxelType.UINT64;
            case "MET_FLOAT" -> VoxelType.FLOAT32;
            case "MET_DOUBLE" -> VoxelType.FLOAT64;
            case "" -> throw problem("its header has no ElementType");
            default ->
                throw problem("found ElementType '" + shortened(name)
                        + "', which isn't supported; expected numbers such as MET_SHORT or MET_FLOAT");
        };
    }

    private long whole(String key, long otherwise, long least, long most) throws VolumeFormatException {
        String text = values.get(key.toLowerCase(Locale.ROOT));
        return text == null ? otherwise : whole(key, text, least, most);
    }

    private long whole(String key, String text, long least, long most) throws VolumeFormatException {
        try {
            long value = Long.parseLong(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Reported below.
        }
        throw problem(
                "found " + key + " '" + shortened(text) + "', expected a whole number from " + least + " to " + most);
    }

    private boolean isTrue(String key, boolean otherwise) throws VolumeFormatException {
        String text = values.get(key.toLowerCase(Locale.ROOT));
        if (text == null) {
            return otherwise;
        }
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "true", "t", "1", "yes" -> true;
            case "false", "f", "0", "no" -> false;
            default -> throw problem("found " + key + " '" + shortened(text) + "', expected True or False");
        };
    }

    /** Returns numbers, or {@code null} where the key is missing. */
    private double[] numbers(String key, int count) throws VolumeFormatException {
        String text = values.get(key.toLowerCase(Locale.ROOT));
        if (text == null) {
            return null;
        }
        String[] words = text.split("\\s+");
        if (words.length != count) {
            throw problem("found " + words.length + " numbers in " + key + ", expected " + count + " as NDims says");
        }
        double[] numbers = new double[count];
        for (int n = 0; n < count; n++) {
            numbers[n] = number(key, words[n]);
        }
        return numbers;
    }

    private double number(String key, String word) throws VolumeFormatException {
        try {
            return Double.parseDouble(word);
        } catch (NumberFormatException e) {
            throw problem("found " + key + " '" + shortened(word) + "', expected numbers");
        }
    }

    private void place(int dimensions) throws VolumeFormatException {
        double[] matrix = numbers("TransformMatrix", dimensions * dimensions);
        double[] offset = numbers("Offset", dimensions);
        double[] spacing = numbers("ElementSpacing", dimensions);
        spacing = spacing != null ? spacing : numbers("ElementSize", dimensions);
        double unit = unit();
        double[] rows = new double[12];
        for (int row = 0; row < 3; row++) {
            double sign = row < 2 ? -unit : unit;
            for (int axis = 0; axis < 3; axis++) {
                double direction = matrix == null ? (row == axis ? 1 : 0) : matrix[axis * dimensions + row];
                rows[row * 4 + axis] = sign * direction * (spacing == null ? 1 : spacing[axis]);
            }
            rows[row * 4 + 3] = offset == null ? 0 : sign * offset[row];
        }
        for (int axis = 0; spacing != null && axis < 3; axis++) {
            if (!(spacing[axis] > 0)) {
                throw problem("found ElementSpacing " + (float) spacing[axis] + ", expected numbers above 0");
            }
        }
        Affine affine = Affine.ofRows(rows);
        if (!affine.isInvertible()) {
            throw problem("found TransformMatrix, Offset and ElementSpacing that give the affine " + affine
                    + ", which spans no volume; expected three independent directions of finite numbers");
        }
        geometry = Geometry.of(new Grid((int) sizes[0], (int) sizes[1], (int) sizes[2]), affine);
    }

    private double unit() throws VolumeFormatException {
        String text = values.getOrDefault("distanceunits", "mm");
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "", "?", "mm" -> 1;
            case "cm" -> 10;
            case "um" -> 0.001;
            default -> throw problem("found DistanceUnits '" + shortened(text) + "', expected mm, cm or um");
        };
    }

    Geometry geometry() {
        return geometry;
    }

    int channels() {
        return (int) channels;
    }

    boolean isDetached() {
        return !dataFiles.isEmpty();
    }

    private List<Path> voxelFiles() throws VolumeFormatException {
        return HeaderText.voxelFiles(file, dataFiles);
    }

    VolumeHeader toVolumeHeader() throws VolumeFormatException {
        List<Path> files = dataFiles.isEmpty()
                ? List.of(file)
                : Stream.concat(Stream.of(file), voxelFiles().stream()).toList();
        return new VolumeHeader(
                "MetaImage",
                geometry,
                true,
                channels,
                textBytes,
                files,
                "MetaImage, " + values.get("dimsize").replaceAll("\\s+", "×") + ", " + type
                        + (channelAxis == 0 ? ", " + channels + " channels" : "")
                        + (encoding == Encoding.ZLIB ? ", compressed" : ""));
    }

    StoredVoxels voxels() throws VolumeFormatException {
        long skip = whole("HeaderSize", 0, -1, 1L << 53);
        if (skip != 0 && (isLocal() || encoding != Encoding.RAW && skip < 0)) {
            throw problem("found HeaderSize = " + skip
                    + ", expected it only with voxels in a file of their own, and -1 only with raw ones");
        }
        return new StoredVoxels(
                file,
                voxelFiles(),
                isLocal() ? textBytes : skip,
                0,
                0,
                encoding,
                type,
                isTrue("BinaryDataByteOrderMSB", false) ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN,
                geometry.size(),
                channels(),
                channelAxis);
    }

    /** Says what was passed over. */
    void warn() throws VolumeFormatException {
        double slope =
                number("ElementToIntensityFunctionSlope", values.getOrDefault("elementtointensityfunctionslope", "1"));
        double offset = number(
                "ElementToIntensityFunctionOffset", values.getOrDefault("elementtointensityfunctionoffset", "0"));
        if (slope != 1 || offset != 0) {
            LOG.warn(
                    "{}: taking values as they are stored, as ITK does, not times ElementToIntensityFunctionSlope {} plus Offset {}",
                    file,
                    slope,
                    offset);
        }
    }
}
