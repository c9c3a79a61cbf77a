package org.segformer3d.data.nrrd;

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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
 * The header of a NRRD file (versions 1 to 5): three spatial axes, and at most one further axis that is longer than 1, anywhere among
 * them, whose samples are channels.
 *
 * <p>An axis is spatial where it has a space direction; without directions, where its kind doesn't say otherwise; and where nothing
 * says, the first three are.
 */
final class NrrdHeader {
    static final String MAGIC = "NRRD000";
    private static final int NEWEST = 5;
    private static final int MOST_AXES = 16;
    private static final int LONGEST_VALUE = 4096;
    private static final Logger LOG = LoggerFactory.getLogger(NrrdHeader.class);

    private static final Map<String, VoxelType> TYPES = new HashMap<>();

    static {
        name(VoxelType.INT8, "signed char", "int8", "int8_t");
        name(VoxelType.UINT8, "uchar", "unsigned char", "uint8", "uint8_t");
        name(VoxelType.INT16, "short", "short int", "signed short", "signed short int", "int16", "int16_t");
        name(VoxelType.UINT16, "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t");
        name(VoxelType.INT32, "int", "signed int", "int32", "int32_t");
        name(VoxelType.UINT32, "uint", "unsigned int", "uint32", "uint32_t");
        name(VoxelType.INT64, "longlong", "long long", "long long int", "signed long long", "signed long long int");
        name(VoxelType.INT64, "int64", "int64_t");
        name(VoxelType.UINT64, "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t");
        name(VoxelType.FLOAT32, "float");
        name(VoxelType.FLOAT64, "double");
    }

    private static void name(VoxelType type, String... names) {
        for (String name : names) {
            TYPES.put(name, type);
        }
    }

    /** What the format allows a field to be called, and the name used here; all others are their own. */
    private static final Map<String, String> ALIASES = Map.ofEntries(
            Map.entry("centerings", "centers"),
            Map.entry("datafile", "data file"),
            Map.entry("lineskip", "line skip"),
            Map.entry("byteskip", "byte skip"),
            Map.entry("axismins", "axis mins"),
            Map.entry("axismaxs", "axis maxs"),
            Map.entry("blocksize", "block size"),
            Map.entry("oldmin", "old min"),
            Map.entry("oldmax", "old max"),
            Map.entry("sampleunits", "sample units"));

    /** Fields that say nothing of voxels or place. */
    private static final Set<String> DESCRIPTIVE = Set.of(
            "content",
            "number",
            "min",
            "max",
            "old min",
            "old max",
            "labels",
            "units",
            "sample units",
            "thicknesses",
            "axis maxs",
            "block size",
            "measurement frame");

    private static final Set<String> USED = Set.of(
            "type",
            "dimension",
            "sizes",
            "encoding",
            "endian",
            "space",
            "space dimension",
            "space directions",
            "space origin",
            "space units",
            "spacings",
            "axis mins",
            "centers",
            "kinds",
            "data file",
            "line skip",
            "byte skip");

    /** How spaces relate to right, anterior, superior: a sign for each axis. */
    private static final Map<String, int[]> SPACES = Map.of(
            "right-anterior-superior", new int[] {1, 1, 1},
            "ras", new int[] {1, 1, 1},
            "left-anterior-superior", new int[] {-1, 1, 1},
            "las", new int[] {-1, 1, 1},
            "left-posterior-superior", new int[] {-1, -1, 1},
            "lps", new int[] {-1, -1, 1});

    private static final int[] LPS = {-1, -1, 1};
    private static final Set<String> OTHER_SPACES = Set.of("scanner-xyz", "3d-right-handed", "3d-left-handed");

    private final Path file;
    private final Map<String, String> fields = new HashMap<>();
    private final List<String> dataFiles = new ArrayList<>();
    private final List<String> unknown = new ArrayList<>();
    private long textBytes;

    private VoxelType type;
    private long[] sizes;
    private Encoding encoding;
    private final List<Integer> spatial = new ArrayList<>();
    private int channelAxis = 3;
    private long channels = 1;
    /** {@code null} where the file names a space that is known. */
    private String assumption;

    private Geometry geometry;

    private NrrdHeader(Path file) {
        this.file = file;
    }

    /**
     * Reads a header.
     *
     * @throws VolumeFormatException when it isn't one or says what isn't supported
     */
    static NrrdHeader read(Path file) throws IOException {
        NrrdHeader header = new NrrdHeader(file);
        header.readFields();
        header.interpret();
        return header;
    }

    private VolumeFormatException problem(String text) {
        return new VolumeFormatException(file, text);
    }

    private void readFields() throws IOException {
        if (!Files.isRegularFile(file)) {
            throw problem("no such file");
        }
        try (HeaderText text = HeaderText.open(file)) {
            String magic = text.line();
            if (magic == null || !magic.matches(MAGIC + "\\d")) {
                throw problem(
                        magic != null && magic.startsWith("\u001f")
                                ? "a gzipped file, expected a NRRD file, whose voxels alone may be gzipped: gunzip it first"
                                : "not a NRRD file: it doesn't begin with " + MAGIC + "1 to " + MAGIC + NEWEST);
            }
            if (magic.charAt(MAGIC.length()) - '0' > NEWEST) {
                throw problem("found " + magic + ", expected at most " + MAGIC + NEWEST);
            }
            for (String line = text.line(); line != null && !line.isEmpty(); line = text.line()) {
                if (line.startsWith("#")) {
                    continue;
                }
                Matcher matcher = FIELD.matcher(line);
                if (!matcher.matches()) {
                    throw problem("found the line '" + shortened(line) + "' in its header, expected 'field: value'");
                }
                if (matcher.group(2).equals(":=")) {
                    continue; // a key and a value of somebody's own
                }
                String name = matcher.group(1).strip().toLowerCase(Locale.ROOT);
                String field = ALIASES.getOrDefault(name, name);
                String value = matcher.group(3).strip();
                if (!USED.contains(field)) {
                    if (!DESCRIPTIVE.contains(field)) {
                        unknown.add(name);
                    }
                    continue;
                }
                if (value.length() > LONGEST_VALUE) {
                    throw problem("found a field '" + field + "' of " + value.length()
                            + " characters, expected at most " + LONGEST_VALUE);
                }
                if (fields.put(field, value) != null) {
                    throw problem("found the field '" + field + "' twice");
                }
                if (field.equals("data file") && value.matches("LIST( +\\d+)?")) {
                    for (line = text.line(); line != null && !line.isEmpty(); line = text.line()) {
                        dataFiles.add(line.strip());
                    }
                    break;
                }
            }
            textBytes = text.position();
        }
        String pattern = fields.getOrDefault("data file", "");
        if (dataFiles.isEmpty() && !pattern.isEmpty()) {
            dataFiles.addAll(named(pattern));
        }
        if (dataFiles.isEmpty() && fields.containsKey("data file")) {
            throw problem("its field 'data file' names none");
        }
    }

    private static final Pattern FIELD = Pattern.compile("([^:]*)(:=|: ?)(.*)");
    /** Returns the one file that is named, or those that a pattern of numbers stands for. */
    private List<String> named(String text) throws VolumeFormatException {
        List<String> names = NumberedNames.of(text).orElse(List.of(text));
        if (names.isEmpty()) {
            throw problem("found data file '" + shortened(text)
                    + "', expected NAME%03d MIN MAX STEP with STEP leading from MIN to MAX");
        }
        return names;
    }

    private static String shortened(String text) {
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private String required(String field) throws VolumeFormatException {
        String value = fields.get(field);
        if (value == null) {
            throw problem("its header has no field '" + field + "'");
        }
        return value;
    }

    private void interpret() throws IOException {
        String typeName = required("type").toLowerCase(Locale.ROOT).replaceAll("\\s+", " ");
        type = TYPES.get(typeName);
        if (type == null) {
            throw problem("found type '" + shortened(typeName)
                    + "', which isn't supported; expected real numbers (8- to 64-bit integers, float or double)");
        }
        int dimension = (int) whole("dimension", required("dimension"), 1, MOST_AXES);
        String[] words = required("sizes").split("\\s+");
        if (words.length != dimension) {
            throw problem("found " + words.length + " sizes, expected " + dimension + " as its dimension says");
        }
        sizes = new long[dimension];
        for (int axis = 0; axis < dimension; axis++) {
            sizes[axis] = whole("sizes", words[axis], 1, Integer.MAX_VALUE);
        }
        encoding = encoding();
        if (encoding != Encoding.TEXT && type.bytes() > 1 && order() == null) {
            throw problem("its header has no field 'endian', which voxels of " + type.bytes() + " bytes need");
        }
        findAxes(dimension);
        place(dimension);
    }

    private long whole(String field, String text, long least, long most) throws VolumeFormatException {
        try {
            long value = Long.parseLong(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Reported below.
        }
        throw problem(
                "found " + field + " '" + shortened(text) + "', expected a whole number from " + least + " to " + most);
    }

    private Encoding encoding() throws VolumeFormatException {
        String name = required("encoding").toLowerCase(Locale.ROOT);
        return switch (name) {
            case "raw" -> Encoding.RAW;
            case "gz", "gzip" -> Encoding.GZIP;
            case "txt", "text", "ascii" -> Encoding.TEXT;
            default -> {
                String known = Set.of("bz2", "bzip2").contains(name)
                        ? "bzip2"
                        : Set.of("hex", "zrl").contains(name) ? name : "'" + shortened(name) + "'";
                throw problem(
                        "found encoding " + known
                                + ", which isn't supported; expected raw, gzip or ascii: write the file again with one of these");
            }
        };
    }

    /** Returns the byte order, or {@code null} where the file doesn't say. */
    private ByteOrder order() throws VolumeFormatException {
        String name = fields.get("endian");
        if (name == null) {
            return null;
        }
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "little" -> ByteOrder.LITTLE_ENDIAN;
            case "big" -> ByteOrder.BIG_ENDIAN;
            default -> throw problem("found endian '" + shortened(name) + "', expected little or big");
        };
    }

    /** Finds which axes are spatial and which, if any, holds channels. */
    private void findAxes(int dimension) throws VolumeFormatException {
        String[] kinds = fields.containsKey("kinds") ? fields.get("kinds").split("\\s+") : null;
        if (kinds != null && kinds.length != dimension) {
            throw problem("found " + kinds.length + " kinds, expected " + dimension + " as its dimension says");
        }
        List<double[]> directions = directions(dimension);
        for (int axis = 0; axis < dimension; axis++) {
            String kind = kinds == null ? "" : kinds[axis].toLowerCase(Locale.ROOT);
            boolean isSpatial = directions != null
                    ? directions.get(axis) != null
                    : Set.of("", "domain", "space", "???", "none").contains(kind);
            if (isSpatial) {
                spatial.add(axis);
            } else if (kind.matches(".*(complex|colou?r|quaternion|matrix|tensor).*")) {
                throw problem("found an axis of kind " + kind
                        + ", which isn't supported; expected list, vector or time: channels of real numbers");
            }
        }
        if (directions == null && spatial.size() > 3) {
            spatial.subList(3, spatial.size()).clear();
        }
        if (spatial.size() != 3) {
            throw problem("found " + spatial.size() + " spatial " + (spatial.size() == 1 ? "axis" : "axes") + " among "
                    + dimension + ", expected three");
        }
        for (int axis = 0; axis < dimension; axis++) {
            if (spatial.contains(axis) || sizes[axis] == 1) {
                continue;
            }
            if (channels > 1) {
                throw problem("found sizes " + fields.get("sizes")
                        + ", expected three spatial axes and at most one further one longer than 1");
            }
            channels = sizes[axis];
            int before = axis;
            channelAxis = (int) spatial.stream().filter(one -> one < before).count();
        }
    }

    private int spaceDimension() throws VolumeFormatException {
        if (fields.containsKey("space")) {
            return isTimed() ? 4 : 3;
        }
        return fields.containsKey("space dimension")
                ? (int) whole("space dimension", fields.get("space dimension"), 1, MOST_AXES)
                : 0;
    }

    private String space() {
        return fields.getOrDefault("space", "").toLowerCase(Locale.ROOT);
    }

    private boolean isTimed() {
        return space().endsWith("-time") || space().length() == 4 && space().endsWith("t");
    }

    private String spaceWithoutTime() {
        String space = space();
        return !isTimed() ? space : space.replaceAll("(-time|t)$", "");
    }

    /** Returns the vector of each axis, {@code null} for one that has none; {@code null} where the file gives no vectors. */
    private List<double[]> directions(int dimension) throws VolumeFormatException {
        String text = fields.get("space directions");
        if (text == null) {
            return null;
        }
        int space = spaceDimension();
        if (space != 3 && space != 4) {
            throw problem(
                    space == 0
                            ? "it has space directions, but names no space"
                            : "found a space of " + space + " dimensions, expected 3");
        }
        List<double[]> directions = new ArrayList<>();
        Matcher matcher = VECTOR.matcher(text);
        int end = 0;
        while (matcher.lookingAt()) {
            double[] vector = matcher.group(1) == null ? null : vector("space directions", matcher.group(1), space);
            // The axis of time has no direction in space. NaNs are an older way to write none.
            boolean none = vector == null
                    || Double.isNaN(vector[0])
                    || space == 4 && vector[0] == 0 && vector[1] == 0 && vector[2] == 0;
            directions.add(none ? null : vector);
            end = matcher.end();
            matcher.region(end, text.length());
        }
        if (end != text.length() || directions.size() != dimension) {
            throw problem("found space directions '" + shortened(text) + "', expected " + dimension
                    + " vectors such as (1,0,0), or none for an axis");
        }
        return directions;
    }

    private static final Pattern VECTOR = Pattern.compile("\\s*(?:\\(([^()]*)\\)|none|\\?\\?\\?)\\s*");

    private double[] vector(String field, String inside, int length) throws VolumeFormatException {
        String[] words = inside.strip().split("\\s*,\\s*|\\s+");
        if (words.length != length) {
            throw problem("found " + field + " (" + shortened(inside) + "), expected " + length + " numbers");
        }
        double[] vector = new double[length];
        for (int n = 0; n < length; n++) {
            vector[n] = number(field, words[n]);
        }
        return vector;
    }

    private double number(String field, String word) throws VolumeFormatException {
        if (word.matches("[-+]?(?i)nan")) {
            return Double.NaN;
        }
        try {
            return Double.parseDouble(word);
        } catch (NumberFormatException e) {
            throw problem("found " + field + " '" + shortened(word) + "', expected a number");
        }
    }

    private void place(int dimension) throws VolumeFormatException {
        Grid size = new Grid((int) sizes[spatial.get(0)], (int) sizes[spatial.get(1)], (int) sizes[spatial.get(2)]);
        if ((double) sizes[spatial.get(0)] * sizes[spatial.get(1)] * sizes[spatial.get(2)] * channels
                > Integer.MAX_VALUE - 8) {
            throw problem("found sizes " + fields.get("sizes") + ", expected at most 2^31 - 9 values in one volume");
        }
        List<double[]> directions = directions(dimension);
        double[] rows = directions == null ? unorientedRows(dimension) : orientedRows(directions);
        Affine affine = Affine.ofRows(rows);
        if (!affine.isInvertible()) {
            throw problem("found space directions " + affine
                    + " that span no volume, expected three independent vectors of finite numbers");
        }
        geometry = Geometry.of(size, affine);
    }

    private double[] orientedRows(List<double[]> directions) throws VolumeFormatException {
        String space = spaceWithoutTime();
        int[] signs = SPACES.get(space);
        if (signs == null) {
            if (!space.isEmpty() && !OTHER_SPACES.contains(space)) {
                throw problem("found space '" + shortened(fields.get("space"))
                        + "', expected left-posterior-superior, right-anterior-superior, left-anterior-superior, scanner-xyz or"
                        + " 3D-right-handed");
            }
            assumption = space.isEmpty() ? "names no space" : "has the space " + fields.get("space");
            signs = LPS;
        }
        double[] origin = new double[4];
        if (fields.containsKey("space origin")) {
            Matcher matcher = VECTOR.matcher(fields.get("space origin"));
            if (!matcher.matches() || matcher.group(1) == null) {
                throw problem("found space origin '" + shortened(fields.get("space origin"))
                        + "', expected a vector such as (0,0,0)");
            }
            origin = vector("space origin", matcher.group(1), spaceDimension());
        }
        double[] rows = new double[12];
        for (int row = 0; row < 3; row++) {
            double unit = signs[row] * millimetres(row);
            for (int axis = 0; axis < 3; axis++) {
                rows[row * 4 + axis] = unit * directions.get(spatial.get(axis))[row];
            }
            rows[row * 4 + 3] = unit * origin[row];
        }
        return rows;
    }

    /** Returns how many millimetres the unit of a space's axis is. */
    private double millimetres(int row) throws VolumeFormatException {
        List<String> units = new ArrayList<>();
        Matcher quoted = Pattern.compile("\"([^\"]*)\"").matcher(fields.getOrDefault("space units", ""));
        while (quoted.find()) {
            units.add(quoted.group(1).strip());
        }
        if (row >= units.size()) {
            return 1;
        }
        return switch (units.get(row).toLowerCase(Locale.ROOT)) {
            case "", "???", "mm", "millimeter", "millimetre", "millimeters", "millimetres" -> 1;
            case "cm" -> 10;
            case "m" -> 1000;
            case "um", "\u00b5m", "\u03bcm", "micron", "microns" -> 0.001;
            default -> throw problem("found space units '" + shortened(units.get(row)) + "', expected mm, cm, m or um");
        };
    }

    /** The place of a file without directions: voxel sizes along the axes, which are taken as left, posterior and superior. */
    private double[] unorientedRows(int dimension) throws VolumeFormatException {
        if (spaceDimension() != 0) {
            throw problem("it names a space, but has no space directions");
        }
        assumption = "names no space";
        double[] spacings = perAxis("spacings", dimension, Double.NaN);
        double[] mins = perAxis("axis mins", dimension, Double.NaN);
        String[] centers = fields.getOrDefault("centers", "").split("\\s+");
        double[] rows = new double[12];
        for (int n = 0; n < 3; n++) {
            int axis = spatial.get(n);
            double step = Double.isNaN(spacings[axis]) ? 1 : spacings[axis];
            if (!(step > 0)) {
                throw problem("found spacings " + fields.get("spacings") + ", expected numbers above 0");
            }
            rows[n * 4 + n] = LPS[n] * step;
            if (!Double.isNaN(mins[axis]) && !Double.isNaN(spacings[axis])) {
                // The smallest position of a cell is its edge, that of a node its centre; cells are what is meant
                // where nothing is said.
                boolean node = axis < centers.length && centers[axis].equalsIgnoreCase("node");
                rows[n * 4 + 3] = LPS[n] * (mins[axis] + (node ? 0 : step / 2));
            }
        }
        return rows;
    }

    private double[] perAxis(String field, int dimension, double otherwise) throws VolumeFormatException {
        double[] numbers = new double[dimension];
        java.util.Arrays.fill(numbers, otherwise);
        if (fields.containsKey(field)) {
            String[] words = fields.get(field).split("\\s+");
            if (words.length != dimension) {
                throw problem(
                        "found " + words.length + " " + field + ", expected " + dimension + " as its dimension says");
            }
            for (int axis = 0; axis < dimension; axis++) {
                numbers[axis] = number(field, words[axis]);
            }
        }
        return numbers;
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
                "NRRD",
                geometry,
                true,
                channels,
                textBytes,
                files,
                "NRRD, " + fields.get("sizes").replaceAll("\\s+", "×") + ", " + type + ", " + fields.get("encoding"));
    }

    StoredVoxels voxels() throws VolumeFormatException {
        int lineSkip = (int) whole("line skip", fields.getOrDefault("line skip", "0"), 0, Integer.MAX_VALUE);
        long byteSkip = whole("byte skip", fields.getOrDefault("byte skip", "0"), -1, 1L << 53);
        if (byteSkip < 0 && encoding != Encoding.RAW) {
            throw problem("found byte skip -1 with encoding " + fields.get("encoding") + ", expected it with raw only");
        }
        ByteOrder order = order();
        return new StoredVoxels(
                file,
                voxelFiles(),
                byteSkip < 0 ? -1 : dataFiles.isEmpty() ? textBytes : 0,
                lineSkip,
                Math.max(0, byteSkip),
                encoding,
                type,
                order == null ? ByteOrder.LITTLE_ENDIAN : order,
                geometry.size(),
                channels(),
                channelAxis);
    }

    /** Says what was taken for granted or passed over. */
    void warn() {
        if (assumption != null) {
            LOG.warn(
                    "{}: {}, so that nothing says how it lies in the patient; taking its axes as left, posterior, superior, as ITK does",
                    file,
                    assumption);
        }
        if (!unknown.isEmpty()) {
            LOG.warn("{}: ignoring what NRRD doesn't know: {}", file, String.join(", ", unknown));
        }
    }
}
