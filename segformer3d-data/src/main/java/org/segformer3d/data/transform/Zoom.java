package org.segformer3d.data.transform;

import java.util.Arrays;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Resampler;

/**
 * Enlarges or shrinks about the centre, keeping the size: resamples an axis of n voxels to ⌊n·factor⌋ and cuts out the middle, or
 * repeats the border.
 *
 * <p>The image is interpolated linearly between the two nearest voxels of each axis, also where it shrinks, which skips voxels rather
 * than averaging them; labels go by the largest interpolated mask.
 *
 * @param factor above 1 to enlarge
 */
public record Zoom(double factor) implements Transform {
    /** Checks the factor. */
    public Zoom {
        if (!(factor > 0 && factor < 100)) {
            throw ConfigException.of("zoom factor", factor, "a number above 0 and below 100");
        }
    }

    @Override
    public Sample apply(Sample sample) {
        Grid size = sample.size();
        Grid zoomed = new Grid(zoomed(size.depth()), zoomed(size.height()), zoomed(size.width()));
        Resampler resampler = new Resampler(size, zoomed, Interpolation.LINEAR);
        int[] source = middle(size, zoomed);
        int voxels = sample.voxels();
        float[] image = new float[sample.image().length];
        for (int c = 0; c < sample.channels(); c++) {
            float[] channel = Arrays.copyOfRange(sample.image(), c * voxels, (c + 1) * voxels);
            channel = resized(channel, size.depth() * size.height(), size.width(), 1, zoomed.width());
            channel = resized(channel, size.depth(), size.height(), zoomed.width(), zoomed.height());
            channel = resized(channel, 1, size.depth(), zoomed.height() * zoomed.width(), zoomed.depth());
            for (int n = 0; n < voxels; n++) {
                image[c * voxels + n] = channel[source[n]];
            }
        }
        short[] zoomedLabel = resampler.applyLabels(sample.label());
        short[] label = new short[voxels];
        for (int n = 0; n < voxels; n++) {
            label[n] = zoomedLabel[source[n]];
        }
        return new Sample(image, sample.channels(), label, size);
    }

    /** Resamples the middle axis of an array (outer, n, inner) to m voxels: output o lies at (o + ½)·n/m − ½. */
    private static float[] resized(float[] in, int outer, int n, int inner, int m) {
        float[] out = new float[outer * m * inner];
        for (int o = 0; o < m; o++) {
            double position = Math.max(0, (o + 0.5) * n / m - 0.5);
            int below = Math.min(n - 1, (int) position);
            int above = Math.min(n - 1, below + 1);
            float share = (float) (position - below);
            for (int a = 0; a < outer; a++) {
                int to = (a * m + o) * inner;
                int low = (a * n + below) * inner;
                int high = (a * n + above) * inner;
                for (int i = 0; i < inner; i++) {
                    out[to + i] = (1 - share) * in[low + i] + share * in[high + i];
                }
            }
        }
        return out;
    }

    private int zoomed(int n) {
        return Math.max(1, (int) Math.floor(n * factor));
    }

    /** Returns for each voxel of the result the voxel of the zoomed grid it shows. */
    private static int[] middle(Grid size, Grid zoomed) {
        int[][] along = new int[3][];
        for (int axis = 0; axis < 3; axis++) {
            int n = size.size(axis);
            int m = zoomed.size(axis);
            // Cut about voxel m / 2, as MONAI does: one voxel later than halving m - n where m is even and n odd.
            int start = m < n ? -((n - m) / 2) : m / 2 - n / 2;
            along[axis] = new int[n];
            for (int i = 0; i < n; i++) {
                along[axis][i] = Math.max(0, Math.min(m - 1, i + start));
            }
        }
        int[] source = new int[size.tokens()];
        int at = 0;
        for (int d : along[0]) {
            for (int h : along[1]) {
                for (int w : along[2]) {
                    source[at++] = (d * zoomed.height() + h) * zoomed.width() + w;
                }
            }
        }
        return source;
    }
}
