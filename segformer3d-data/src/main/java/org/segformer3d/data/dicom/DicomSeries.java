package org.segformer3d.data.dicom;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A volume that was found in DICOM files.
 *
 * @param name what to choose it by: the series' number, followed by dcm2niix's own suffix where a series gives several volumes
 * @param uid the series' instance UID, empty where the files have none
 * @param modality for example CT or MR, empty where unknown
 * @param description the series' description, empty where there is none
 * @param nifti the converted volume, never {@code null}
 * @param files where its files are, among others': a folder or one file, never {@code null}
 */
public record DicomSeries(String name, String uid, String modality, String description, Path nifti, Path files) {
    /** Checks that nothing is missing. */
    public DicomSeries {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(uid, "uid");
        Objects.requireNonNull(modality, "modality");
        Objects.requireNonNull(description, "description");
        Objects.requireNonNull(nifti, "nifti");
        Objects.requireNonNull(files, "files");
    }

    /** Returns the one of these with a name or UID. */
    public static Optional<DicomSeries> find(List<DicomSeries> series, String nameOrUid) {
        return series.stream()
                .filter(one -> one.name().equals(nameOrUid) || one.uid().equals(nameOrUid))
                .findFirst();
    }

    /** Returns these in words, for a message: {@code 2 (MR, T1 axial), 3 (MR)}. */
    public static String list(List<DicomSeries> series) {
        return series.stream()
                .map(one -> {
                    String about = List.of(one.modality(), one.description()).stream()
                            .filter(text -> !text.isBlank())
                            .collect(Collectors.joining(", "));
                    return one.name() + (about.isEmpty() ? "" : " (" + about + ")");
                })
                .collect(Collectors.joining(", "));
    }
}
