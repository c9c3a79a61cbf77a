package org.segformer3d.api.network;

import java.util.Objects;
import java.util.Optional;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;

/**
 * Which spatial sizes of an input a network takes.
 *
 * @param exact the only size there is, or empty
 * @param multiple what each size is a multiple of
 * @param more the input has more voxels than this
 * @since 0.1
 */
public record InputRule(Optional<Grid> exact, PerAxis multiple, long more) {
    /** Checks for {@code null}. */
    public InputRule {
        Objects.requireNonNull(exact, "exact");
        Objects.requireNonNull(multiple, "multiple");
    }

    /** Returns the rule of a network that takes any size. */
    public static InputRule any() {
        return multiplesOf(PerAxis.of(1));
    }

    /** Returns the rule of a network that takes one size. */
    public static InputRule exactly(Grid size) {
        return new InputRule(Optional.of(size), PerAxis.of(1), 0);
    }

    /** Returns the rule of a network whose sizes are multiples of something. */
    public static InputRule multiplesOf(PerAxis multiple) {
        return new InputRule(Optional.empty(), multiple, 0);
    }

    /** Returns this rule for inputs of more voxels than that. */
    public InputRule withMoreThan(long voxels) {
        return new InputRule(exact, multiple, voxels);
    }

    /** Returns whether a size is taken. */
    public boolean accepts(Grid size) {
        for (int axis = 0; axis < 3; axis++) {
            if (size.size(axis) % multiple.get(axis) != 0) {
                return false;
            }
        }
        return exact.map(size::equals).orElse(true) && voxels(size) > more;
    }

    /**
     * Checks a size.
     *
     * @param network name of the network, for the message
     * @throws IllegalArgumentException when it isn't taken; the message says which are
     */
    public void check(String network, Grid size) {
        if (!accepts(size)) {
            throw new IllegalArgumentException(network + ": found an input of " + size + " voxels, expected " + this);
        }
    }

    /** Returns the nearest size that is taken and at least as large along every axis, or the only one there is. */
    public Grid nearest(Grid size) {
        if (exact.isPresent()) {
            return exact.get();
        }
        int[] sizes = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            int step = multiple.get(axis);
            sizes[axis] = Math.multiplyExact((size.size(axis) + step - 1) / step, step);
        }
        for (int axis = 0; voxels(new Grid(sizes[0], sizes[1], sizes[2])) <= more; axis++) {
            sizes[axis % 3] += multiple.get(axis % 3);
        }
        return new Grid(sizes[0], sizes[1], sizes[2]);
    }

    private static long voxels(Grid size) {
        return (long) size.depth() * size.height() * size.width();
    }

    /** Returns the rule in words, for example {@code multiples of [8, 16, 16]}. */
    @Override
    public String toString() {
        String sizes = exact.map(size -> "exactly " + size)
                .orElse(multiple.product() == 1 ? "any size" : "multiples of " + multiple);
        return more > 0 ? sizes + " with more than " + more + " voxels" : sizes;
    }
}
