package org.segformer3d.data.weights;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/**
 * PyTorch's format before 1.6: five pickles (magic number, version, system, object, storage keys), then for each key the number of
 * elements and the elements, little-endian on every machine.
 */
final class LegacyStorages implements Storages {
    private static final BigInteger MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
    private static final long VERSION = 1001;

    private final ByteSource source;
    private final Map<String, Storage> storages = new HashMap<>();
    private final Map<String, Long> positions = new HashMap<>();

    private LegacyStorages(ByteSource source) {
        this.source = source;
    }

    /** Returns the object in the file, its tensors not read yet; a pickle without PyTorch's magic number is read as it is. */
    static Object parse(ByteSource source, int depth) throws IOException {
        PickleInput in = new PickleInput(source, 0, source.size());
        Object first = Unpickler.load(in, null, depth);
        if (!MAGIC.equals(first)) {
            return first;
        }
        Object version = Unpickler.load(in, null, depth);
        if (!Long.valueOf(VERSION).equals(version)) {
            throw new UnsupportedFileException(
                    source.name(),
                    "has PyTorch's old format in version "
                            + (version instanceof Long ? version : "unknown")
                            + ", expected " + VERSION);
        }
        // What the writing machine was like; the data are little-endian whatever it says.
        Unpickler.load(in, null, depth);
        LegacyStorages storages = new LegacyStorages(source);
        Object object = Unpickler.load(in, storages, depth);
        if (!(Unpickler.load(in, null, depth) instanceof List<?> keys)) {
            throw new CorruptFileException(source.name(), "has no list of storages behind its object");
        }
        storages.locate(in, keys);
        return object;
    }

    @Override
    public Storage resolve(List<?> id) throws IOException {
        Storage whole = StorageIds.whole(this, id, source.name(), false);
        Storage known = storages.putIfAbsent(whole.key(), whole);
        if (known != null && !known.equals(whole)) {
            throw new CorruptFileException(
                    source.name(), "tensors disagree about the type or size of storage '" + whole.key() + "'");
        }
        Storage storage = known != null ? known : whole;
        if (id.size() > 5 && id.get(5) != null) {
            // (key, first element, number of elements): files from before 0.4 have storages inside storages.
            if (!(id.get(5) instanceof List<?> view)
                    || view.size() != 3
                    || !(view.get(1) instanceof Long first)
                    || !(view.get(2) instanceof Long length)
                    || first < 0
                    || length < 0
                    || first > storage.elements() - length) {
                throw new CorruptFileException(
                        source.name(), "a view of storage '" + storage.key() + "' that reaches outside of it");
            }
            return new Storage(this, storage.key(), storage.type(), storage.elements(), first, length, false);
        }
        return storage;
    }

    @Override
    public ByteBuffer load(Storage storage) throws IOException {
        Long position = positions.get(storage.key());
        if (position == null) {
            throw new CorruptFileException(
                    source.name(), "lacks storage '" + storage.key() + "', which a tensor needs");
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(
                (int) (storage.elements() * storage.type().bytes()));
        source.read(position, bytes);
        return bytes.flip();
    }

    private void locate(PickleInput in, List<?> keys) throws IOException {
        for (Object key : keys) {
            Storage storage = storages.get(key);
            if (storage == null) {
                throw new CorruptFileException(source.name(), "lists a storage that no tensor uses");
            }
            long elements = in.signedLong();
            if (elements != storage.elements()) {
                throw new CorruptFileException(
                        source.name(),
                        "storage '" + key + "' has " + elements + " elements, expected " + storage.elements());
            }
            long bytes = elements * storage.type().bytes();
            if (bytes > in.remaining()) {
                throw new CorruptFileException(
                        source.name(),
                        "storage '" + key + "' of " + bytes
                                + " bytes reaches past the end of the file: it is truncated;" + " copy it again");
            }
            if (positions.put(storage.key(), in.position()) != null) {
                throw new CorruptFileException(source.name(), "lists storage '" + key + "' twice");
            }
            in.skipTo(in.position() + bytes);
        }
    }
}
