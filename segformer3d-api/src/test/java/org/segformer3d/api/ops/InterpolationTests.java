package org.segformer3d.api.ops;

import static org.assertj.core.api.Assertions.assertThat;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class InterpolationTests {
    @Test
    void keepsTheEdgesOrTheCorners() {
        // PyTorch's interpolate of [0, 1] to five
        assertThat(Interpolation.of(2, 5, false).upperWeight())
                .containsExactly(new double[] {0, 0.1, 0.5, 0.9, 0.3}, within());
        assertThat(Interpolation.of(2, 5, true).upperWeight())
                .containsExactly(new double[] {0, 0.25, 0.5, 0.75, 0}, within());
        assertThat(Interpolation.of(4, 1, true).lower()).containsExactly(0);
    }

    private static Offset<Double> within() {
        return Offset.offset(1e-12);
    }

    @Test
    void isAMatrixWhoseRowsAddUpToOne() {
        double[] matrix = Interpolation.of(3, 7, false).matrix().toDoubles();
        for (int i = 0; i < 7; i++) {
            assertThat(matrix[3 * i] + matrix[3 * i + 1] + matrix[3 * i + 2]).isEqualTo(1, Offset.offset(1e-12));
        }
    }
}
