package org.segformer3d.data.transform;

/**
 * The discrete Fourier transform X(k) = Σ x(j)·exp(−2πi·jk/n) along the first axis of arrays (n, inner), by Stockham's self-sorting
 * algorithm for any factorisation of n; a prime factor p costs O(n·p).
 *
 * <p>The algorithm works on runs of equal twiddle factor that grow with each stage. Starting them at {@code inner} transforms all
 * columns at once with contiguous inner loops, without gathering lines.
 *
 * <p>One thread at a time.
 */
final class Fourier {
    private final int n;
    private final int inner;
    private final double[] cos;
    private final double[] sin;
    private final double[] otherRe;
    private final double[] otherIm;

    Fourier(int n, int inner) {
        this.n = n;
        this.inner = inner;
        this.cos = new double[n];
        this.sin = new double[n];
        this.otherRe = new double[n * inner];
        this.otherIm = new double[n * inner];
        for (int k = 0; k < n; k++) {
            cos[k] = Math.cos(2 * Math.PI * k / n);
            sin[k] = -Math.sin(2 * Math.PI * k / n);
        }
    }

    /** Transforms n·inner values in place. */
    void forward(double[] re, double[] im) {
        double[] xr = re;
        double[] xi = im;
        double[] yr = otherRe;
        double[] yi = otherIm;
        int done = 1;
        for (int rest = n; rest > 1; ) {
            int radix = smallestFactor(rest);
            int m = rest / radix;
            int run = done * inner;
            for (int q = 0; q < m; q++) {
                if (radix == 2) {
                    int twiddle = q * done;
                    two(xr, xi, yr, yi, run * q, run * m, run * 2 * q, run, cos[twiddle], sin[twiddle]);
                } else {
                    for (int k = 0; k < radix; k++) {
                        any(xr, xi, yr, yi, run * q, run * m, run * (radix * q + k), run, radix, k, q * done);
                    }
                }
            }
            double[] swap = xr;
            xr = yr;
            yr = swap;
            swap = xi;
            xi = yi;
            yi = swap;
            done *= radix;
            rest = m;
        }
        if (xr != re) {
            System.arraycopy(xr, 0, re, 0, n * inner);
            System.arraycopy(xi, 0, im, 0, n * inner);
        }
    }

    /** Sum and twiddled difference of two runs. */
    private static void two(
            double[] xr,
            double[] xi,
            double[] yr,
            double[] yi,
            int from,
            int gap,
            int to,
            int run,
            double c,
            double s) {
        for (int t = 0; t < run; t++) {
            double re = xr[from + t] - xr[from + gap + t];
            double im = xi[from + t] - xi[from + gap + t];
            yr[to + t] = xr[from + t] + xr[from + gap + t];
            yi[to + t] = xi[from + t] + xi[from + gap + t];
            yr[to + run + t] = re * c - im * s;
            yi[to + run + t] = re * s + im * c;
        }
    }

    /** Output k of a butterfly of any radix: Σ_j x_j · w_radix^(jk) · w_n^(twiddle·k). */
    private void any(
            double[] xr,
            double[] xi,
            double[] yr,
            double[] yi,
            int from,
            int gap,
            int to,
            int run,
            int radix,
            int k,
            int twiddle) {
        for (int j = 0; j < radix; j++) {
            int w = (int) (((long) j * k * (n / radix) + (long) twiddle * k) % n);
            double c = cos[w];
            double s = sin[w];
            int at = from + gap * j;
            if (j == 0) {
                for (int t = 0; t < run; t++) {
                    yr[to + t] = xr[at + t] * c - xi[at + t] * s;
                    yi[to + t] = xr[at + t] * s + xi[at + t] * c;
                }
                continue;
            }
            for (int t = 0; t < run; t++) {
                yr[to + t] += xr[at + t] * c - xi[at + t] * s;
                yi[to + t] += xr[at + t] * s + xi[at + t] * c;
            }
        }
    }

    /** Undoes {@link #forward} in place. */
    void inverse(double[] re, double[] im) {
        // The inverse is the forward transform with real and imaginary part exchanged, over n.
        forward(im, re);
        double factor = 1.0 / n;
        for (int k = 0; k < n * inner; k++) {
            re[k] *= factor;
            im[k] *= factor;
        }
    }

    private static int smallestFactor(int n) {
        for (int p = 2; p * p <= n; p++) {
            if (n % p == 0) {
                return p;
            }
        }
        return n;
    }
}
