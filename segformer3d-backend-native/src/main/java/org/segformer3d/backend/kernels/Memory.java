package org.segformer3d.backend.kernels;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.concurrent.atomic.AtomicBoolean;

/** Zeroed memory outside the Java heap, given back when it is closed. */
final class Memory implements AutoCloseable {
    private final long address;
    private final long bytes;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * Allocates.
     *
     * @param bytes ≥ 1
     * @throws OutOfMemoryError when the system has none left
     */
    Memory(long bytes) {
        this.bytes = bytes;
        this.address = Kernels.allocate(bytes);
        if (address == 0) {
            throw new OutOfMemoryError("the system gave no " + (bytes >> 20) + " MiB outside the Java heap");
        }
    }

    /** Returns memory for this many floats. */
    static Memory floats(long count) {
        return new Memory(Math.max(64, Math.multiplyExact(count, 4L)));
    }

    long address() {
        if (closed.get()) {
            throw new IllegalStateException("this memory was given back");
        }
        return address;
    }

    long bytes() {
        return bytes;
    }

    /** Returns a view of the floats; not to be used after closing. At most 2 GiB. */
    FloatBuffer asFloats() {
        return asBytes().asFloatBuffer();
    }

    /** Returns a view in the processor's order of bytes; not to be used after closing. At most 2 GiB. */
    ByteBuffer asBytes() {
        return Kernels.buffer(address(), Math.min(bytes, Integer.MAX_VALUE)).order(ByteOrder.nativeOrder());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Kernels.release(address, bytes);
        }
    }
}
