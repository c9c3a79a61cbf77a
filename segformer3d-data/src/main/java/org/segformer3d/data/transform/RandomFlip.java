package org.segformer3d.data.transform;

import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.segformer3d.api.config.ConfigException;

/**
 * Reverses each of some axes with a probability, independently of the others.
 *
 * @param probability for each axis, from 0 to 1
 * @param axes which of 0, 1, 2
 */
public record RandomFlip(double probability, List<Integer> axes) implements RandomTransform {
    /** Checks probability and axes. */
    public RandomFlip {
        Draw.requireProbability("flip", probability);
        axes = List.copyOf(new TreeSet<>(axes));
        if (axes.isEmpty() || axes.stream().anyMatch(a -> a < 0 || a > 2)) {
            throw ConfigException.of("flip.axes", axes, "some of 0, 1, 2");
        }
    }

    @Override
    public Set<Integer> mirroredAxes() {
        return probability > 0 ? Set.copyOf(axes) : Set.of();
    }

    @Override
    public Sample apply(Sample sample, SplittableRandom random) {
        boolean[] flipped = new boolean[3];
        for (int axis : axes) {
            flipped[axis] = Draw.happens(random, probability);
        }
        return new Flip(flipped[0], flipped[1], flipped[2]).apply(sample);
    }
}
