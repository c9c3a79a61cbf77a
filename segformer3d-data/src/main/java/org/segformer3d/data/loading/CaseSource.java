package org.segformer3d.data.loading;

import java.io.IOException;
import java.util.List;
import java.util.stream.IntStream;
import org.segformer3d.data.preprocessing.PreparedCase;

/**
 * A list of cases that are prepared when they are asked for.
 *
 * <p>Implementations are safe for use by several threads and give the same content each time for the same index.
 */
public interface CaseSource {
    /** Returns how many cases there are. */
    int size();

    /**
     * Returns the id of a case, unique in this source.
     *
     * @param index 0 … {@link #size()} − 1
     * @throws IndexOutOfBoundsException when there is no such case
     */
    String id(int index);

    /**
     * Returns a prepared case, which the caller only reads.
     *
     * @param index 0 … {@link #size()} − 1
     * @throws IOException when a file is missing or cannot be read
     * @throws IllegalArgumentException when the content cannot be used
     * @throws IndexOutOfBoundsException when there is no such case
     */
    PreparedCase load(int index) throws IOException;

    /** Returns all ids in order. */
    default List<String> ids() {
        return IntStream.range(0, size()).mapToObj(this::id).toList();
    }
}
