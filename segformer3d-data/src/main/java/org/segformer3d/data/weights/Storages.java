package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;

/** Where the numbers of a PyTorch file's tensors lie. */
interface Storages {
    /**
     * Returns the storage that a persistent id of the pickle means.
     *
     * @param id the id's parts, starting with {@code storage}
     */
    Storage resolve(List<?> id) throws IOException;

    /** Reads all bytes of a storage. */
    ByteBuffer load(Storage storage) throws IOException;
}
