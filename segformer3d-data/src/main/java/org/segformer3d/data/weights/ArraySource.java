package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.segformer3d.data.io.CorruptFileException;

/** Bytes in memory that were found inside a file. */
final class ArraySource implements ByteSource {
    private final String name;
    private final byte[] bytes;

    ArraySource(String name, byte[] bytes) {
        this.name = name;
        this.bytes = bytes;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long size() {
        return bytes.length;
    }

    @Override
    public void read(long position, ByteBuffer into) throws IOException {
        if (position < 0 || position > bytes.length - into.remaining()) {
            throw new CorruptFileException(name, "ends before byte " + (position + into.remaining()));
        }
        into.put(bytes, (int) position, into.remaining());
    }
}
