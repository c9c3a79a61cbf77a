package org.segformer3d.data.voxel;

import java.io.IOException;
import java.io.OutputStream;
import org.segformer3d.api.block.Grid;

/**
 * Transposes between a file, where i runs fastest and then j and k, with the channel before, between or (mostly) after them, and
 * memory, where k runs fastest and then j, i and channel.
 *
 * <p>Planes (i, j) of the file go through a buffer several at a time: each voxel column of that block is then one contiguous run in
 * memory, where plane by plane every single value would touch a cache line of its own.
 */
public final class VoxelLayout {
    private static final int MOST_PLANES = 32;
    private static final int BLOCK_VOXELS = 1 << 20;
    /** Floats that stay in a core's own cache while they are transposed. */
    private static final int STRIP_VOXELS = 1 << 15;
    /** Floats of a cache line. */
    private static final int LINE = 16;
    /** A plane beyond this isn't buffered whole. */
    private static final int LARGE_PLANE = 1 << 23;

    private final int channels;
    private final int ni;
    private final int nj;
    private final int nk;
    private final int plane;
    private final int channelAxis;

    /** Creates the layout of a volume whose channels come one after the other. */
    public VoxelLayout(int channels, Grid size) {
        this(channels, size, 3);
    }

    /**
     * Creates the layout of a volume.
     *
     * @param channelAxis how many of the spatial axes run faster than the channels: 3 where channels come one after the other, 0 where
     *     each voxel has its channels beside each other
     */
    public VoxelLayout(int channels, Grid size, int channelAxis) {
        this.channelAxis = channels == 1 ? 3 : channelAxis;
        this.channels = channels;
        this.ni = size.depth();
        this.nj = size.height();
        this.nk = size.width();
        this.plane = Math.multiplyExact(ni, nj);
    }

    private int planesPerBlock() {
        return Math.max(1, Math.min(Math.min(MOST_PLANES, nk), BLOCK_VOXELS / plane));
    }

    /** Whether the file's planes (i, j) of one channel lie together and are small enough to hold some in a buffer. */
    boolean hasPlanes() {
        return plane <= LARGE_PLANE && channelAxis == 3;
    }

    int channels() {
        return channels;
    }

    /** Returns how many planes (i, j) a channel has. */
    int planes() {
        return nk;
    }

    /** Returns the voxels of one plane. */
    int plane() {
        return plane;
    }

    /** Returns the floats that {@link #place} needs at most for up to so many planes. */
    int stripLength(int planes) {
        return Math.max(planes * ni, Math.min(STRIP_VOXELS, planes * plane));
    }

    private int stripRows(int planes) {
        return Math.max(1, Math.min(nj, STRIP_VOXELS / (planes * ni)));
    }

    /**
     * Decodes planes of the file to where they belong in memory.
     *
     * <p>A few rows of all the planes are decoded at a time, as many as stay in the cache, and of those so many columns that the
     * sixteen floats of each cache line are used while it is in the innermost one. Columns that are zero in all those rows are left
     * out: most of a skull-stripped scan or of a label map is, and the array is zero already.
     *
     * @param raw the planes' bytes
     * @param k the first plane of channel {@code c}
     * @param count number of planes
     * @param strip scratch of at least {@link #stripLength}
     * @param values the array, zero where the planes go
     */
    void place(byte[] raw, VoxelCodec codec, int c, int k, int count, float[] strip, float[] values) {
        int base = c * plane * nk;
        int most = stripRows(count);
        for (int j0 = 0; j0 < nj; j0 += most) {
            int rows = Math.min(most, nj - j0);
            int low = 0;
            int high = ni;
            if (codec.keepsZero()) {
                low = ni;
                high = 0;
                for (int p = 0; p < count; p++) {
                    for (int row = p * plane + j0 * ni; row < p * plane + (j0 + rows) * ni; row += ni) {
                        low = codec.firstNonZero(raw, row, row + low) - row;
                        high = codec.afterLastNonZero(raw, row + high, row + ni) - row;
                    }
                }
            }
            int width = high - low;
            if (width <= 0) {
                continue;
            }
            int step = rows * width;
            // As few calls as can be: rows are short.
            int run = width == ni ? step : width;
            for (int p = 0; p < count; p++) {
                int from = p * plane + j0 * ni + low;
                for (int n = 0; n < step; n += run) {
                    codec.decode(raw, from, run, strip, p * step + n);
                    from += ni;
                }
            }
            for (int i0 = 0; i0 < width; i0 += LINE) {
                int end = Math.min(width, i0 + LINE);
                for (int i = i0; i < end; i++) {
                    int to = base + ((low + i) * nj + j0) * nk + k;
                    for (int j = 0; j < rows; j++) {
                        int from = j * width + i;
                        for (int p = 0; p < count; p++) {
                            values[to + p] = strip[from];
                            from += step;
                        }
                        to += nk;
                    }
                }
            }
        }
    }

    /** Values in the file's order. */
    interface Values {
        /** Puts the next values into a block and returns how many: fewer than asked for only where there are no more. */
        int next(float[] block, int count) throws IOException;
    }

    /** Fills the array run by run, and returns how many values there were, which is less than needed only at the file's end. */
    long fromFileByRuns(float[] values, Values source) throws IOException {
        int[] sizes = new int[4];
        int[] strides = new int[4];
        int at = 0;
        int[][] spatial = {{ni, nj * nk}, {nj, nk}, {nk, 1}};
        for (int axis = 0; axis < 4; axis++) {
            boolean isChannel = axis == channelAxis;
            sizes[axis] = isChannel ? channels : spatial[at][0];
            strides[axis] = isChannel ? plane * nk : spatial[at++][1];
        }
        float[] block = new float[Math.min(BLOCK_VOXELS, values.length)];
        int[] index = new int[4];
        int to = 0;
        for (int done = 0; done < values.length; ) {
            int n = Math.min(block.length, values.length - done);
            int found = source.next(block, n);
            for (int p = 0; p < found; ) {
                int run = Math.min(sizes[0] - index[0], found - p);
                for (int t = 0; t < run; t++) {
                    values[to] = block[p++];
                    to += strides[0];
                }
                index[0] += run;
                for (int axis = 0; axis < 3 && index[axis] == sizes[axis]; axis++) {
                    to += strides[axis + 1] - sizes[axis] * strides[axis];
                    index[axis] = 0;
                    index[axis + 1]++;
                }
            }
            done += found;
            if (found < n) {
                return done;
            }
        }
        return values.length;
    }

    /** Fills the array from bytes and returns how many there were. */
    long fromFileByRuns(float[] values, VoxelCodec codec, VoxelInput in) throws IOException {
        byte[] raw = new byte[Math.min(BLOCK_VOXELS, values.length) * codec.bytes()];
        return codec.bytes()
                * fromFileByRuns(values, (block, count) -> {
                    int found = in.read(raw, count * codec.bytes()) / codec.bytes();
                    codec.decode(raw, 0, found, block, 0);
                    return found;
                });
    }

    /** Writes the array in the file's order. */
    public void toFile(float[] values, VoxelCodec codec, OutputStream out) throws IOException {
        if (!hasPlanes()) {
            toFileByRuns(values, codec, out);
            return;
        }
        int planes = planesPerBlock();
        float[] block = new float[planes * plane];
        byte[] raw = new byte[Math.multiplyExact(block.length, codec.bytes())];
        for (int c = 0; c < channels; c++) {
            int base = c * plane * nk;
            for (int k = 0; k < nk; k += planes) {
                int n = Math.min(planes, nk - k);
                for (int j = 0; j < nj; j++) {
                    for (int i = 0; i < ni; i++) {
                        int from = base + (i * nj + j) * nk + k;
                        int to = j * ni + i;
                        for (int p = 0; p < n; p++) {
                            block[to] = values[from + p];
                            to += plane;
                        }
                    }
                }
                codec.encode(block, n * plane, raw);
                out.write(raw, 0, n * plane * codec.bytes());
            }
        }
    }

    private void toFileByRuns(float[] values, VoxelCodec codec, OutputStream out) throws IOException {
        float[] block = new float[BLOCK_VOXELS];
        byte[] raw = new byte[BLOCK_VOXELS * codec.bytes()];
        int filled = 0;
        for (int c = 0; c < channels; c++) {
            for (int k = 0; k < nk; k++) {
                for (int j = 0; j < nj; j++) {
                    for (int i = 0; i < ni; i++) {
                        block[filled++] = values[((c * ni + i) * nj + j) * nk + k];
                        if (filled == BLOCK_VOXELS) {
                            codec.encode(block, filled, raw);
                            out.write(raw, 0, filled * codec.bytes());
                            filled = 0;
                        }
                    }
                }
            }
        }
        codec.encode(block, filled, raw);
        out.write(raw, 0, filled * codec.bytes());
    }
}
