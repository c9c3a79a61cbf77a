package org.segformer3d.data.format;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.segformer3d.data.metaimage.MetaImageFormat;
import org.segformer3d.data.mgh.MghFormat;
import org.segformer3d.data.nifti.NiftiFormat;
import org.segformer3d.data.npy.NumpyFormat;
import org.segformer3d.data.nrrd.NrrdFormat;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.Geometry;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormat;
import org.segformer3d.data.volume.VolumeFormatException;
import org.segformer3d.data.volume.VolumeHeader;
import org.segformer3d.data.volume.VoxelType;

/**
 * Reads and writes image files of every known format.
 *
 * <p>Which format a file has is seen from how it starts; its name decides only where that leads nowhere, so that a damaged file is
 * reported as one of the format it should be, and for files that hold voxels and no header. What is written follows the name.
 */
public final class VolumeFiles {
    /** The ending that results have where nothing asks for another. */
    public static final String USUAL_ENDING = ".nii.gz";

    private static final List<VolumeFormat> FORMATS =
            List.of(new NiftiFormat(), new NrrdFormat(), new MetaImageFormat(), new MghFormat(), new NumpyFormat());
    private static final int START = 4096;

    /** How files of some other kinds start, for messages. */
    private static final Map<String, String> STRANGERS = new LinkedHashMap<>();

    static {
        STRANGERS.put("\u0089HDF\r\n\u001a\n", "an HDF5 file, as MINC 2 and MATLAB 7.3 write");
        STRANGERS.put("CDF\1", "a netCDF file, as MINC 1 writes");
        STRANGERS.put("\u0089PNG", "a PNG picture");
        STRANGERS.put("\u00ff\u00d8\u00ff", "a JPEG picture");
        STRANGERS.put("II*\0", "a TIFF picture");
        STRANGERS.put("MM\0*", "a TIFF picture");
        STRANGERS.put("BZh", "bzip2 data: unpack it first");
        STRANGERS.put("\u00fd7zXZ", "xz data: unpack it first");
        STRANGERS.put("\u0028\u00b5\u002f\u00fd", "Zstandard data: unpack it first");
    }

    /** A stand-in is a line or two of text. */
    private static final int STAND_IN_BYTES = 1024;

    /** What a system without links, or an unlocked file of git-annex, has in the place of a link to the content. */
    private static final Pattern ANNEX = Pattern.compile("(?:(?:\\.\\./)*\\.git)?/annex/objects/\\S.*", Pattern.DOTALL);

    private VolumeFiles() {}

    /** Returns the formats that are known. */
    public static List<VolumeFormat> formats() {
        return FORMATS;
    }

    /** Returns the endings of image files, in lower case with their dot, longer ones first. */
    public static List<String> endings() {
        List<String> endings = new ArrayList<>();
        FORMATS.forEach(format -> endings.addAll(format.endings()));
        // Stable: formats keep their order among endings of one length.
        endings.sort(Comparator.comparingInt(String::length).reversed());
        return endings;
    }

    /** Returns the endings under which results can be written so that they lie where their scans do. */
    public static List<String> resultEndings() {
        List<String> endings = new ArrayList<>();
        FORMATS.forEach(format -> endings.addAll(format.resultEndings()));
        return endings;
    }

    /** Returns an ending in lower case where results can be written under it, {@link #USUAL_ENDING} else. */
    public static String resultEnding(String ending) {
        String lower = ending.toLowerCase(Locale.ROOT);
        return resultEndings().contains(lower) ? lower : USUAL_ENDING;
    }

    /** Returns all endings for a sentence, for example {@code .nii.gz, .nii, .nrrd or .npy}. */
    public static String endingsText() {
        List<String> endings = new ArrayList<>();
        FORMATS.forEach(format -> endings.addAll(format.endings()));
        return String.join(", ", endings.subList(0, endings.size() - 1)) + " or " + endings.get(endings.size() - 1);
    }

    /** Returns the formats and their endings for a sentence. */
    public static String formatsText() {
        List<String> texts = new ArrayList<>();
        for (VolumeFormat format : FORMATS) {
            texts.add(format.name() + " (" + String.join(", ", format.endings()) + ")");
        }
        return String.join(", ", texts.subList(0, texts.size() - 1)) + " or " + texts.get(texts.size() - 1);
    }

    /** Returns the ending of an image file's name as it is written there, or nothing when no format has such names. */
    public static String endingOf(Path file) {
        return ending(file, endings());
    }

    /**
     * Returns the name without folder and ending, also that of a file that holds voxels only; the whole name where the ending is no
     * format's.
     */
    public static String stem(Path file) {
        List<String> endings = endings();
        FORMATS.forEach(format -> endings.addAll(format.voxelEndings()));
        String name = file.getFileName().toString();
        return name.substring(0, name.length() - ending(file, endings).length());
    }

    private static String ending(Path file, List<String> endings) {
        String name = file.getFileName().toString();
        String lower = name.toLowerCase(Locale.ROOT);
        for (String ending : endings) {
            if (lower.endsWith(ending) && lower.length() > ending.length()) {
                return name.substring(name.length() - ending.length());
            }
        }
        return "";
    }

    /** Returns whether a file's name is that of an array, which says nothing about where an image lies. */
    public static boolean isArray(Path file) {
        return byName(file).filter(NumpyFormat.class::isInstance).isPresent();
    }

    private static Optional<VolumeFormat> byName(Path file) {
        return FORMATS.stream()
                .filter(format -> !ending(file, format.endings()).isEmpty())
                .findFirst();
    }

    /**
     * Returns the format of a file.
     *
     * @throws VolumeFormatException when there is no such file or it is of no known format; the message names those there are
     * @throws IOException when reading fails
     */
    public static VolumeFormat formatOf(Path file) throws IOException {
        Objects.requireNonNull(file, "file");
        if (!Files.exists(file)) {
            throw new VolumeFormatException(file, "no such file");
        }
        if (!Files.isRegularFile(file)) {
            throw new VolumeFormatException(file, "not a regular file, expected an image: " + formatsText());
        }
        for (VolumeFormat format : FORMATS) {
            if (!ending(file, format.voxelEndings()).isEmpty()) {
                return format;
            }
        }
        byte[] start = start(file);
        Optional<VolumeFormat> found = FORMATS.stream()
                .filter(format -> format.recognises(start))
                .findFirst()
                .or(() -> byName(file));
        return found.orElseThrow(() -> new VolumeFormatException(
                file, "not an image that is read: found " + described(start) + ", expected " + formatsText()));
    }

    /** Returns the ending that a file's content asks for: that of its format which its compression fits. */
    public static Optional<String> endingForContent(Path file) throws IOException {
        byte[] start = start(file);
        boolean gzipped = isGzip(raw(file, 2));
        return FORMATS.stream()
                .filter(format -> format.recognises(start))
                .findFirst()
                .map(format -> {
                    List<String> zipped = format.endings().stream()
                            .filter(ending -> ending.endsWith(".gz") || ending.equals(".mgz"))
                            .toList();
                    return gzipped && !zipped.isEmpty()
                            ? zipped.get(0)
                            : format.endings().stream()
                                    .filter(ending -> !zipped.contains(ending))
                                    .findFirst()
                                    .orElseThrow();
                });
    }

    /** Returns the first bytes of a file, decompressed where it is gzipped. */
    private static byte[] start(Path file) throws IOException {
        byte[] raw = raw(file, START);
        if (!isGzip(raw)) {
            return raw;
        }
        byte[] start = new byte[START];
        int found = 0;
        try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
            while (found < start.length) {
                int n = in.read(start, found, start.length - found);
                if (n < 0) {
                    break;
                }
                found += n;
            }
        } catch (EOFException | ZipException e) {
            // What there is has to do; who reads the file will say what is wrong with it.
        }
        return Arrays.copyOf(start, found);
    }

    private static byte[] raw(Path file, int count) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(count);
        }
    }

    private static boolean isGzip(byte[] start) {
        return start.length >= 2 && start[0] == 0x1f && (start[1] & 0xff) == 0x8b;
    }

    /**
     * Returns what a file is that stands for an image that wasn't fetched, for a message; empty for any other.
     *
     * @throws IOException when reading fails
     */
    public static Optional<String> standIn(Path file) throws IOException {
        return Files.size(file) < STAND_IN_BYTES
                ? standIn(new String(raw(file, STAND_IN_BYTES), StandardCharsets.ISO_8859_1))
                        .map("is "::concat)
                : Optional.empty();
    }

    private static Optional<String> standIn(String text) {
        if (text.startsWith("version https://git-lfs")) {
            return Optional.of("a pointer of Git LFS: get the file itself with git lfs pull");
        }
        return ANNEX.matcher(text).matches()
                ? Optional.of("a pointer of git-annex: get the file itself with git annex get or datalad get")
                : Optional.empty();
    }

    private static String described(byte[] start) {
        String text = new String(start, StandardCharsets.ISO_8859_1);
        Optional<String> pointer = standIn(text);
        if (pointer.isPresent()) {
            return pointer.get();
        }
        for (Map.Entry<String, String> stranger : STRANGERS.entrySet()) {
            if (text.startsWith(stranger.getKey())) {
                return stranger.getValue();
            }
        }
        if (text.length() >= 132 && text.startsWith("DICM", 128)) {
            return "a DICOM file: give its folder";
        }
        if (start.length == 0) {
            return "an empty file";
        }
        StringBuilder shown = new StringBuilder();
        for (int n = 0; n < Math.min(8, start.length); n++) {
            shown.append(n == 0 ? "" : " ").append(String.format("%02x", start[n]));
        }
        return "a file that starts with the bytes " + shown;
    }

    /**
     * Reads an image.
     *
     * @param file one file of it, never {@code null}
     * @throws VolumeFormatException when the file is missing, of no known format or not readable
     * @throws IOException when reading fails
     */
    public static Volume read(Path file) throws IOException {
        return formatOf(file).read(file);
    }

    /**
     * Reads what a file says about its image.
     *
     * @throws VolumeFormatException when the file is missing, of no known format or its header isn't readable
     * @throws IOException when reading fails
     */
    public static VolumeHeader readHeader(Path file) throws IOException {
        return formatOf(file).readHeader(file);
    }

    /**
     * Writes an image as float32, atomically, in the format of the name's ending.
     *
     * @param file the name, never {@code null}; replaced when it exists
     * @param volume what to write, never {@code null}
     * @throws IllegalArgumentException when no format has such names
     * @throws IOException when writing fails or the format can't hold the image; nothing is changed then
     */
    public static void write(Path file, Volume volume) throws IOException {
        write(file, volume, VoxelType.FLOAT32);
    }

    /**
     * Writes whole numbers, atomically, in the smallest type the format has that holds them all.
     *
     * @param file the name, never {@code null}; replaced when it exists
     * @param labels what to write, never {@code null}
     * @throws IllegalArgumentException when no format has such names or a value isn't whole
     * @throws IOException when writing fails or the format can't hold the labels; nothing is changed then
     */
    public static void writeLabels(Path file, Volume labels) throws IOException {
        VolumeFormat format = formatFor(file);
        VoxelType type = VoxelType.firstHolding(labels.values(), format.labelTypes())
                .orElseThrow(() -> new VolumeFormatException(
                        file, format.name() + " has no type that holds these labels, expected another ending"));
        write(file, labels, type);
    }

    private static void write(Path file, Volume volume, VoxelType type) throws IOException {
        formatFor(file)
                .write(
                        file,
                        volume.geometry(),
                        volume.channels(),
                        type,
                        channel -> volume.channel(channel).values());
    }

    /**
     * Writes an image as float32 whose channels need not be in memory together, atomically, in the format of the name's ending.
     *
     * @param file the name, never {@code null}; replaced when it exists
     * @param geometry where the image lies, never {@code null}
     * @param channels how many, ≥ 1
     * @param source asked for each, never {@code null}
     * @throws IllegalArgumentException when no format has such names or a channel has another number of values
     * @throws IOException when the source or writing fails or the format can't hold the image; nothing is changed then
     */
    public static void write(Path file, Geometry geometry, int channels, ChannelSource source) throws IOException {
        formatFor(file).write(file, geometry, channels, VoxelType.FLOAT32, source);
    }

    private static VolumeFormat formatFor(Path file) {
        return byName(file)
                .orElseThrow(
                        () -> new IllegalArgumentException(file + ": expected a name that ends in " + endingsText()));
    }
}
