package org.segformer3d.data.preprocessing;

import java.util.List;
import java.util.Objects;
import org.segformer3d.api.block.Grid;

/**
 * A scan to predict as a network sees it, in the arrays its preparation ended with: there is one copy of every value in the process.
 *
 * @param channels one per channel, to be read only
 * @param restoration the way back, never {@code null}
 */
public record PreparedScan(List<Channel> channels, Restoration restoration) {
    /**
     * A channel's values in C order.
     *
     * @param values an array that holds them, perhaps among others
     * @param offset index of the first one
     */
    public record Channel(float[] values, int offset) {}

    /** Checks that every channel is whole. */
    public PreparedScan {
        channels = List.copyOf(channels);
        int voxels = Objects.requireNonNull(restoration, "restoration")
                .preparedGeometry()
                .size()
                .tokens();
        for (Channel channel : channels) {
            Objects.checkFromIndexSize(channel.offset(), voxels, channel.values().length);
        }
    }

    /** Returns the spatial size D×H×W. */
    public Grid size() {
        return restoration.preparedGeometry().size();
    }
}
