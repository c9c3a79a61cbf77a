package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/** PyTorch's format since 1.6: a zip file with {@code NAME/data.pkl} and one entry {@code NAME/data/KEY} per storage. */
final class ZipStorages implements Storages {
    private static final String PICKLE = "data.pkl";

    private final ByteSource source;
    private final ZipDirectory directory;
    private final String prefix;
    private final boolean bigEndian;
    private final Map<String, Storage> storages = new HashMap<>();

    private ZipStorages(ByteSource source, ZipDirectory directory, String prefix, boolean bigEndian) {
        this.source = source;
        this.directory = directory;
        this.prefix = prefix;
        this.bigEndian = bigEndian;
    }

    /** Returns the object in the file, its tensors not read yet. */
    static Object parse(ByteSource source, int depth) throws IOException {
        ZipDirectory directory = ZipDirectory.read(source);
        String pickle = null;
        for (String name : directory.entries().keySet()) {
            boolean topLevel =
                    name.equals(PICKLE) || name.endsWith("/" + PICKLE) && name.indexOf('/') == name.lastIndexOf('/');
            if (topLevel) {
                if (pickle != null) {
                    throw new CorruptFileException(
                            source.name(), "holds both '" + pickle + "' and '" + name + "', expected one " + PICKLE);
                }
                pickle = name;
            }
        }
        if (pickle == null) {
            throw new UnsupportedFileException(
                    source.name(),
                    "is a zip file with " + Names.list(directory.entries().keySet())
                            + ", expected NAME/data.pkl as PyTorch writes it");
        }
        String prefix = pickle.substring(0, pickle.length() - PICKLE.length());
        if (directory.entries().containsKey(prefix + "constants.pkl")) {
            throw new UnsupportedFileException(
                    source.name(),
                    "is a TorchScript archive, expected a state dict; save it with torch.save(model.state_dict(), …)");
        }
        ZipStorages storages =
                new ZipStorages(source, directory, prefix, isBigEndian(source, directory, prefix + "byteorder"));
        ZipDirectory.Entry entry = directory.entries().get(pickle);
        long position = directory.position(entry);
        storages.checkSum(entry, position);
        return Unpickler.load(new PickleInput(source, position, position + entry.size()), storages, depth);
    }

    private static boolean isBigEndian(ByteSource source, ZipDirectory directory, String name) throws IOException {
        ZipDirectory.Entry entry = directory.entries().get(name);
        if (entry == null) {
            return false;
        }
        String order = entry.size() > 6
                ? "something longer"
                : StandardCharsets.US_ASCII
                        .decode(source.bytes(directory.position(entry), (int) entry.size()))
                        .toString();
        if (!order.equals("little") && !order.equals("big")) {
            throw new CorruptFileException(source.name(), "has the byte order '" + order + "', expected little or big");
        }
        return order.equals("big");
    }

    @Override
    public Storage resolve(List<?> id) throws IOException {
        Storage storage = StorageIds.whole(this, id, source.name(), bigEndian);
        ZipDirectory.Entry entry = directory.entries().get(prefix + "data/" + storage.key());
        if (entry == null) {
            throw new CorruptFileException(
                    source.name(), "has no entry '" + prefix + "data/" + storage.key() + "', which a tensor needs");
        }
        if (entry.size() != storage.elements() * storage.type().bytes()) {
            throw new CorruptFileException(
                    source.name(),
                    "entry '" + entry.name() + "' has " + entry.size() + " bytes, expected " + storage.elements() + " "
                            + storage.type() + " elements");
        }
        // The same object for the same key lets a storage that several tensors share be read once.
        Storage known = storages.putIfAbsent(storage.key(), storage);
        if (known != null && !known.equals(storage)) {
            throw new CorruptFileException(
                    source.name(), "tensors disagree about the type or size of storage '" + storage.key() + "'");
        }
        return known != null ? known : storage;
    }

    @Override
    public ByteBuffer load(Storage storage) throws IOException {
        ZipDirectory.Entry entry = directory.entries().get(prefix + "data/" + storage.key());
        long position = directory.position(entry);
        ByteBuffer bytes = ByteBuffer.allocateDirect((int) entry.size());
        source.read(position, bytes);
        bytes.flip();
        CRC32 sum = new CRC32();
        sum.update(bytes.duplicate());
        compare(entry, sum);
        return bytes;
    }

    private void checkSum(ZipDirectory.Entry entry, long position) throws IOException {
        CRC32 sum = new CRC32();
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(1 << 16, entry.size()));
        for (long done = 0; done < entry.size(); done += buffer.limit()) {
            buffer.clear().limit((int) Math.min(buffer.capacity(), entry.size() - done));
            source.read(position + done, buffer);
            sum.update(buffer.flip());
        }
        compare(entry, sum);
    }

    private void compare(ZipDirectory.Entry entry, CRC32 sum) throws IOException {
        // 0 is what PyTorch writes when it is told not to compute sums (torch.serialization.set_crc32_options).
        if (entry.crc() != 0 && entry.crc() != (int) sum.getValue()) {
            throw new CorruptFileException(
                    source.name(),
                    String.format(
                            "entry '%s' has the CRC-32 %08x, expected %08x; copy the file again",
                            entry.name(), (int) sum.getValue(), entry.crc()));
        }
    }
}
