package org.segformer3d.data.dicom;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.io.AtomicFiles;
import org.segformer3d.data.volume.Volume;

/**
 * Writes label maps as DICOM Segmentation objects (DICOM-SEG, binary) by itkimage2segimage of dcmqi (QIICR, BSD-3-Clause), which takes patient, study
 * and frame of reference from the series and refers each frame to the slice it was made on.
 *
 * <p>dcmqi isn't part of this software: its program is looked for on the path, or where the environment's {@value #VARIABLE} says. It is
 * given labels slice by slice as the series has them, so that frames lie on their slices pixel by pixel.
 */
public final class DicomSegmentation {
    /** The environment variable that names itkimage2segimage. */
    public static final String VARIABLE = "SEGFORMER3D_ITKIMAGE2SEGIMAGE";

    private static final String PROGRAM = "itkimage2segimage";
    /** Bright enough to be seen on a grey scan. */
    private static final int[] COLOURS = {
        0xff4b4b, 0x41c8ff, 0xffd23c, 0x5ae678, 0xd278ff, 0xff9632, 0x32e6c8, 0xff7ab8, 0xa0c8ff, 0xc8e650
    };

    private static final int LONGEST_TEXT = 64;

    private final ExternalProgram program;

    private DicomSegmentation(ExternalProgram program) {
        this.program = program;
    }

    /**
     * Finds itkimage2segimage.
     *
     * @param where a file or folder it is wanted for, which the message names
     * @throws DatasetException when it isn't installed; the message says how to get it
     */
    public static DicomSegmentation find(Path where) throws DatasetException {
        return find(where, System.getenv(VARIABLE), System.getenv("PATH"));
    }

    static DicomSegmentation find(Path where, String named, String path) throws DatasetException {
        return ExternalProgram.find(PROGRAM, named, path)
                .map(DicomSegmentation::new)
                .orElseThrow(() -> ExternalProgram.missing(
                        where,
                        "DICOM-SEG is made by dcmqi's " + PROGRAM + ", and there is none",
                        "pip install dcmqi",
                        VARIABLE,
                        named));
    }

    /**
     * Writes a label map. A segment without a voxel is left out.
     *
     * @param labels made on the series' volume, one channel
     * @param series what it was made on
     * @param segments at least one
     * @param algorithm what made it, for example a model's name
     * @param target the file, replaced when it exists; deleted when no segment has a voxel, since DICOM has no empty segmentation
     * @return the names of the segments written, empty when there is none
     * @throws DatasetException when the series' slices aren't those of the labels, or dcmqi fails
     * @throws IOException when reading or writing fails; the target stays as it was
     */
    public List<String> write(
            Volume labels, DicomSeries series, List<DicomSegment> segments, String algorithm, Path target)
            throws IOException {
        Objects.requireNonNull(algorithm, "algorithm");
        SeriesStack stack = SeriesStack.of(series, labels.geometry());
        if (stack.isSheared()) {
            throw new DatasetException(
                    series.files(),
                    "the slices of series " + series.name()
                            + " are shifted against one another (a tilted gantry), expected a straight stack, of which alone"
                            + " dcmqi makes DICOM-SEG");
        }
        float[] pixels = stack.pixels(labels.asLabels());
        List<DicomSegment> present =
                segments.stream().filter(segment -> hasVoxel(pixels, segment)).toList();
        if (present.isEmpty()) {
            Files.deleteIfExists(target);
            return List.of();
        }
        Path workspace = Files.createTempDirectory("segformer3d-seg-");
        try {
            Path slices = Files.createDirectory(workspace.resolve("slices"));
            for (int n = 0; n < stack.slices().size(); n++) {
                place(stack.slices().get(n).file(), slices.resolve(String.format(Locale.ROOT, "%06d.dcm", n)));
            }
            List<List<DicomSegment>> images = images(present);
            List<Path> files = new ArrayList<>();
            for (List<DicomSegment> image : images) {
                Path file = workspace.resolve("labels" + files.size() + ".nrrd");
                writeImage(file, stack, pixels, image);
                files.add(file);
            }
            Path description = workspace.resolve("description.json");
            new ObjectMapper().writeValue(description.toFile(), describe(images, algorithm));
            Path made = workspace.resolve("segmentation.dcm");
            Path log = workspace.resolve("log");
            int exit = program.run(
                    List.of(
                            "--inputImageList",
                            files.stream().map(Path::toString).collect(Collectors.joining(",")),
                            "--inputDICOMDirectory",
                            slices.toString(),
                            "--inputMetadata",
                            description.toString(),
                            "--outputDICOM",
                            made.toString()),
                    log);
            if (exit != 0 || !Files.isRegularFile(made)) {
                throw new DatasetException(
                        series.files(),
                        PROGRAM + " made no DICOM-SEG of series " + series.name() + " (exit code " + exit + "): "
                                + ExternalProgram.lastLine(log));
            }
            AtomicFiles.write(target, out -> Files.copy(made, out));
        } finally {
            AtomicFiles.deleteTree(workspace);
        }
        return present.stream().map(DicomSegment::name).toList();
    }

    private static boolean hasVoxel(float[] pixels, DicomSegment segment) {
        int[] values = segment.values().stream().mapToInt(Integer::intValue).toArray();
        for (float pixel : pixels) {
            for (int value : values) {
                if (pixel == value) {
                    return true;
                }
            }
        }
        return false;
    }

    /** A link where the file system has them, for a series may be large. */
    private static void place(Path file, Path at) throws IOException {
        try {
            Files.createSymbolicLink(at, file.toAbsolutePath());
        } catch (IOException | UnsupportedOperationException e) {
            Files.copy(file, at);
        }
    }

    /** Returns which segments go into which image: all into one, or, where they share values, each into its own. */
    private static List<List<DicomSegment>> images(List<DicomSegment> segments) {
        long all =
                segments.stream().mapToLong(segment -> segment.values().size()).sum();
        long distinct = segments.stream()
                .flatMap(segment -> segment.values().stream())
                .distinct()
                .count();
        return all == distinct
                ? List.of(segments)
                : segments.stream().map(List::of).toList();
    }

    /** Writes an NRRD file in which segment n has the value n + 1; its axes and steps are the series' own, in double precision. */
    private static void writeImage(Path file, SeriesStack stack, float[] pixels, List<DicomSegment> segments)
            throws IOException {
        DicomSlice first = stack.slices().get(0);
        String header = "NRRD0004\ntype: unsigned short\ndimension: 3\nspace: left-posterior-superior\nsizes: "
                + first.columns() + " " + first.rows() + " " + stack.slices().size() + "\nspace directions: "
                + vector(first.acrossColumns()) + " " + vector(first.acrossRows()) + " "
                + vector(stack.acrossSlices())
                + "\nkinds: domain domain domain\nendian: big\nencoding: raw\nspace origin: "
                + vector(first.position()) + "\n\n";
        Map<Integer, Integer> numbers = new LinkedHashMap<>();
        for (int n = 0; n < segments.size(); n++) {
            for (int value : segments.get(n).values()) {
                numbers.put(value, n + 1);
            }
        }
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write(header.getBytes(StandardCharsets.US_ASCII));
            byte[] slice = new byte[2 * first.rows() * first.columns()];
            for (int at = 0; at < pixels.length; at += slice.length / 2) {
                for (int n = 0; n < slice.length / 2; n++) {
                    int number = pixels[at + n] == 0 ? 0 : numbers.getOrDefault((int) pixels[at + n], 0);
                    slice[2 * n] = (byte) (number >> 8);
                    slice[2 * n + 1] = (byte) number;
                }
                out.write(slice);
            }
        }
    }

    private static String vector(double[] values) {
        return Arrays.stream(values).mapToObj(Double::toString).collect(Collectors.joining(",", "(", ")"));
    }

    private static Map<String, Object> describe(List<List<DicomSegment>> images, String algorithm) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("ContentCreatorName", "SegFormer3D^");
        map.put("ContentLabel", "SEGMENTATION");
        map.put("ContentDescription", "By a program; not for diagnosis or treatment");
        map.put("ClinicalTrialCoordinatingCenterName", "none");
        map.put("SeriesDescription", "Segmentation");
        map.put("SeriesNumber", "300");
        map.put("InstanceNumber", "1");
        List<List<Map<String, Object>>> all = new ArrayList<>();
        int index = 0;
        for (List<DicomSegment> image : images) {
            List<Map<String, Object>> described = new ArrayList<>();
            for (DicomSegment segment : image) {
                int colour = COLOURS[index++ % COLOURS.length];
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("labelID", described.size() + 1);
                one.put("SegmentLabel", ascii(segment.name()));
                one.put("SegmentDescription", ascii(segment.name()));
                one.put("SegmentAlgorithmType", "AUTOMATIC");
                one.put("SegmentAlgorithmName", ascii(algorithm));
                one.put("SegmentedPropertyCategoryCodeSequence", describe(segment.category()));
                one.put("SegmentedPropertyTypeCodeSequence", describe(segment.type()));
                one.put("recommendedDisplayRGBValue", List.of(colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff));
                described.add(one);
            }
            all.add(described);
        }
        map.put("segmentAttributes", all);
        return map;
    }

    private static Map<String, String> describe(DicomCode code) {
        return Map.of(
                "CodeValue", code.value(),
                "CodingSchemeDesignator", code.scheme(),
                "CodeMeaning", code.meaning());
    }

    /** Returns a text in the characters that every series' character set has, and not too long. */
    private static String ascii(String text) {
        String plain = Normalizer.normalize(text, Normalizer.Form.NFD)
                .replaceAll("\\p{M}", "")
                .replaceAll("[^ -~]|\\\\", "?");
        return plain.length() <= LONGEST_TEXT ? plain : plain.substring(0, LONGEST_TEXT);
    }
}
