package org.segformer3d.cli.option;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dicom.DicomConverter;
import org.segformer3d.data.dicom.DicomSegment;
import org.segformer3d.data.dicom.DicomSegmentation;
import org.segformer3d.data.dicom.DicomSeries;
import org.segformer3d.data.format.VolumeFiles;
import org.segformer3d.eval.bundle.ModelBundle;
import org.segformer3d.eval.inference.PredictionOutput;
import org.segformer3d.eval.inference.PredictionReport;
import org.segformer3d.eval.result.CaseFailure;

/** Turns the label maps of DICOM inputs into DICOM-SEG beside them. */
public final class DicomSegmentations {
    private final DicomSegmentation writer;
    private final List<DicomSegment> segments;
    private final String algorithm;
    private final List<Path> written = new ArrayList<>();

    private DicomSegmentations(DicomSegmentation writer, List<DicomSegment> segments, String algorithm) {
        this.writer = writer;
        this.segments = segments;
        this.algorithm = algorithm;
    }

    /**
     * Checks, before anything long is started, that they can be made.
     *
     * @param inputs files and folders
     * @param bundle the model
     * @param codes what classes are, see {@link DicomSegment#of}
     * @throws DatasetException when an input isn't DICOM or the program that makes them is missing
     * @throws org.segformer3d.api.config.ConfigException when a code is wrong
     */
    public static DicomSegmentations prepare(List<Path> inputs, ModelBundle bundle, Map<String, String> codes)
            throws IOException {
        List<DicomSegment> segments = DicomSegment.of(bundle.labels(), codes);
        for (Path input : inputs) {
            if (!DicomConverter.isDicom(input)) {
                throw new DatasetException(
                        input,
                        "found no DICOM, expected it where --dicom-seg is given: a DICOM-SEG refers to a series");
            }
        }
        return new DicomSegmentations(DicomSegmentation.find(inputs.get(0)), segments, bundle.name());
    }

    /**
     * Writes one for each case that was segmented, and for each that was done before and lacks one.
     *
     * @param inputs what the cases were made of
     * @param report of the prediction
     * @param output where the labels are
     * @param told a line for each
     * @return the report, a case whose DICOM-SEG couldn't be written counted as failed
     */
    public PredictionReport write(
            DicomInputs inputs, PredictionReport report, PredictionOutput output, Consumer<? super String> told) {
        List<CaseFailure> failures = new ArrayList<>(report.failures());
        for (Map.Entry<String, DicomSeries> one : inputs.series().entrySet()) {
            Path labels = output.labelFile(one.getKey());
            Path target = output.folder().resolve(one.getKey() + ".seg.dcm");
            if (!report.written().contains(labels) && !(report.skipped().contains(labels) && !Files.exists(target))) {
                continue;
            }
            try {
                List<String> names =
                        writer.write(VolumeFiles.read(labels), one.getValue(), segments, algorithm, target);
                if (names.isEmpty()) {
                    told.accept(labels + ": nothing was segmented, so there is no DICOM-SEG");
                } else {
                    written.add(target);
                    told.accept(target + "  " + names.size() + (names.size() == 1 ? " segment: " : " segments: ")
                            + String.join(", ", names));
                }
            } catch (IOException | RuntimeException e) {
                failures.add(CaseFailure.of(one.getKey(), e));
            }
        }
        return new PredictionReport(report.written(), report.skipped(), failures);
    }

    /** Returns the files written so far. */
    public List<Path> written() {
        return List.copyOf(written);
    }
}
