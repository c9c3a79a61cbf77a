package org.segformer3d.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class QuickRunTests {
    @Test
    void theExponentOfAPowerIsFound() {
        List<double[]> points = List.of(point(64, 1.5), point(96, 1.5), point(160, 1.5));

        assertThat(QuickRun.slope(points)).isCloseTo(1.5, within(1e-12));
    }

    private static double[] point(double x, double exponent) {
        return new double[] {Math.log(x), Math.log(7 * Math.pow(x, exponent))};
    }
}
