package org.segformer3d.data.nifti;

import java.io.IOException;
import java.io.OutputStream;
import org.segformer3d.api.block.Grid;

/**
 * Transposes between a file, where i runs fastest and then j, k and channel, and memory, where k runs fastest and then j, i and
 * channel.
 *
 * <p>Planes (i, j) of the file go through a buffer several at a time: each voxel column of that block is then one contiguous run in
 * memory, where plane by plane every single value would touch a cache line of its own.
 */
final class VoxelLayout {
    private static final int MOST_PLANES = 32;
    private static final int BLOCK_VOXELS = 1 << 20;
    /** A plane beyond this isn't buffered whole. */
    private static final int LARGE_PLANE = 1 << 23;

    private final int channels;
    private final int ni;
    private final int nj;
    private final int nk;
    private final int plane;

    VoxelLayout(int channels, Grid size) {
        this.channels = channels;
        this.ni = size.depth();
        this.nj = size.height();
        this.nk = size.width();
        this.plane = Math.multiplyExact(ni, nj);
    }

    private int planesPerBlock() {
        return Math.max(1, Math.min(Math.min(MOST_PLANES, nk), BLOCK_VOXELS / plane));
    }

    /** Fills the array from the file and returns how many bytes were read, which is less than needed only at the file's end. */
    long fromFile(float[] values, VoxelCodec codec, NiftiReader.RawInput in) throws IOException {
        if (plane > LARGE_PLANE) {
            return fromFileByRuns(values, codec, in);
        }
        int planes = planesPerBlock();
        float[] block = new float[planes * plane];
        byte[] raw = new byte[block.length * codec.bytes()];
        long total = 0;
        for (int c = 0; c < channels; c++) {
            int base = c * plane * nk;
            for (int k = 0; k < nk; k += planes) {
                int n = Math.min(planes, nk - k);
                int bytes = n * plane * codec.bytes();
                int read = in.read(raw, bytes);
                total += read;
                if (read < bytes) {
                    return total;
                }
                codec.decode(raw, n * plane, block);
                for (int j = 0; j < nj; j++) {
                    for (int i = 0; i < ni; i++) {
                        int to = base + (i * nj + j) * nk + k;
                        int from = j * ni + i;
                        for (int p = 0; p < n; p++) {
                            values[to + p] = block[from];
                            from += plane;
                        }
                    }
                }
            }
        }
        return total;
    }

    private long fromFileByRuns(float[] values, VoxelCodec codec, NiftiReader.RawInput in) throws IOException {
        float[] block = new float[BLOCK_VOXELS];
        byte[] raw = new byte[BLOCK_VOXELS * codec.bytes()];
        long total = 0;
        int i = 0;
        int j = 0;
        int k = 0;
        int c = 0;
        for (int done = 0; done < values.length; ) {
            int n = Math.min(BLOCK_VOXELS, values.length - done);
            int read = in.read(raw, n * codec.bytes());
            total += read;
            if (read < n * codec.bytes()) {
                return total;
            }
            codec.decode(raw, n, block);
            for (int p = 0; p < n; p++) {
                values[((c * ni + i) * nj + j) * nk + k] = block[p];
                if (++i == ni) {
                    i = 0;
                    if (++j == nj) {
                        j = 0;
                        if (++k == nk) {
                            k = 0;
                            c++;
                        }
                    }
                }
            }
            done += n;
        }
        return total;
    }

    /** Writes the array in the file's order. */
    void toFile(float[] values, VoxelCodec codec, OutputStream out) throws IOException {
        if (plane > LARGE_PLANE) {
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
