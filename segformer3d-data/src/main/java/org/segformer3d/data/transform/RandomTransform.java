package org.segformer3d.data.transform;

import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A change of a sample whose amount is drawn anew for each sample; it moves image and label together.
 *
 * <p>All randomness comes from the generator passed in, so that the same generator state gives the same sample whatever thread it is
 * made on. Implementations have no state of their own.
 */
@FunctionalInterface
public interface RandomTransform {
    /**
     * Returns the changed sample.
     *
     * @param sample consumed: its arrays may be changed and may be part of the result; never {@code null}
     * @param random where every random decision comes from, never {@code null}
     */
    Sample apply(Sample sample, SplittableRandom random);

    /** Returns the spatial axes, out of 0, 1, 2, that this mirrors each by itself, so that a network learns mirrored images too. */
    default Set<Integer> mirroredAxes() {
        return Set.of();
    }

    /** Returns the axes that any of some transforms mirrors, in order. */
    static List<Integer> mirroredAxes(List<RandomTransform> transforms) {
        return transforms.stream()
                .flatMap(one -> one.mirroredAxes().stream())
                .distinct()
                .sorted()
                .toList();
    }
}
