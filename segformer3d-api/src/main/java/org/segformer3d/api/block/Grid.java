package org.segformer3d.api.block;

/**
 * The spatial extent of a token sequence: token n = (d·height + h)·width + w.
 *
 * @param depth size along the first spatial axis, ≥ 1
 * @param height size along the second
 * @param width size along the third
 */
public record Grid(int depth, int height, int width) {
    /** Checks the sizes. */
    public Grid {
        if (depth < 1 || height < 1 || width < 1) {
            throw new IllegalArgumentException(
                    "grid sizes must be positive, found " + depth + "×" + height + "×" + width);
        }
    }

    /** Returns the spatial grid of a (B,C,D,H,W) shape. */
    public static Grid of(long[] shape) {
        if (shape.length != 5) {
            throw new IllegalArgumentException("expected a shape (B,C,D,H,W), found rank " + shape.length);
        }
        return new Grid(Math.toIntExact(shape[2]), Math.toIntExact(shape[3]), Math.toIntExact(shape[4]));
    }

    /** Returns the number of tokens N = D·H·W. */
    public int tokens() {
        return Math.multiplyExact(Math.multiplyExact(depth, height), width);
    }

    /**
     * Returns the grid after a convolution: ⌊(n + 2·padding − kernel) / stride⌋ + 1 per axis.
     *
     * @throws IllegalArgumentException when the kernel is larger than the padded grid
     */
    public Grid convolved(PerAxis kernel, PerAxis stride, PerAxis padding) {
        int[] sizes = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            int around = size(axis) + 2 * padding.get(axis) - kernel.get(axis);
            if (around < 0) {
                throw new IllegalArgumentException(
                        "a grid of " + this + " is too small for a kernel of " + kernel + " with padding " + padding);
            }
            sizes[axis] = around / stride.get(axis) + 1;
        }
        return new Grid(sizes[0], sizes[1], sizes[2]);
    }

    /** Returns the grid after a convolution with the same numbers along all axes. */
    public Grid convolved(int kernel, int stride, int padding) {
        return convolved(PerAxis.of(kernel), PerAxis.of(stride), PerAxis.of(padding));
    }

    /** Returns the grid with each size multiplied. */
    public Grid times(PerAxis factor) {
        return new Grid(
                Math.multiplyExact(depth, factor.depth()),
                Math.multiplyExact(height, factor.height()),
                Math.multiplyExact(width, factor.width()));
    }

    /** Returns the three sizes, depth first. */
    public long[] toLongs() {
        return new long[] {depth, height, width};
    }

    /** Returns the size of the given axis: 0 depth, 1 height, 2 width. */
    public int size(int axis) {
        return switch (axis) {
            case 0 -> depth;
            case 1 -> height;
            case 2 -> width;
            default -> throw new IndexOutOfBoundsException("axis " + axis);
        };
    }

    @Override
    public String toString() {
        return depth + "×" + height + "×" + width;
    }
}
