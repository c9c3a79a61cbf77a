package org.segformer3d.eval.postprocessing;

import java.util.function.IntPredicate;
import org.segformer3d.api.block.Grid;

/**
 * The connected components of a set of voxels, found in one pass over the volume with a union-find forest (time linear in the voxels up to
 * the inverse Ackermann function).
 */
final class Components {
    /** Which voxels touch. */
    enum Neighbours {
        /** Those that share a face. */
        FACES(1),
        /** Those that share a face, an edge or a corner. */
        CORNERS(3);

        private final int[][] before;

        Neighbours(int most) {
            // the half of the neighbours that a pass in C order has seen already
            this.before = java.util.stream.IntStream.range(0, 13)
                    .mapToObj(n -> new int[] {n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1})
                    .filter(step -> Math.abs(step[0]) + Math.abs(step[1]) + Math.abs(step[2]) <= most)
                    .toArray(int[][]::new);
        }
    }

    private final int[] component;
    private final int[] sizes;

    private Components(int[] component, int[] sizes) {
        this.component = component;
        this.sizes = sizes;
    }

    /**
     * Finds components.
     *
     * @param size of the volume
     * @param member tells by a voxel's index in C order whether it belongs to the set
     */
    static Components of(Grid size, IntPredicate member, Neighbours neighbours) {
        int depth = size.depth();
        int height = size.height();
        int width = size.width();
        int[] parent = new int[size.tokens()];
        for (int d = 0, n = 0; d < depth; d++) {
            for (int h = 0; h < height; h++) {
                for (int w = 0; w < width; w++, n++) {
                    if (!member.test(n)) {
                        parent[n] = -1;
                        continue;
                    }
                    parent[n] = n;
                    for (int[] step : neighbours.before) {
                        int y = h + step[1];
                        int x = w + step[2];
                        if (d + step[0] < 0 || y < 0 || y >= height || x < 0 || x >= width) {
                            continue;
                        }
                        int other = n + (step[0] * height + step[1]) * width + step[2];
                        if (parent[other] >= 0) {
                            join(parent, n, other);
                        }
                    }
                }
            }
        }
        // number the roots in order; a root comes before all of its component
        int count = 0;
        int[] number = new int[parent.length];
        for (int n = 0; n < parent.length; n++) {
            if (parent[n] == n) {
                number[n] = count++;
            }
        }
        int[] sizes = new int[count];
        for (int n = 0; n < parent.length; n++) {
            if (parent[n] < 0) {
                number[n] = -1;
            } else {
                number[n] = number[root(parent, n)];
                sizes[number[n]]++;
            }
        }
        return new Components(number, sizes);
    }

    private static void join(int[] parent, int a, int b) {
        int first = root(parent, a);
        int second = root(parent, b);
        parent[Math.max(first, second)] = Math.min(first, second);
    }

    private static int root(int[] parent, int n) {
        int at = n;
        while (parent[at] != at) {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        return at;
    }

    /** Returns how many there are. */
    int count() {
        return sizes.length;
    }

    /** Returns the component of a voxel, numbered in order of their first voxels, or −1. */
    int of(int voxel) {
        return component[voxel];
    }

    /** Returns how many voxels a component has. */
    int size(int number) {
        return sizes[number];
    }

    /** Returns the component with the most voxels, the first of equals; −1 where there is none. */
    int largest() {
        int best = -1;
        for (int n = 0; n < sizes.length; n++) {
            if (best < 0 || sizes[n] > sizes[best]) {
                best = n;
            }
        }
        return best;
    }
}
