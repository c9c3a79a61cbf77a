package org.segformer3d.data.weights;

import java.io.IOException;
import java.util.List;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/** Checks the persistent ids by which a pickle refers to storages: {@code ('storage', type, key, device, number of elements, …)}. */
final class StorageIds {
    private StorageIds() {}

    /** Returns the storage that an id means, as a whole. */
    static Storage whole(Storages owner, List<?> id, String file, boolean bigEndian) throws IOException {
        if (!id.isEmpty() && "module".equals(id.get(0))) {
            throw new UnsupportedFileException(
                    file,
                    "holds a whole module, expected a state dict; save it with torch.save(model.state_dict(), …)");
        }
        if (id.size() < 5
                || !"storage".equals(id.get(0))
                || !(id.get(2) instanceof String key)
                || !(id.get(4) instanceof Long elements)) {
            throw new CorruptFileException(file, "a persistent id that isn't ('storage', type, key, device, size)");
        }
        ElementType type = PickleCalls.storageType(id.get(1));
        if (type == null) {
            throw new CorruptFileException(file, "storage '" + key + "' has no known type");
        }
        if (elements < 0 || elements > Long.MAX_VALUE / type.bytes()) {
            throw new CorruptFileException(file, "storage '" + key + "' has " + elements + " elements");
        }
        return new Storage(owner, key, type, elements, 0, elements, bigEndian);
    }
}
