package org.segformer3d.eval.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class IntervalTests {
    @Test
    void isNearTheNormalOneForManyValues() {
        SplittableRandom random = new SplittableRandom(1);
        double[] values = random.doubles(400).toArray();
        Spread spread = Spread.of(values);
        double half = 1.96 * spread.std() / Math.sqrt(400);
        Interval interval = Interval.ofMean(values);
        assertThat(interval.low()).isCloseTo(spread.mean() - half, within(0.05 * half));
        assertThat(interval.high()).isCloseTo(spread.mean() + half, within(0.05 * half));
    }

    /** Of three values a sample's mean has ten possible values, the extremes with probability 1/27 each. */
    @Test
    void spansAllMeansThatAreLikelyEnough() {
        assertThat(Interval.ofMean(0, 3, 6)).isEqualTo(new Interval(0, 6));
    }

    @Test
    void isTheSameForTheSameValues() {
        assertThat(Interval.ofMean(0.1, 0.7, 0.4)).isEqualTo(Interval.ofMean(0.1, 0.7, 0.4));
    }

    @Test
    void leavesOutWhatIsNotDefined() {
        assertThat(Interval.ofMean(Double.NaN, 1, Double.NaN, 1)).isEqualTo(new Interval(1, 1));
    }

    @Test
    void isNotDefinedForFewerThanTwoValues() {
        assertThat(Interval.ofMean(1).low()).isNaN();
        assertThat(Interval.ofMean().high()).isNaN();
    }
}
