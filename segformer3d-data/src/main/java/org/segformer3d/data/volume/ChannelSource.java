package org.segformer3d.data.volume;

import java.io.IOException;

/** Where the channels of an image that is written come from, one after the other, so that they need not be in memory together. */
@FunctionalInterface
public interface ChannelSource {
    /** Returns the values of a channel in C order; asked for once each, in order. */
    float[] channel(int index) throws IOException;
}
