package org.segformer3d.data.preprocessing;

import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.Orientation;

/** A box of voxels inside a grid: its first voxel and its size. */
record Box(int d, int h, int w, Grid size) {
    static Box whole(Grid size) {
        return new Box(0, 0, 0, size);
    }

    int start(int axis) {
        return axis == 0 ? d : axis == 1 ? h : w;
    }

    /** Returns where the box lies after the grid it is in was reoriented. */
    Box oriented(Orientation orientation, Grid grid) {
        int[] starts = new int[3];
        for (int axis = 0; axis < 3; axis++) {
            int source = orientation.source(axis);
            starts[axis] =
                    orientation.flipped(axis) ? grid.size(source) - start(source) - size.size(source) : start(source);
        }
        return new Box(starts[0], starts[1], starts[2], orientation.apply(size));
    }

    /** Copies the box out of a grid, from {@code values[from]} on. */
    float[] cut(float[] values, int from, Grid grid) {
        float[] cut = new float[size.tokens()];
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                int row = from + ((d + i) * grid.height() + h + j) * grid.width() + w;
                System.arraycopy(values, row, cut, (i * size.height() + j) * size.width(), size.width());
            }
        }
        return cut;
    }

    /** Copies the values of the box into a grid, to {@code values[to]} and on. */
    void paste(float[] box, float[] values, int to, Grid grid) {
        for (int i = 0; i < size.depth(); i++) {
            for (int j = 0; j < size.height(); j++) {
                int row = to + ((d + i) * grid.height() + h + j) * grid.width() + w;
                System.arraycopy(box, (i * size.height() + j) * size.width(), values, row, size.width());
            }
        }
    }
}
