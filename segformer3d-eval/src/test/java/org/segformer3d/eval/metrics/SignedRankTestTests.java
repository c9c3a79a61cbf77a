package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Expected values from SciPy 1.17.1's {@code wilcoxon}, and for ties from all 2ⁿ signs counted one by one. */
class SignedRankTestTests {
    @Test
    void isExactForFewPairs() {
        SignedRankTest test = SignedRankTest.of(0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01);
        assertThat(test.statistic()).isEqualTo(5);
        assertThat(test.p()).isEqualTo(0.0390625, within(1e-12));
        assertThat(test.pairs()).isEqualTo(9);
    }

    @Test
    void isExactAlsoWithTiesAndLeavesZerosOut() {
        SignedRankTest test = SignedRankTest.of(1, -1, 2, 2, -3, 4, 0, 5, 0.5, Double.NaN);
        assertThat(test.statistic()).isEqualTo(8.5);
        assertThat(test.p()).isEqualTo(0.2109375, within(1e-12));
        assertThat(test.pairs()).isEqualTo(8);
    }

    @Test
    void approximatesForManyPairs() {
        SignedRankTest third = SignedRankTest.of(many(3));
        assertThat(third.statistic()).isEqualTo(3769.5);
        assertThat(third.p()).isEqualTo(0.0003840307859380659, within(1e-12));
        SignedRankTest half = SignedRankTest.of(many(2));
        assertThat(half.statistic()).isEqualTo(5553.5);
        assertThat(half.p()).isEqualTo(0.838686273420666, within(1e-12));
    }

    /** 150 differences with ties, every n-th of them negative. */
    private static double[] many(int n) {
        double[] differences = new double[150];
        for (int i = 1; i <= differences.length; i++) {
            differences[i - 1] = (i % n == 0 ? -1 : 1) * (i * 7919 % 101 / 10.0 + 0.1);
        }
        return differences;
    }

    @Test
    void findsNothingWhereNothingDiffers() {
        assertThat(SignedRankTest.of(0, 0, 0).p()).isEqualTo(1);
        assertThat(SignedRankTest.of(1, -1).p()).isEqualTo(1);
    }
}
