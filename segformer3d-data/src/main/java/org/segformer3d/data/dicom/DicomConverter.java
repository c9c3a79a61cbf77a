package org.segformer3d.data.dicom;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.data.io.CorruptFileException;

/**
 * Converts DICOM series to NIfTI by dcm2niix (Chris Rorden, BSD), which knows the vendors' ways; the volume's affine is that of the
 * series, so labels made on it lie where the series lies.
 *
 * <p>dcm2niix isn't part of this software: it is looked for on the path, or where the environment's {@value #VARIABLE} says.
 */
public final class DicomConverter {
    /** The environment variable that names dcm2niix. */
    public static final String VARIABLE = "SEGFORMER3D_DCM2NIIX";

    static final int DEPTH = 5;
    static final int MAGIC_OFFSET = 128;
    private static final byte[] MAGIC = "DICM".getBytes(StandardCharsets.US_ASCII);
    /** More is no scan, or a bomb. */
    private static final long MOST_BYTES = 16L << 30;

    private static final int MOST_FILES = 200_000;

    private final ExternalProgram program;

    private DicomConverter(ExternalProgram program) {
        this.program = program;
    }

    /**
     * Finds dcm2niix.
     *
     * @param where a file or folder it is wanted for, which the message names
     * @throws DatasetException when it isn't installed; the message says how to get it
     */
    public static DicomConverter find(Path where) throws DatasetException {
        return find(where, System.getenv(VARIABLE), System.getenv("PATH"));
    }

    static DicomConverter find(Path where, String named, String path) throws DatasetException {
        return ExternalProgram.find("dcm2niix", named, path)
                .map(DicomConverter::new)
                .orElseThrow(() -> ExternalProgram.missing(
                        where,
                        "found DICOM, which dcm2niix converts, and no dcm2niix",
                        "Debian and Ubuntu: apt-get install dcm2niix; macOS: brew install dcm2niix",
                        VARIABLE,
                        named));
    }

    /**
     * Returns whether a path is a DICOM file, a zip file, or a folder with DICOM files and without images of other kinds.
     *
     * @throws IOException when it can't be read
     */
    public static boolean isDicom(Path path) throws IOException {
        if (Files.isRegularFile(path)) {
            return isZip(path) || hasMagic(path);
        }
        if (!Files.isDirectory(path)) {
            return false;
        }
        boolean found = false;
        try (Stream<Path> files = Files.find(
                path, DEPTH, (file, attributes) -> attributes.isRegularFile(), FileVisitOption.FOLLOW_LINKS)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                if (!VolumeFiles.endingOf(file).isEmpty()) {
                    return false;
                }
                found = found || hasMagic(file);
            }
        }
        return found;
    }

    private static boolean isZip(Path file) {
        return file.getFileName().toString().toLowerCase(Locale.ROOT).endsWith(".zip");
    }

    private static boolean hasMagic(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(MAGIC_OFFSET + MAGIC.length);
            return start.length == MAGIC_OFFSET + MAGIC.length
                    && Arrays.equals(start, MAGIC_OFFSET, start.length, MAGIC, 0, MAGIC.length);
        }
    }

    /**
     * Converts every series.
     *
     * @param source a folder (searched {@value #DEPTH} levels deep), a zip file or one file
     * @param workspace an existing empty folder for the volumes; whoever made it deletes it
     * @return the volumes in order of their series' numbers, at least one
     * @throws DatasetException when there is nothing that makes a volume
     * @throws IOException when reading or writing fails
     */
    public List<DicomSeries> convert(Path source, Path workspace) throws IOException {
        Objects.requireNonNull(source, "source");
        Path volumes = Files.createDirectory(workspace.resolve("volumes"));
        Path files = isZip(source) ? unzip(source, Files.createDirectory(workspace.resolve("files"))) : source;
        List<String> command = new ArrayList<>();
        if (Files.isRegularFile(files)) {
            // this file only, not the series around it
            command.addAll(List.of("-s", "y"));
        }
        command.addAll(List.of(
                "-b",
                "y",
                "-ba",
                "n",
                "-z",
                "n",
                "-d",
                String.valueOf(DEPTH),
                "-f",
                "%s_%j",
                "-o",
                volumes.toString()));
        command.add(files.toAbsolutePath().toString());
        Path log = workspace.resolve("dcm2niix.log");
        int exit = program.run(command, log);
        List<DicomSeries> series = new ArrayList<>();
        try (Stream<Path> written = Files.list(volumes)) {
            for (Path nifti :
                    written.filter(file -> file.toString().endsWith(".nii")).toList()) {
                series.add(describe(nifti, files));
            }
        }
        if (series.isEmpty()) {
            throw new DatasetException(
                    source,
                    "dcm2niix made no volume of it (exit code " + exit + "): " + ExternalProgram.lastLine(log)
                            + "; expected at least one image series");
        }
        series.sort(
                Comparator.comparingInt((DicomSeries one) -> number(one.name())).thenComparing(DicomSeries::name));
        return List.copyOf(series);
    }

    private static DicomSeries describe(Path nifti, Path files) throws IOException {
        String file = nifti.getFileName().toString();
        String stem = file.substring(0, file.length() - ".nii".length());
        Path sidecar = nifti.resolveSibling(stem + ".json");
        JsonNode about = new ObjectMapper().createObjectNode();
        if (Files.exists(sidecar)) {
            try {
                about = new ObjectMapper().readTree(Files.readAllBytes(sidecar));
            } catch (JsonProcessingException | CharConversionException e) {
                throw new CorruptFileException(sidecar, "not valid JSON, expected what dcm2niix notes on a series", e);
            }
        }
        String uid = about.path("SeriesInstanceUID").asText("");
        int split = stem.indexOf('_');
        String number = split < 0 ? stem : stem.substring(0, split);
        String rest = split < 0 ? "" : stem.substring(split + 1);
        String suffix = !uid.isEmpty() && rest.startsWith(uid) ? rest.substring(uid.length()) : "";
        return new DicomSeries(
                number + suffix,
                uid,
                about.path("Modality").asText(""),
                about.path("SeriesDescription").asText("").strip(),
                nifti,
                files);
    }

    private static int number(String name) {
        int end = 0;
        while (end < name.length() && Character.isDigit(name.charAt(end))) {
            end++;
        }
        try {
            return end == 0 ? Integer.MAX_VALUE : Integer.parseInt(name.substring(0, end));
        } catch (NumberFormatException e) {
            return Integer.MAX_VALUE;
        }
    }

    /** Names inside the file are never used, so none can lead out of the folder. */
    private static Path unzip(Path zip, Path folder) throws IOException {
        long left = MOST_BYTES;
        int count = 0;
        try (ZipFile archive = new ZipFile(zip.toFile())) {
            for (ZipEntry entry : (Iterable<ZipEntry>) archive.stream().map(ZipEntry.class::cast)::iterator) {
                if (entry.isDirectory()) {
                    continue;
                }
                if (++count > MOST_FILES) {
                    throw new DatasetException(
                            zip, "found more than " + MOST_FILES + " files; unpack what is needed and give the folder");
                }
                try (InputStream in = archive.getInputStream(entry);
                        OutputStream out = Files.newOutputStream(folder.resolve(count + ".dcm"))) {
                    left -= copy(in, out, left, zip);
                }
            }
        } catch (ZipException e) {
            throw new DatasetException(
                    zip,
                    "not a readable zip file (" + e.getMessage() + "); expected DICOM files in a zip file or a folder",
                    e);
        }
        return folder;
    }

    private static long copy(InputStream in, OutputStream out, long most, Path zip) throws IOException {
        byte[] buffer = new byte[1 << 16];
        long total = 0;
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
            total += n;
            if (total > most) {
                throw new DatasetException(
                        zip,
                        "unpacks to more than " + (MOST_BYTES >> 30)
                                + " GiB; unpack what is needed and give the folder");
            }
            out.write(buffer, 0, n);
        }
        return total;
    }

    /** Returns the name of a case from its source: the file's or folder's, without an extension. */
    public static String caseId(Path source) {
        String name = Optional.ofNullable(source.toAbsolutePath().normalize().getFileName())
                .map(Path::toString)
                .orElse("scan");
        String lower = name.toLowerCase(Locale.ROOT);
        String stem = lower.endsWith(".zip") || lower.endsWith(".dcm") ? name.substring(0, name.length() - 4) : name;
        return stem.isBlank() ? "scan" : stem;
    }
}
