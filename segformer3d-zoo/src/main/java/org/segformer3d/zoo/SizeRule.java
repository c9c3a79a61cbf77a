package org.segformer3d.zoo;

import java.util.Arrays;
import org.segformer3d.api.tensor.Shapes;

/**
 * Which input sizes a network takes.
 *
 * @param exact the only size there is, or {@code null}
 * @param multiples what each axis must be a multiple of
 * @param more the input must have more voxels than this
 */
record SizeRule(long[] exact, long[] multiples, long more) {
    static SizeRule exactly(int... size) {
        return new SizeRule(Arrays.stream(size).asLongStream().toArray(), new long[] {1, 1, 1}, 0);
    }

    static SizeRule multiplesOf(long... multiples) {
        return new SizeRule(null, multiples, 0);
    }

    SizeRule withMoreThan(long voxels) {
        return new SizeRule(exact, multiples, voxels);
    }

    /** Returns a size that the network takes. */
    long[] example() {
        if (exact != null) {
            return exact.clone();
        }
        long[] size = multiples.clone();
        for (int axis = 0; Shapes.elements(size) <= more || axis % 3 != 0; axis++) {
            size[axis % 3] += multiples[axis % 3];
        }
        return size;
    }

    /**
     * Checks D, H, W.
     *
     * @throws IllegalArgumentException saying what sizes there are
     */
    void check(String network, long... size) {
        if (exact != null && !Arrays.equals(exact, size)) {
            throw new IllegalArgumentException(network + ": found an input of " + Shapes.text(size)
                    + " voxels, expected exactly " + Shapes.text(exact));
        }
        for (int axis = 0; axis < 3; axis++) {
            if (size[axis] % multiples[axis] != 0) {
                throw new IllegalArgumentException(network + ": found an input of " + Shapes.text(size)
                        + " voxels, expected multiples of " + Shapes.text(multiples));
            }
        }
        if (Shapes.elements(size) <= more) {
            throw new IllegalArgumentException(network + ": found an input of " + Shapes.text(size)
                    + " voxels, expected more than " + more + " voxels, of which the coarsest stage has one");
        }
    }
}
