package org.segformer3d.data.volume;

import java.util.ArrayList;
import java.util.List;

/** All 48 permutations and flips of three axes, for tests. */
public final class Orientations {
    private Orientations() {}

    public static List<Orientation> all() {
        List<Orientation> all = new ArrayList<>();
        int[][] permutations = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (int[] permutation : permutations) {
            for (int bits = 0; bits < 8; bits++) {
                all.add(Orientation.of(permutation, new boolean[] {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0}));
            }
        }
        return all;
    }
}
