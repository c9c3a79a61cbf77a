package org.segformer3d.data.voxel;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteOrder;
import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.data.volume.ChannelSource;
import org.segformer3d.data.volume.VoxelType;

/** Writes the voxels of an image, channel after channel, in a file's order. */
public final class VoxelWriter {
    private final VoxelLayout layout;
    private final VoxelCodec codec;
    private final int channels;
    private final int voxels;
    private final ChannelSource source;

    /**
     * Creates a writer.
     *
     * @throws IllegalArgumentException when there is no channel
     */
    public VoxelWriter(Grid size, int channels, VoxelType type, ByteOrder order, ChannelSource source) {
        if (channels < 1) {
            throw new IllegalArgumentException("expected at least one channel, found " + channels);
        }
        this.layout = new VoxelLayout(1, size);
        this.codec = VoxelCodec.of(type, order);
        this.channels = channels;
        this.voxels = size.tokens();
        this.source = Objects.requireNonNull(source, "source");
    }

    /**
     * Writes all channels.
     *
     * @throws IllegalArgumentException when a channel has another number of values
     */
    public void writeTo(OutputStream out) throws IOException {
        for (int c = 0; c < channels; c++) {
            float[] values = source.channel(c);
            if (values.length != voxels) {
                throw new IllegalArgumentException(
                        "channel " + c + " has " + values.length + " values, expected " + voxels);
            }
            layout.toFile(values, codec, out);
        }
    }
}
