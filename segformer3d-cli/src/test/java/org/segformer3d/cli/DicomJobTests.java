package org.segformer3d.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.segformer3d.data.dataset.DatasetException;
import org.segformer3d.data.dicom.DicomConverter;
import org.segformer3d.data.dicom.DicomSegmentation;
import org.segformer3d.data.nifti.NiftiReader;
import org.segformer3d.data.volume.Volume;

/** Series 2 and 7 of six 12×10 slices each, made up, through the command line. */
class DicomJobTests {
    @TempDir
    Path folder;

    private Path zip;

    @BeforeEach
    void unpack() throws IOException {
        zip = folder.resolve("patient.zip");
        try (InputStream in = DicomJobTests.class.getResourceAsStream("two-series.zip")) {
            Files.copy(in, zip);
        }
        try {
            DicomConverter.find(zip);
        } catch (DatasetException e) {
            assumeThat(false).as("dcm2niix is installed").isTrue();
        }
    }

    @Test
    void seriesAreListed() throws IOException {
        Run run = Run.of("dicom", zip);
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out().lines())
                .hasSize(4)
                .anyMatch(line ->
                        line.contains("2  CT") && line.contains("0.75 × 1.5 × 2") && line.contains("scout head"))
                .anyMatch(line -> line.contains("7  CT") && line.contains("10×12×6") && line.contains("thin slices"));
        assertThat(Run.of("dicom", zip, "--json").out()).contains("\"series\" : \"7\"");
    }

    @Test
    void theChosenSeriesIsSegmentedWhereItLies() throws IOException {
        Path output = folder.resolve("out");
        Run run = predict(output, "--series", "7");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        Volume labels = NiftiReader.read(output.resolve("patient.nii.gz"));
        assertThat(labels.geometry().size().toString()).isEqualTo("10×12×6");
        assertThat(labels.geometry().spacing()).containsExactly(0.75, 1.5, 2);
        double[] corner = labels.geometry().affine().apply(0, 11, 0);
        assertThat(corner).containsExactly(4, 8, 2);
    }

    @Test
    void theLabelsComeBackAsDicomSegToo() throws IOException {
        try {
            DicomSegmentation.find(zip);
        } catch (DatasetException e) {
            assumeThat(false).as("dcmqi is installed").isTrue();
        }
        Path output = folder.resolve("out");
        Path made = output.resolve("patient.seg.dcm");
        Run run = predict(
                output,
                "--series",
                "7",
                "--dicom-seg",
                "--dicom-code",
                "class 1=SCT:78961009:Spleen",
                "--dicom-code",
                "class 2=SCT:78961009:Spleen");
        assertThat(run.err()).isEmpty();
        assertThat(run.code()).isZero();
        assertThat(run.out()).contains("patient.seg.dcm  ").contains("class ");
        // the segmentation's class, and the code that was given
        assertThat(Files.readString(made, StandardCharsets.ISO_8859_1))
                .contains("1.2.840.10008.5.1.4.1.1.66.4", "78961009", "1.2.826.0.1.3680043.10.1000.7");
        Files.delete(made);
        Run again = predict(output, "--series", "7", "--dicom-seg", "--continue", "--json");
        assertThat(again.code()).isZero();
        assertThat(again.out()).contains("\"dicom_seg\" : [ \"" + made + "\" ]").contains("\"written\" : [ ]");
        assertThat(made).exists();
    }

    @Test
    void aDicomSegNeedsASeriesToReferTo() throws IOException {
        Path scan = Files.write(folder.resolve("scan.nii"), new byte[10]);
        Run run = predictFrom(scan, folder.resolve("out"), "--dicom-seg");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).hasLineCount(1).contains("found no DICOM, expected it where --dicom-seg is given");
        Run code = predict(folder.resolve("out"), "--dicom-code", "a=SCT:1:b");
        assertThat(code.code()).isEqualTo(2);
        assertThat(code.err()).contains("--dicom-code is of use with --dicom-seg only");
        Run wrong = predict(folder.resolve("out"), "--dicom-seg", "--dicom-code", "a=SCT:1:b");
        assertThat(wrong.code()).isEqualTo(2);
        assertThat(wrong.err()).contains("--dicom-code: code of a class: found 'a'");
        assertThat(folder.resolve("out")).doesNotExist();
    }

    @Test
    void severalSeriesAreNotGuessedFrom() throws IOException {
        Path output = folder.resolve("out");
        Run none = predict(output);
        assertThat(none.code()).isEqualTo(1);
        assertThat(none.err())
                .hasLineCount(1)
                .contains("found 2 series: 2 (CT, scout head), 7 (CT, thin slices); choose one by --series NUMBER");
        Run other = predict(output, "--series", "3");
        assertThat(other.code()).isEqualTo(1);
        assertThat(other.err()).hasLineCount(1).contains("found no series '3', expected one of 2 (CT");
        assertThat(output).doesNotExist();
    }

    @Test
    void nothingIsLeftInTheTemporaryFolder() throws IOException {
        predict(folder.resolve("out"), "--series", "3");
        Run.of("dicom", zip);
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("segformer3d-dicom-"))
                            .filter(file ->
                                    file.toFile().lastModified() > zip.toFile().lastModified()))
                    .isEmpty();
        }
    }

    @Test
    void aSeriesIsOnlyChosenFromDicom() throws IOException {
        Path scan = Files.write(folder.resolve("scan.nii"), new byte[10]);
        Run run = predictFrom(scan, folder.resolve("out"), "--series", "1");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).hasLineCount(1).contains("found no DICOM");
    }

    private Run predict(Path output, Object... options) throws IOException {
        return predictFrom(zip, output, options);
    }

    private Run predictFrom(Path input, Path output, Object... options) throws IOException {
        return Run.with(
                List.of(
                        "predict",
                        "--config",
                        TinyModel.configFile(folder),
                        "--weights",
                        TinyModel.weightsFile(folder),
                        "--input",
                        input,
                        "--roi",
                        "16,16,16",
                        "--output",
                        output,
                        "--quiet"),
                options);
    }
}
