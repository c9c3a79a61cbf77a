package org.segformer3d.backend.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Expected values have 20 digits and come from arithmetic with 40 (mpmath). */
class ErrorFunctionTests {
    @ParameterizedTest
    @CsvSource({
        "1e-20, 1.128379167095512512e-20, 1",
        "1e-8, 1.1283791670955125599e-8, 0.99999998871620832904",
        "0.1, 0.1124629160182848984, 0.8875370839817151016",
        "0.25, 0.27632639016823693299, 0.72367360983176306701",
        "0.46875, 0.49261347321793799159, 0.50738652678206200841",
        "0.5, 0.52049987781304653768, 0.47950012218695346232",
        "0.75, 0.7111556336535151316, 0.2888443663464848684",
        "1.0, 0.84270079294971486934, 0.15729920705028513066",
        "1.5, 0.96610514647531072707, 0.033894853524689272933",
        "2.0, 0.99532226501895273416, 0.0046777349810472658379",
        "2.5, 0.99959304798255504106, 0.00040695201744495893956",
        "3.0, 0.99997790950300141456, 0.000022090496998585441373",
        "4.0, 0.99999998458274209972, 1.5417257900280018852e-8",
        "4.5, 0.99999999980338395585, 1.9661604415428874763e-10",
        "5.0, 0.99999999999846254021, 1.5374597944280348502e-12",
        "6.0, 0.99999999999999997848, 2.1519736712498913117e-17",
        "10.0, 1.0, 2.088487583762544757e-45",
        "26.0, 1.0, 5.6631924088561428465e-296"
    })
    void agreeWithTabulatedValuesToTheLastDigits(double x, double erf, double erfc) {
        assertThat(ErrorFunction.erf(x)).isCloseTo(erf, within(4e-16 * erf));
        assertThat(ErrorFunction.erfc(x)).isCloseTo(erfc, within(8e-16 * erfc));
        assertThat(ErrorFunction.erf(-x)).isEqualTo(-ErrorFunction.erf(x));
        assertThat(ErrorFunction.erfc(-x)).isCloseTo(1 + erf, within(4e-16 * (1 + erf)));
    }

    @ParameterizedTest
    @CsvSource({
        "-8, -4.9767684594174272988e-15",
        "-3, -0.00404969409489028358",
        "-1, -0.15865525393145705141",
        "-0.5, -0.15426876936299344818",
        "0, 0",
        "0.25, 0.14967658142073093106",
        "1, 0.84134474606854294859",
        "2, 1.9544997361036415856",
        "6, 5.9999999940804741298"
    })
    void geluIsXTimesTheNormalDistribution(double x, double gelu) {
        // rounding −x/√2 changes the relative value of erfc by x² times as much
        double tolerance = 4e-16 * (1 + x * x) * Math.abs(gelu);
        assertThat(ErrorFunction.gelu(x)).isCloseTo(gelu, within(tolerance));
    }

    @Test
    void areContinuousWhereTheApproximationChanges() {
        for (double border : new double[] {0.46875, 4}) {
            double below = ErrorFunction.erfc(border);
            double above = ErrorFunction.erfc(Math.nextUp(border));
            assertThat(above).isCloseTo(below, within(1e-14 * below));
        }
    }

    @Test
    void handleTheEndsOfTheNumberLine() {
        assertThat(ErrorFunction.erf(Double.POSITIVE_INFINITY)).isEqualTo(1);
        assertThat(ErrorFunction.erf(Double.NEGATIVE_INFINITY)).isEqualTo(-1);
        assertThat(ErrorFunction.erfc(Double.POSITIVE_INFINITY)).isZero();
        assertThat(ErrorFunction.erfc(Double.NEGATIVE_INFINITY)).isEqualTo(2);
        assertThat(ErrorFunction.erf(Double.NaN)).isNaN();
        assertThat(ErrorFunction.erfc(Double.NaN)).isNaN();
        assertThat(ErrorFunction.gelu(-1e3)).isZero();
        assertThat(ErrorFunction.gelu(1e3)).isEqualTo(1e3);
    }
}
