package org.segformer3d.eval.inference;

import java.util.OptionalLong;

/**
 * How much memory the process may take while it predicts.
 *
 * @param fixed bytes, or empty for {@value #SHARE} of what the machine and its limits leave when it is asked
 */
public record MemoryBudget(OptionalLong fixed) {
    /** The share of what there is that is taken unless told otherwise: estimates and neighbours vary. */
    public static final double SHARE = 0.8;

    /** As much as there is, with some left to others. */
    public static final MemoryBudget AVAILABLE = new MemoryBudget(OptionalLong.empty());

    /** Validates. */
    public MemoryBudget {
        if (fixed.isPresent() && fixed.getAsLong() < 1) {
            throw new IllegalArgumentException("memory: found " + fixed.getAsLong() + " bytes, expected at least 1");
        }
    }

    /** Returns a budget of so many bytes for the whole process. */
    public static MemoryBudget of(long bytes) {
        return new MemoryBudget(OptionalLong.of(bytes));
    }

    /** Returns the bytes the process may take now; {@link Long#MAX_VALUE} where nobody knows. */
    public long bytes() {
        if (fixed.isPresent()) {
            return fixed.getAsLong();
        }
        OptionalLong attainable = ProcessMemory.attainableBytes();
        return attainable.isPresent() ? (long) (attainable.getAsLong() * SHARE) : Long.MAX_VALUE;
    }
}
