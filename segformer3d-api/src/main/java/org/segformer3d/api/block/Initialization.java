package org.segformer3d.api.block;

import java.util.SplittableRandom;

/** How the values of a state dict's entry are drawn before training. */
public sealed interface Initialization {
    /** Every value 0. */
    Initialization ZERO = new Constant(0);

    /** Every value 1. */
    Initialization ONE = new Constant(1);

    /**
     * Draws one value.
     *
     * @param random the entry's own stream
     */
    float draw(SplittableRandom random);

    /**
     * One value for all.
     *
     * @param value any number
     */
    record Constant(double value) implements Initialization {
        @Override
        public float draw(SplittableRandom random) {
            return (float) value;
        }
    }

    /**
     * Normal with mean 0.
     *
     * @param deviation standard deviation σ
     */
    record Normal(double deviation) implements Initialization {
        @Override
        public float draw(SplittableRandom random) {
            return (float) (deviation * random.nextGaussian());
        }
    }

    /**
     * Uniform between −bound and bound.
     *
     * @param bound at least 0
     */
    record Uniform(double bound) implements Initialization {
        @Override
        public float draw(SplittableRandom random) {
            return (float) (bound * (2 * random.nextDouble() - 1));
        }
    }
}
