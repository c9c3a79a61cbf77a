package org.segformer3d.data.transform;

/**
 * The discrete Fourier transform of lines of one length, X(k) = Σ x(j)·exp(−2πi·jk/n), by Stockham's self-sorting algorithm for any
 * factorisation of n; a prime factor p costs O(n·p).
 *
 * <p>One thread at a time.
 */
final class Fourier {
    private final int n;
    private final double[] cos;
    private final double[] sin;
    private final double[] otherRe;
    private final double[] otherIm;

    Fourier(int n) {
        this.n = n;
        this.cos = new double[n];
        this.sin = new double[n];
        this.otherRe = new double[n];
        this.otherIm = new double[n];
        for (int k = 0; k < n; k++) {
            cos[k] = Math.cos(2 * Math.PI * k / n);
            sin[k] = -Math.sin(2 * Math.PI * k / n);
        }
    }

    /** Transforms a line in place. */
    void forward(double[] re, double[] im) {
        double[] xr = re;
        double[] xi = im;
        double[] yr = otherRe;
        double[] yi = otherIm;
        int stride = 1;
        for (int rest = n; rest > 1; ) {
            int radix = smallestFactor(rest);
            int m = rest / radix;
            for (int q = 0; q < m; q++) {
                for (int k = 0; k < radix; k++) {
                    int twiddle = q * k * stride % n;
                    for (int t = 0; t < stride; t++) {
                        double sumRe = 0;
                        double sumIm = 0;
                        for (int j = 0; j < radix; j++) {
                            int at = t + stride * (q + m * j);
                            int w = j * k % radix * (n / radix);
                            sumRe += xr[at] * cos[w] - xi[at] * sin[w];
                            sumIm += xr[at] * sin[w] + xi[at] * cos[w];
                        }
                        int to = t + stride * (radix * q + k);
                        yr[to] = sumRe * cos[twiddle] - sumIm * sin[twiddle];
                        yi[to] = sumRe * sin[twiddle] + sumIm * cos[twiddle];
                    }
                }
            }
            double[] swap = xr;
            xr = yr;
            yr = swap;
            swap = xi;
            xi = yi;
            yi = swap;
            stride *= radix;
            rest = m;
        }
        if (xr != re) {
            System.arraycopy(xr, 0, re, 0, n);
            System.arraycopy(xi, 0, im, 0, n);
        }
    }

    /** Undoes {@link #forward} in place. */
    void inverse(double[] re, double[] im) {
        // The inverse is the forward transform with real and imaginary part exchanged, over n.
        forward(im, re);
        for (int k = 0; k < n; k++) {
            re[k] /= n;
            im[k] /= n;
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
