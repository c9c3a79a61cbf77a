package org.segformer3d.data.transform;

import java.util.Arrays;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;

/**
 * Rings edges as an MR image does whose high frequencies weren't measured: keeps the spatial frequencies within
 * (1 − α)·max(D,H,W)·√2/2 of the centre (n − 1)/2 of the shifted spectrum and returns the real part.
 *
 * @param alpha α from 0 (nearly nothing is lost) to 1 (all but the lowest frequencies)
 */
public record GibbsNoise(double alpha) implements Transform {
    /** Checks α. */
    public GibbsNoise {
        if (!(alpha >= 0 && alpha <= 1)) {
            throw ConfigException.of("gibbs alpha", alpha, "a number from 0 to 1");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        Grid size = sample.size();
        int voxels = sample.voxels();
        int plane = size.height() * size.width();
        Fourier[] transforms = {
            new Fourier(size.depth(), plane), new Fourier(size.height(), size.width()), new Fourier(size.width(), 1)
        };
        double[] re = new double[voxels];
        double[] im = new double[voxels];
        for (int c = 0; c < sample.channels(); c++) {
            for (int n = 0; n < voxels; n++) {
                re[n] = sample.image()[c * voxels + n];
            }
            Arrays.fill(im, 0);
            alongAxes(re, im, size, transforms, false);
            cutOff(re, im, size);
            alongAxes(re, im, size, transforms, true);
            for (int n = 0; n < voxels; n++) {
                sample.image()[c * voxels + n] = (float) re[n];
            }
        }
        return sample;
    }

    private static void alongAxes(double[] re, double[] im, Grid size, Fourier[] transforms, boolean inverse) {
        int[] block = {size.tokens(), size.height() * size.width(), size.width()};
        for (int axis = 0; axis < 3; axis++) {
            double[] blockRe = new double[block[axis]];
            double[] blockIm = new double[block[axis]];
            for (int from = 0; from < re.length; from += block[axis]) {
                System.arraycopy(re, from, blockRe, 0, block[axis]);
                System.arraycopy(im, from, blockIm, 0, block[axis]);
                if (inverse) {
                    transforms[axis].inverse(blockRe, blockIm);
                } else {
                    transforms[axis].forward(blockRe, blockIm);
                }
                System.arraycopy(blockRe, 0, re, from, block[axis]);
                System.arraycopy(blockIm, 0, im, from, block[axis]);
            }
        }
    }

    private void cutOff(double[] re, double[] im, Grid size) {
        double radius = (1 - alpha) * Math.max(size.depth(), Math.max(size.height(), size.width())) * Math.sqrt(2) / 2;
        double[][] squares = new double[3][];
        for (int axis = 0; axis < 3; axis++) {
            int n = size.size(axis);
            squares[axis] = new double[n];
            for (int k = 0; k < n; k++) {
                double offset = (k + n / 2) % n - (n - 1) / 2.0;
                squares[axis][k] = offset * offset;
            }
        }
        int at = 0;
        for (double d : squares[0]) {
            for (double h : squares[1]) {
                for (double w : squares[2]) {
                    if (Math.sqrt(d + h + w) > radius) {
                        re[at] = 0;
                        im[at] = 0;
                    }
                    at++;
                }
            }
        }
    }
}
