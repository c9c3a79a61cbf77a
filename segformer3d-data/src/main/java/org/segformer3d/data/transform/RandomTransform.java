package org.segformer3d.data.transform;

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
}
