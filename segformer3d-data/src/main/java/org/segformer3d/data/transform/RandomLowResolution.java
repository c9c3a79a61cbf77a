package org.segformer3d.data.transform;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.data.preprocessing.Interpolation;
import org.segformer3d.data.preprocessing.Resampler;

/**
 * Simulates a coarser scan: takes each channel down to a share of its voxels along every axis by the nearest voxel and back up by cubic
 * interpolation; labels stay.
 *
 * @param probability from 0 to 1
 * @param min smallest share, above 0; each channel draws its own
 * @param max largest share, at most 1
 */
public record RandomLowResolution(double probability, double min, double max) implements RandomTransform {
    /** Checks the arguments. */
    public RandomLowResolution {
        Draw.requireProbability("low_resolution", probability);
        Draw.requireRange("low_resolution.factor", min, max, 0.01);
        if (max > 1) {
            throw ConfigException.of("low_resolution.factor", min + " to " + max, "shares of at most 1");
        }
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        Grid size = sample.size();
        int voxels = sample.voxels();
        for (int c = 0; c < sample.channels(); c++) {
            double share = Draw.between(random, min, max);
            Grid coarse =
                    new Grid(coarse(size.depth(), share), coarse(size.height(), share), coarse(size.width(), share));
            float[] channel = Arrays.copyOfRange(sample.image(), c * voxels, (c + 1) * voxels);
            float[] small = new Resampler(size, coarse, Interpolation.NEAREST).apply(channel);
            float[] large = new Resampler(coarse, size, Interpolation.CUBIC).apply(small);
            System.arraycopy(large, 0, sample.image(), c * voxels, voxels);
        }
        return sample;
    }

    private static int coarse(int voxels, double share) {
        return (int) Math.max(1, Math.round(voxels * share));
    }
}
