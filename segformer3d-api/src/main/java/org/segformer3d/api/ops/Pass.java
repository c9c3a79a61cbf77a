package org.segformer3d.api.ops;

import java.util.Objects;
import org.segformer3d.api.block.Mode;

/**
 * What is the same for all operations of one forward pass.
 *
 * @param mode whether BatchNorm takes the batch's statistics and dropout drops, never {@code null}
 * @param seed seed of whatever is random in the pass
 * @param first number of the first of these samples in the batch that several processes share, whose random numbers it continues; else 0
 */
public record Pass(Mode mode, long seed, long first) {
    /** A pass of a finished network: nothing is random. */
    public static final Pass INFERENCE = new Pass(Mode.INFERENCE, 0, 0);

    /** Checks the mode. */
    public Pass {
        Objects.requireNonNull(mode, "mode");
    }

    /** Returns whether this is a pass in training mode. */
    public boolean training() {
        return mode == Mode.TRAINING;
    }
}
