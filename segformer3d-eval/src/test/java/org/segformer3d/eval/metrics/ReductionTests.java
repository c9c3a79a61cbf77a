package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class ReductionTests {
    private static final double NAN = Double.NaN;

    @Test
    void leaves_out_what_is_not_defined() {
        double[][] values = {{1, NAN, 0.5}, {NAN, NAN, NAN}, {0, NAN, 0.5}};
        assertThat(Reduction.MEAN.of(values)).containsExactly(0.5);
        assertThat(Reduction.SUM.of(values)).containsExactly(2);
        assertThat(Reduction.MEAN_BATCH.of(values)).containsExactly(0.5, 0, 0.5);
        assertThat(Reduction.SUM_BATCH.of(values)).containsExactly(1, 0, 1);
        assertThat(Reduction.MEAN_CHANNEL.of(values)).containsExactly(0.75, 0, 0.25);
        assertThat(Reduction.SUM_CHANNEL.of(values)).containsExactly(1.5, 0, 0.5);
    }

    @Test
    void refuses_ragged_rows() {
        assertThatIllegalArgumentException().isThrownBy(() -> Reduction.SUM.of(new double[1], new double[2]));
        assertThatIllegalArgumentException().isThrownBy(() -> Reduction.SUM.of());
    }
}
