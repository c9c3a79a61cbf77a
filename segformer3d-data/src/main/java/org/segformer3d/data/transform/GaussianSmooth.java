package org.segformer3d.data.transform;

import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;

/**
 * Smooths the image with a Gaussian whose weights are integrals over each voxel: w(i) = Φ((i+½)/σ) − Φ((i−½)/σ), cut off at 4σ; beyond
 * the border the image is 0.
 *
 * @param sigma standard deviation in voxels, positive
 */
public record GaussianSmooth(double sigma) implements Transform {
    /** Checks σ. */
    public GaussianSmooth {
        if (!(sigma > 0 && sigma <= 100)) {
            throw ConfigException.of("sigma", sigma, "a number of voxels above 0 and up to 100");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        float[] weights = weights();
        Grid size = sample.size();
        int planes = sample.channels() * size.depth();
        float[] image = sample.image();
        float[] other = new float[image.length];
        convolve(image, other, planes * size.height(), size.width(), 1, weights);
        convolve(other, image, planes, size.height(), size.width(), weights);
        convolve(image, other, sample.channels(), size.depth(), size.height() * size.width(), weights);
        return new Sample(other, sample.channels(), sample.label(), size);
    }

    private float[] weights() {
        int reach = (int) (Math.max(4 * sigma, 0.5) + 0.5);
        float[] weights = new float[2 * reach + 1];
        double t = 1 / (Math.sqrt(2) * sigma);
        for (int i = -reach; i <= reach; i++) {
            weights[i + reach] = (float) (0.5 * (erf((i + 0.5) * t) - erf((i - 0.5) * t)));
        }
        return weights;
    }

    /** Convolves the middle axis of an array (outer, count, inner). */
    private static void convolve(float[] in, float[] out, int outer, int count, int inner, float[] weights) {
        int reach = weights.length / 2;
        for (int a = 0; a < outer; a++) {
            for (int o = 0; o < count; o++) {
                int first = Math.max(0, o - reach);
                int last = Math.min(count - 1, o + reach);
                int to = (a * count + o) * inner;
                if (inner == 1) {
                    float sum = 0;
                    for (int i = first; i <= last; i++) {
                        sum += weights[i - o + reach] * in[a * count + i];
                    }
                    out[to] = sum;
                    continue;
                }
                for (int n = 0; n < inner; n++) {
                    out[to + n] = 0;
                }
                for (int i = first; i <= last; i++) {
                    float weight = weights[i - o + reach];
                    int from = (a * count + i) * inner;
                    for (int n = 0; n < inner; n++) {
                        out[to + n] += weight * in[from + n];
                    }
                }
            }
        }
    }

    /** The error function to about 1e-15: its Taylor series near 0, the continued fraction of its complement (Lentz) elsewhere. */
    static double erf(double x) {
        double a = Math.abs(x);
        if (a > 6) {
            return Math.signum(x);
        }
        if (a < 2.5) {
            double term = x;
            double sum = x;
            for (int n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
                term *= -x * x / n;
                sum += term / (2 * n + 1);
            }
            return sum * 2 / Math.sqrt(Math.PI);
        }
        // erfc(a) = exp(−a²)/√π · 1/(a + ½/(a + 1/(a + 3/2/(a + …))))
        double fraction = a;
        for (int n = 60; n >= 1; n--) {
            fraction = a + n / 2.0 / fraction;
        }
        return Math.signum(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * fraction));
    }
}
