package org.segformer3d.eval.report;

/** The outline of a mask as the path of a drawing: around its pixels, corners cut at the middle of their edges. */
final class Contours {
    /** East, south, west, north, with south downwards. */
    private static final int[] DX = {1, 0, -1, 0};

    private static final int[] DY = {0, 1, 0, -1};

    private final int width;
    private final int height;
    private final boolean[] mask;
    /** For each corner of a pixel, the directions in which an edge leaves it with the mask on its right. */
    private final byte[] edges;

    private Contours(boolean[] mask, int width, int height) {
        this.mask = mask;
        this.width = width;
        this.height = height;
        edges = new byte[(width + 1) * (height + 1)];
    }

    /**
     * Returns the path, empty for an empty mask.
     *
     * @param mask by rows from the top
     * @param stepX width of a pixel in the drawing
     * @param stepY height of a pixel
     */
    static String path(boolean[] mask, int width, int height, double stepX, double stepY) {
        return new Contours(mask, width, height).trace(stepX, stepY);
    }

    private boolean inside(int x, int y) {
        return x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x];
    }

    private void mark(int x, int y, int direction) {
        edges[y * (width + 1) + x] |= (byte) (1 << direction);
    }

    private String trace(double stepX, double stepY) {
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                if (!mask[y * width + x]) {
                    continue;
                }
                if (!inside(x, y - 1)) {
                    mark(x, y, 0);
                }
                if (!inside(x + 1, y)) {
                    mark(x + 1, y, 1);
                }
                if (!inside(x, y + 1)) {
                    mark(x + 1, y + 1, 2);
                }
                if (!inside(x - 1, y)) {
                    mark(x, y + 1, 3);
                }
            }
        }
        StringBuilder path = new StringBuilder();
        byte[] left = edges.clone();
        for (int start = 0; start < left.length; start++) {
            while (left[start] != 0) {
                loop(path, start, left, stepX, stepY);
            }
        }
        return path.toString();
    }

    /** Follows the edges from a corner until they come round to the first one. */
    private void loop(StringBuilder path, int start, byte[] left, double stepX, double stepY) {
        int first = Integer.numberOfTrailingZeros(left[start]);
        int at = start;
        int direction = first;
        int before = -1;
        boolean open = false;
        do {
            left[at] &= (byte) ~(1 << direction);
            int x = at % (width + 1);
            int y = at / (width + 1);
            at = (y + DY[direction]) * (width + 1) + x + DX[direction];
            int next = turn(at, direction);
            // Amid a straight run a point adds nothing.
            if (before != direction || next != direction) {
                path.append(open ? "L" : "M")
                        .append(Html.coordinate((x + DX[direction] / 2.0) * stepX))
                        .append(' ')
                        .append(Html.coordinate((y + DY[direction] / 2.0) * stepY));
                open = true;
            }
            before = direction;
            direction = next;
        } while (at != start || direction != first);
        path.append('Z');
    }

    /** Where two pixels touch at a corner, the turn to the right keeps their outlines apart. */
    private int turn(int at, int direction) {
        for (int turn : new int[] {1, 0, 3}) {
            int next = (direction + turn) % 4;
            if ((edges[at] & 1 << next) != 0) {
                return next;
            }
        }
        throw new IllegalStateException("an outline has a loose end");
    }
}
