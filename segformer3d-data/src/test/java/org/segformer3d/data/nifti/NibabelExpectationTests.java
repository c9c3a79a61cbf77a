package org.segformer3d.data.nifti;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Affine;
import org.segformer3d.data.volume.Volume;
import org.segformer3d.data.volume.VolumeFormatException;

/** The odd files of other readers' test suites, against a table of what nibabel makes of them. */
class NibabelExpectationTests {
    private static final Path FILES = Path.of(System.getProperty("segformer3d.shared", "../shared"), "data", "nifti");

    static List<String> rows() throws IOException {
        try (InputStream in = NibabelExpectationTests.class.getResourceAsStream("nibabel-expectations.tsv")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .toList();
        }
    }

    @BeforeEach
    void needsTheFiles() {
        Assumptions.assumeTrue(Files.isDirectory(FILES), "no shared data here");
    }

    @ParameterizedTest
    @MethodSource("rows")
    void isReadOrRefusedAsExpected(String row) throws IOException {
        String[] fields = row.split("\t");
        Path file = FILES.resolve(fields[0]);
        if (fields[1].equals("refused")) {
            assertThatThrownBy(() -> NiftiReader.read(file))
                    .isInstanceOf(VolumeFormatException.class)
                    .hasMessageContaining(fields[2]);
            return;
        }
        Volume volume = NiftiReader.read(file);
        Grid size = volume.geometry().size();
        assertThat(volume.channels() + "x" + size.toString().replace('×', 'x')).isEqualTo(fields[1]);
        assertThat(NiftiReader.readHeader(file).type()).hasToString(fields[2]);
        Affine expected = Affine.ofRows(numbers(fields[3]));
        assertThat(volume.geometry().affine().isCloseTo(expected, 1e-9))
                .as(volume.geometry().affine() + " is " + expected)
                .isTrue();
        assertThat(volume.geometry().spacing()).containsExactly(numbers(fields[4]), within(1e-6));
        assertThat(volume.geometry().orientationCodes()).isEqualTo(fields[5]);
        double[] statistics = statistics(volume);
        double deviation = Double.parseDouble(fields[9]);
        for (int n = 0; n < statistics.length; n++) {
            double value = Double.parseDouble(fields[6 + n]);
            // The extremes are exact; sums over millions of values differ in the last digits.
            Offset<Double> offset = n == 1 || n == 2 || Double.isNaN(value)
                    ? within(0.0)
                    : within(1e-9 * Math.max(Math.abs(value), deviation));
            if (Double.isNaN(value)) {
                assertThat(statistics[n]).isNaN();
            } else {
                assertThat(statistics[n]).isCloseTo((n == 1 || n == 2) ? (float) value : value, offset);
            }
        }
    }

    private static double[] numbers(String text) {
        return Arrays.stream(text.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }

    /** Returns mean, minimum, maximum, standard deviation and a sum that depends on every value's position in the file. */
    private static double[] statistics(Volume volume) {
        Grid size = volume.geometry().size();
        double sum = 0;
        double weighted = 0;
        double min = Double.POSITIVE_INFINITY;
        double max = Double.NEGATIVE_INFINITY;
        int position = 0;
        for (int c = 0; c < volume.channels(); c++) {
            for (int k = 0; k < size.width(); k++) {
                for (int j = 0; j < size.height(); j++) {
                    for (int i = 0; i < size.depth(); i++) {
                        double value = volume.get(c, i, j, k);
                        sum += value;
                        weighted += value * (1 + position++ % 1009);
                        min = Math.min(min, value);
                        max = Math.max(max, value);
                    }
                }
            }
        }
        double mean = sum / volume.values().length;
        double squares = 0;
        for (float value : volume.values()) {
            squares += (value - mean) * (value - mean);
        }
        return new double[] {mean, min, max, Math.sqrt(squares / volume.values().length), weighted};
    }
}
