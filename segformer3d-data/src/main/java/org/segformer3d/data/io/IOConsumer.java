package org.segformer3d.data.io;

import java.io.IOException;

/**
 * Something that takes a value and may fail as input and output do.
 *
 * @param <T> what it takes
 */
@FunctionalInterface
public interface IOConsumer<T> {
    /**
     * Takes the value.
     *
     * @throws IOException when reading or writing fails
     */
    void accept(T value) throws IOException;
}
