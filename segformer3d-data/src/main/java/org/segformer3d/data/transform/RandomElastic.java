package org.segformer3d.data.transform;

import java.util.Objects;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;

/**
 * Bends image and label by a smooth random field: output voxel o takes the value at o + u(o), trilinearly; labels take the nearest
 * voxel.
 *
 * <p>Each component of u is a cubic B-spline u(o) = Σₖ βₖ·B₃(o/s − k) over control points s voxels apart, with βₖ uniform in ±m and m
 * uniform in 0 … max. As max is at most 0.4·s, nothing folds (cubic B-splines are injective below about 0.4 control spacings).
 *
 * @param probability from 0 to 1
 * @param spacing s, distance of the control points in voxels, ≥ 2
 * @param max largest displacement of a control point in voxels, from 0 to 0.4·s
 * @param padding what comes in from beyond the border
 */
public record RandomElastic(double probability, int spacing, double max, Padding padding) implements RandomTransform {
    /** Control points that act on a voxel along an axis. */
    private static final int TAPS = 4;

    /** Checks the arguments. */
    public RandomElastic {
        Draw.requireProbability("elastic", probability);
        Objects.requireNonNull(padding, "padding");
        if (spacing < 2) {
            throw ConfigException.of("elastic.spacing", spacing, "at least 2 voxels");
        }
        if (!(max >= 0 && max <= 0.4 * spacing)) {
            throw ConfigException.of(
                    "elastic.max",
                    max,
                    "voxels from 0 to 0.4 times the spacing of " + spacing + ", so that nothing folds");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        Grid size = sample.size();
        double amplitude = Draw.between(random, 0, max);
        float[][] field = new float[3][];
        for (int axis = 0; axis < 3; axis++) {
            field[axis] = component(size, amplitude, random);
        }
        float[] image = new float[sample.image().length];
        short[] label = new short[sample.voxels()];
        VoxelWalk walk = new VoxelWalk(sample, image, label, padding, Interpolation.LINEAR);
        int n = 0;
        for (int d = 0; d < size.depth(); d++) {
            for (int h = 0; h < size.height(); h++) {
                for (int w = 0; w < size.width(); w++, n++) {
                    walk.take(n, d + field[0][n], h + field[1][n], w + field[2][n]);
                }
            }
        }
        return new Sample(image, sample.channels(), label, size);
    }

    /** One component of the field, spread out from its control points along one axis after the other. */
    private float[] component(Grid size, double amplitude, SplittableRandom random) {
        int d = controls(size.depth());
        int h = controls(size.height());
        int w = controls(size.width());
        float[] values = new float[d * h * w];
        for (int n = 0; n < values.length; n++) {
            values[n] = (float) Draw.between(random, -amplitude, amplitude);
        }
        values = spread(values, d * h, w, 1, size.width());
        values = spread(values, d, h, size.width(), size.height());
        return spread(values, 1, d, size.height() * size.width(), size.depth());
    }

    private int controls(int voxels) {
        return (voxels - 1) / spacing + TAPS;
    }

    /** Turns the middle axis of an array (outer, controls, inner) into voxels. */
    private float[] spread(float[] in, int outer, int controls, int inner, int voxels) {
        float[] out = new float[outer * voxels * inner];
        for (int v = 0; v < voxels; v++) {
            int first = v / spacing;
            double t = (double) (v % spacing) / spacing;
            double[] weights = {
                (1 - t) * (1 - t) * (1 - t) / 6,
                (3 * t * t * t - 6 * t * t + 4) / 6,
                (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6,
                t * t * t / 6
            };
            for (int a = 0; a < outer; a++) {
                int to = (a * voxels + v) * inner;
                for (int tap = 0; tap < TAPS; tap++) {
                    float weight = (float) weights[tap];
                    int from = (a * controls + first + tap) * inner;
                    for (int i = 0; i < inner; i++) {
                        out[to + i] += weight * in[from + i];
                    }
                }
            }
        }
        return out;
    }
}
