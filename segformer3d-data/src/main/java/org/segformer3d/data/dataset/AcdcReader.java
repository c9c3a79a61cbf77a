package org.segformer3d.data.dataset;

import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.segformer3d.data.format.VolumeFiles;

/**
 * Reads which files make up the Automated Cardiac Diagnosis Challenge (ACDC, Bernard et al. 2018).
 *
 * <pre>
 * patient001/Info.cfg                       "ED: 1", "ES: 12" (numbers of the frames), Group, Height, NbFrame, Weight
 * patient001/patient001_frame01.nii.gz      end of diastole
 * patient001/patient001_frame01_gt.nii.gz   0 background, 1 right ventricle, 2 myocardium, 3 left ventricle
 * patient001/patient001_frame12.nii.gz      end of systole
 * patient001/patient001_frame12_gt.nii.gz
 * </pre>
 *
 * <p>The patients' folders lie in the root or in {@code training} and {@code testing} below it (also below {@code database}). Each of the
 * two frames is a case of its own, named as its file; both belong to their patient, so that splits keep them together. A patient whose
 * two frames have no truth is unlabelled. Films ({@code _4d}) aren't read.
 */
public final class AcdcReader {
    private static final List<String> FRAMES = List.of("ED", "ES");
    private static final List<LabelClass> LABELS = List.of(
            LabelClass.of(0, "background"), LabelClass.of(1, "RV"), LabelClass.of(2, "MYO"), LabelClass.of(3, "LV"));

    private AcdcReader() {}

    /**
     * Reads a data set of complete cases.
     *
     * @param root its folder, never {@code null}
     * @throws DatasetException when there are no patients' folders, an {@code Info.cfg} is something else or a frame is missing
     * @throws IOException when reading fails
     */
    public static SegmentationDataset read(Path root) throws IOException {
        return DatasetLayout.ACDC.read(root);
    }

    static SegmentationDataset read(Path root, IncompleteCases incomplete) throws IOException {
        Objects.requireNonNull(root, "root");
        if (!Files.isDirectory(root)) {
            throw new DatasetException(root, "no such folder, expected ACDC with a folder patientNNN for each patient");
        }
        List<Path> patients = patients(root);
        if (patients.isEmpty()) {
            throw new DatasetException(
                    root, "found no folders with an Info.cfg, expected ACDC with a folder patientNNN for each patient");
        }
        TreeMap<String, Case> cases = new TreeMap<>();
        TreeMap<String, Case> unlabelled = new TreeMap<>();
        Map<String, String> groups = new LinkedHashMap<>();
        for (Path patient : patients) {
            String name = patient.getFileName().toString();
            Map<String, String> info = info(patient.resolve("Info.cfg"));
            Map<String, Case> frames = new LinkedHashMap<>();
            for (String phase : FRAMES) {
                frames.put(phase, frame(patient, name, phase, info));
            }
            boolean labelled =
                    frames.values().stream().anyMatch(one -> one.label().isPresent());
            for (Map.Entry<String, Case> frame : frames.entrySet()) {
                Case one = frame.getValue();
                for (String problem : problems(frame.getKey(), one, labelled)) {
                    incomplete.add(one.id(), problem);
                }
                if (incomplete.contains(one.id())) {
                    continue;
                }
                if ((labelled ? cases : unlabelled).put(one.id(), one) != null) {
                    throw new DatasetException(patient, "case '" + one.id() + "' is there twice");
                }
                groups.put(one.id(), name);
            }
        }
        return new SegmentationDataset(
                "ACDC",
                root,
                List.of("MRI"),
                LABELS,
                List.copyOf(cases.values()),
                List.copyOf(unlabelled.values()),
                groups);
    }

    /** Returns the patients' folders in order of name; none where no folder has an {@code Info.cfg}. */
    static List<Path> patients(Path root) throws IOException {
        List<Path> patients = new ArrayList<>();
        for (String below : List.of("", "training", "testing", "database/training", "database/testing")) {
            Path folder = root.resolve(below);
            if (Files.isDirectory(folder)) {
                try (Stream<Path> entries = Files.list(folder)) {
                    // A patient's folder without its file is a mistake, which reading it says.
                    entries.filter(entry -> Files.isRegularFile(entry.resolve("Info.cfg"))
                                    || Files.isDirectory(entry)
                                            && entry.getFileName().toString().matches("patient\\d+"))
                            .forEach(patients::add);
                }
            }
        }
        if (patients.stream().noneMatch(patient -> Files.isRegularFile(patient.resolve("Info.cfg")))) {
            return List.of();
        }
        patients.sort((a, b) -> a.getFileName().compareTo(b.getFileName()));
        return patients;
    }

    private static Map<String, String> info(Path file) throws IOException {
        Map<String, String> info = new LinkedHashMap<>();
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (NoSuchFileException e) {
            throw new DatasetException(
                    file, "no such file, expected it in each patient's folder, with lines such as ED: 1", e);
        } catch (MalformedInputException e) {
            throw new DatasetException(file, "isn't text, expected lines such as ED: 1", e);
        }
        for (String written : lines) {
            // Editors on Windows put a byte order mark before the first.
            String line = written.replace("\uFEFF", "");
            int colon = line.indexOf(':');
            if (colon > 0) {
                info.put(
                        line.substring(0, colon).strip(),
                        line.substring(colon + 1).strip());
            }
        }
        return info;
    }

    private static List<String> problems(String phase, Case one, boolean labelled) throws IOException {
        List<String> problems = new ArrayList<>();
        Path image = one.images().get(0);
        if (Files.exists(image, LinkOption.NOFOLLOW_LINKS)) {
            CaseFiles.trouble(image).ifPresent(why -> problems.add(CaseFiles.shown(image) + " " + why));
        } else {
            problems.add("Info.cfg names it as " + phase + ", but there is no " + CaseFiles.shown(image));
        }
        if (labelled && one.label().isEmpty()) {
            problems.add("found no " + one.id() + "_gt beside it, expected both frames' truth");
        }
        if (one.label().isPresent()) {
            Path label = one.label().get();
            CaseFiles.trouble(label).ifPresent(why -> problems.add(CaseFiles.shown(label) + " " + why));
        }
        return problems;
    }

    /** Returns the case of a frame, whose files may be missing. */
    private static Case frame(Path patient, String name, String phase, Map<String, String> info) throws IOException {
        Path file = patient.resolve("Info.cfg");
        String number = info.get(phase);
        if (number == null || !number.matches("\\d{1,4}")) {
            throw new DatasetException(
                    file,
                    "found " + phase + (number == null ? " missing" : ": " + number)
                            + ", expected the number of its frame, such as " + phase + ": 1");
        }
        String id = String.format("%s_frame%02d", name, Integer.parseInt(number));
        Path image = CaseFiles.find(patient, id).orElse(patient.resolve(id + VolumeFiles.USUAL_ENDING));
        return new Case(id, List.of(image), CaseFiles.find(patient, id + "_gt"));
    }
}
