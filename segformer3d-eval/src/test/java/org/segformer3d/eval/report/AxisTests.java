package org.segformer3d.eval.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class AxisTests {
    @Test
    void hasRoundTicksAroundTheNumbers() {
        Axis axis = Axis.of(0.741, 1, 0, 100, 5);
        assertThat(axis.ticks().stream().map(axis::label)).containsExactly("0.7", "0.8", "0.9", "1.0");
        assertThat(axis.at(0.7)).isEqualTo(0, within(1e-9));
        assertThat(axis.at(1)).isEqualTo(100, within(1e-9));
    }

    @Test
    void writesSmallNumbersWithAPower() {
        Axis axis = Axis.of(0, 0.0006, 0, 100, 4);
        assertThat(axis.ticks().stream().map(axis::label)).containsExactly("0", "2.0e-4", "4.0e-4", "6.0e-4");
    }

    @Test
    void holdsASingleNumber() {
        Axis axis = Axis.of(5, 5, 0, 100, 4);
        assertThat(axis.at(5)).isBetween(0.0, 100.0);
        assertThat(axis.ticks()).hasSizeGreaterThan(1);
    }
}
