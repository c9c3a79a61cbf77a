package org.segformer3d.data.transform;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.segformer3d.api.block.Grid;

/**
 * Rotates by one, two or three quarter turns in a random plane; where the plane's two sizes differ, by two, which keeps the shape.
 *
 * @param probability from 0 to 1
 */
public record RandomRotate90(double probability) implements RandomTransform {
    private static final List<int[]> PLANES = List.of(new int[] {0, 1}, new int[] {0, 2}, new int[] {1, 2});

    /** Checks the probability. */
    public RandomRotate90 {
        Draw.requireProbability("rotate90", probability);
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        if (!Draw.happens(random, probability)) {
            return sample;
        }
        Grid size = sample.size();
        List<Rotate90> possible = new ArrayList<>();
        for (int[] plane : PLANES) {
            boolean square = size.size(plane[0]) == size.size(plane[1]);
            for (int turns = 1; turns <= 3; turns++) {
                if (square || turns == 2) {
                    possible.add(new Rotate90(plane[0], plane[1], turns));
                }
            }
        }
        return possible.get(random.nextInt(possible.size())).apply(sample);
    }
}
