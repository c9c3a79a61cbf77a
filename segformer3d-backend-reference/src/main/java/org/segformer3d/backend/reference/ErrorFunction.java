package org.segformer3d.backend.reference;

/**
 * The error function erf x = 2/√π ∫₀ˣ exp(−t²) dt and its complement, to about 1e-16 relative.
 *
 * <p>Rational minimax approximations on three intervals from W. J. Cody, "Rational Chebyshev approximations for the error function",
 * Mathematics of Computation 23 (1969), 631–637. Beyond the first interval the complement is approximated, so that it keeps its
 * relative accuracy where it is tiny.
 */
final class ErrorFunction {
    private static final double ONE_OVER_SQRT_PI = 0.56418958354775628695;

    // |x| ≤ 0.46875: erf x = x · A(x²)/B(x²), lowest coefficients last
    private static final double[] A = {
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3
    };
    private static final double[] B = {
        1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3
    };

    // 0.46875 < x ≤ 4: erfc x = exp(−x²) · C(x)/D(x)
    private static final double[] C = {
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3
    };
    private static final double[] D = {
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3
    };

    // x > 4: erfc x = exp(−x²)/x · (1/√π − P(1/x²)/(x² Q(1/x²)))
    private static final double[] P = {
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4
    };
    private static final double[] Q = {
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3
    };

    private ErrorFunction() {}

    /** Returns erf x. */
    static double erf(double x) {
        double y = Math.abs(x);
        if (y <= 0.46875) {
            return x * polynomial(A, x * x) / polynomial(B, x * x);
        }
        return Math.copySign(1 - complement(y), x);
    }

    /** Returns erfc x = 1 − erf x. */
    static double erfc(double x) {
        double y = Math.abs(x);
        if (y <= 0.46875) {
            return 1 - erf(x);
        }
        return x > 0 ? complement(y) : 2 - complement(y);
    }

    /** Returns GELU x = x·Φ(x) with the normal distribution Φ(x) = erfc(−x/√2)/2. */
    static double gelu(double x) {
        return 0.5 * x * erfc(-x * Math.sqrt(0.5));
    }

    private static double complement(double y) {
        if (Double.isNaN(y)) {
            return y;
        }
        if (y > 27) {
            return 0; // below the smallest double
        }
        double factor;
        if (y <= 4) {
            factor = polynomial(C, y) / polynomial(D, y);
        } else {
            double z = 1 / (y * y);
            factor = (ONE_OVER_SQRT_PI - z * polynomial(P, z) / polynomial(Q, z)) / y;
        }
        // exp(−y²) in two parts: the square of a multiple of 1/16 is exact, so its rounding doesn't blow up
        double coarse = Math.floor(y * 16) / 16;
        return Math.exp(-coarse * coarse) * Math.exp(-(y - coarse) * (y + coarse)) * factor;
    }

    private static double polynomial(double[] coefficients, double x) {
        double sum = coefficients[0];
        for (int i = 1; i < coefficients.length; i++) {
            sum = sum * x + coefficients[i];
        }
        return sum;
    }
}
