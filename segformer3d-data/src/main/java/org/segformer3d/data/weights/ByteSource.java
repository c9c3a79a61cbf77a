package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Bytes at positions: a file, or an array found inside one. */
interface ByteSource {
    /** Returns the file's name for messages. */
    String name();

    /** Returns the number of bytes. */
    long size();

    /**
     * Fills the rest of a buffer.
     *
     * @throws IOException when the bytes asked for aren't all there
     */
    void read(long position, ByteBuffer into) throws IOException;

    /** Returns bytes in a new little-endian buffer; the caller has checked that they are there. */
    default ByteBuffer bytes(long position, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        read(position, buffer);
        return buffer.flip();
    }
}
