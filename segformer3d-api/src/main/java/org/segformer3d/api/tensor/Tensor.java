package org.segformer3d.api.tensor;

import java.nio.FloatBuffer;

/**
 * An opaque array owned by a backend: shape, element type and device, with copies out to the host.
 *
 * <p>A tensor belongs to a {@link Scope} and lives until that scope or the tensor itself is closed. Closing twice is allowed;
 * every other call on a closed tensor throws {@link IllegalStateException}. A tensor may be read by several threads at once.
 */
public interface Tensor extends AutoCloseable {
    /** Returns a copy of the shape, slowest axis first. */
    long[] shape();

    /** Returns the element type. */
    DType dtype();

    /** Returns the device that holds the elements. */
    Device device();

    /** Returns a copy of the elements in the Java process, C order, in this tensor's element type. */
    HostTensor toHost();

    /**
     * Copies the elements, in C order and as float32, to a buffer from its position on, which advances.
     *
     * @throws IllegalArgumentException when fewer elements remain in the buffer than this tensor has
     */
    void copyTo(FloatBuffer target);

    /**
     * Moves ownership to another scope of the same backend, so that this tensor outlives the scope it was made in.
     *
     * @return this tensor
     * @throws IllegalArgumentException when the scope belongs to another backend
     */
    Tensor moveTo(Scope scope);

    /** Returns whether this tensor or its scope was closed. */
    boolean isClosed();

    /** Releases the memory. Has no effect on a closed tensor. */
    @Override
    void close();
}
