package org.segformer3d.cli.option;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dicom.DicomConverter;
import org.segformer3d.data.dicom.DicomSeries;
import org.segformer3d.data.io.AtomicFiles;

/** Replaces inputs that are DICOM by converted volumes in a temporary folder, which closing deletes. */
public final class DicomInputs implements AutoCloseable {
    private final Path workspace;
    private final List<Path> paths;
    private final Map<String, DicomSeries> series;

    private DicomInputs(Path workspace, List<Path> paths, Map<String, DicomSeries> series) {
        this.workspace = workspace;
        this.paths = paths;
        this.series = Collections.unmodifiableMap(series);
    }

    /**
     * Converts what is DICOM and leaves the rest as it is.
     *
     * @param inputs files and folders
     * @param series the series to take, by number or UID, one for each of the model's channels; empty where there's nothing to choose
     * @param channels how many channels the model takes
     * @throws DatasetException when a series isn't there or none was chosen among several; the message lists them
     * @throws IOException when an input can't be read
     */
    public static DicomInputs convert(List<Path> inputs, List<String> series, int channels) throws IOException {
        Set<Path> dicom = new LinkedHashSet<>();
        for (Path input : inputs) {
            if (DicomConverter.isDicom(input)) {
                dicom.add(input);
            }
        }
        if (dicom.isEmpty()) {
            if (!series.isEmpty()) {
                throw new DatasetException(
                        inputs.get(0),
                        "found no DICOM, expected a folder or zip file of it where --series is given; leave --series out");
            }
            return new DicomInputs(null, inputs, Map.of());
        }
        Path workspace = Files.createTempDirectory("segformer3d-dicom-");
        try {
            List<Path> paths = new ArrayList<>();
            Map<String, DicomSeries> first = new LinkedHashMap<>();
            for (Path input : inputs) {
                if (dicom.contains(input)) {
                    Path own = Files.createDirectory(workspace.resolve(String.valueOf(paths.size())));
                    List<DicomSeries> found = DicomConverter.find(input).convert(input, own);
                    List<DicomSeries> chosen = chosen(input, found, series, channels);
                    paths.add(named(input, chosen, own));
                    first.put(DicomConverter.caseId(input), chosen.get(0));
                } else {
                    paths.add(input);
                }
            }
            return new DicomInputs(workspace, List.copyOf(paths), first);
        } catch (IOException | RuntimeException e) {
            AtomicFiles.deleteTree(workspace);
            throw e;
        }
    }

    private static List<DicomSeries> chosen(Path input, List<DicomSeries> found, List<String> series, int channels)
            throws DatasetException {
        if (series.isEmpty()) {
            if (found.size() == 1) {
                return found;
            }
            throw new DatasetException(
                    input,
                    "found " + found.size() + " series: " + DicomSeries.list(found) + "; choose "
                            + (channels == 1
                                    ? "one by --series NUMBER"
                                    : channels + " by --series NUMBER,NUMBER,… in channel order"));
        }
        List<DicomSeries> chosen = new ArrayList<>();
        for (String one : series) {
            chosen.add(DicomSeries.find(found, one)
                    .orElseThrow(() -> new DatasetException(
                            input, "found no series '" + one + "', expected one of " + DicomSeries.list(found))));
        }
        return chosen;
    }

    /** Gives the volumes the names by which the channels of a case are found. */
    private static Path named(Path input, List<DicomSeries> chosen, Path workspace) throws IOException {
        Path folder = Files.createDirectory(workspace.resolve("case"));
        String id = DicomConverter.caseId(input);
        if (chosen.size() == 1) {
            return Files.move(chosen.get(0).nifti(), folder.resolve(id + ".nii"));
        }
        for (int i = 0; i < chosen.size(); i++) {
            Files.copy(chosen.get(i).nifti(), folder.resolve(String.format(Locale.ROOT, "%s_%04d.nii", id, i)));
        }
        return folder;
    }

    /** Returns the inputs, DICOM replaced. */
    public List<Path> paths() {
        return paths;
    }

    /** Returns the series of which the cases' first channels were made, by case; their files are there until this is closed. */
    public Map<String, DicomSeries> series() {
        return series;
    }

    @Override
    public void close() throws IOException {
        if (workspace != null) {
            AtomicFiles.deleteTree(workspace);
        }
    }
}
