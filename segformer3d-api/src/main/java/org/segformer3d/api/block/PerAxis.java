package org.segformer3d.api.block;

import java.util.List;

/**
 * One whole number for each spatial axis: the size of a kernel, a stride, a padding or a ratio.
 *
 * @param depth for the first spatial axis
 * @param height for the second
 * @param width for the third
 */
public record PerAxis(int depth, int height, int width) {
    /** Returns the same number for all axes. */
    public static PerAxis of(int all) {
        return new PerAxis(all, all, all);
    }

    /** Returns whether all axes have the same number. */
    public boolean isEqual() {
        return depth == height && height == width;
    }

    /**
     * Returns the one number of all axes.
     *
     * @throws IllegalStateException when the axes have different ones
     */
    public int only() {
        if (!isEqual()) {
            throw new IllegalStateException("found " + this + ", expected the same number along all axes");
        }
        return depth;
    }

    /** Returns the number of an axis: 0 depth, 1 height, 2 width. */
    public int get(int axis) {
        return switch (axis) {
            case 0 -> depth;
            case 1 -> height;
            case 2 -> width;
            default -> throw new IndexOutOfBoundsException("axis " + axis);
        };
    }

    /** Returns the product of the three. */
    public int product() {
        return Math.multiplyExact(Math.multiplyExact(depth, height), width);
    }

    /** Returns the three numbers, depth first. */
    public int[] toArray() {
        return new int[] {depth, height, width};
    }

    /** Returns the three numbers, depth first. */
    public long[] toLongs() {
        return new long[] {depth, height, width};
    }

    /** Returns what a configuration file has: a number where all three are equal, else the list of them. */
    public Object toValue() {
        return isEqual() ? (Object) depth : List.of(depth, height, width);
    }

    @Override
    public String toString() {
        return toValue().toString();
    }
}
