package org.segformer3d.data.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.data.io.CorruptFileException;
import org.segformer3d.data.io.UnsupportedFileException;

/** Reads the tensors of a parsed file that somebody wants. */
final class TensorResolver {
    private static final int MAX_DEPTH = 200;
    /** Tensors may share and repeat what is stored, but not take a file's size many times over. */
    private static final int GROWTH = 16;

    private static final long ALLOWANCE = 1 << 26;

    private final String file;
    private final Map<Object, Object> resolved = new IdentityHashMap<>();
    private long budget;
    /** The storage read last: tensors that share one usually follow each other. */
    private Storage cached;

    private ByteBuffer cachedBytes;

    TensorResolver(ByteSource source) {
        this.file = source.name();
        this.budget = Math.addExact(Math.multiplyExact(GROWTH, source.size()), ALLOWANCE);
    }

    /** Returns whether a parsed value is a tensor or an array. */
    static boolean isTensor(Object value) {
        return value instanceof StoredTensor || value instanceof NumpyArray || value instanceof Unreadable;
    }

    /**
     * Returns a tensor with its values.
     *
     * @param where its name, for messages
     */
    HostTensor tensor(Object value, String where) throws IOException {
        HostTensor known = (HostTensor) resolved.get(value);
        if (known != null) {
            return known;
        }
        HostTensor tensor;
        if (value instanceof StoredTensor stored) {
            tensor = tensor(stored, where);
        } else if (value instanceof NumpyArray array) {
            if (array.obstacle() != null) {
                throw new UnsupportedFileException(file, where + " is " + array.obstacle() + ", which isn't read here");
            }
            charge(array.bytes(), where);
            tensor = array.tensor();
        } else if (value instanceof Unreadable part) {
            throw new UnsupportedFileException(file, where + " is " + part.what() + ", which isn't read here");
        } else {
            throw new UnsupportedFileException(file, where + " isn't a tensor");
        }
        resolved.put(value, tensor);
        return tensor;
    }

    /** Returns a parsed object with every tensor in it read. */
    Object tree(Object value, String where, int depth) throws IOException {
        if (depth > MAX_DEPTH) {
            throw new CorruptFileException(file, "its object is nested more than " + MAX_DEPTH + " levels deep");
        }
        if (isTensor(value)) {
            return tensor(value, where);
        }
        if (value instanceof Storage storage) {
            return tensor(
                    new StoredTensor(storage, storage.type(), 0, new long[] {storage.length()}, new long[] {1}), where);
        }
        if (value instanceof PickledGlobal global) {
            return new PickledObject(global.qualified(), List.of());
        }
        if (value instanceof NumpyType type) {
            return new PickledObject("numpy.dtype", List.of(type.code()));
        }
        Object known = resolved.get(value);
        if (known != null) {
            return known;
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> copy = new LinkedHashMap<>();
            resolved.put(value, copy);
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                copy.put(
                        tree(entry.getKey(), where, depth + 1),
                        tree(entry.getValue(), where + "." + label(entry.getKey()), depth + 1));
            }
            return copy;
        }
        if (value instanceof List<?> list) {
            List<Object> copy = new ArrayList<>();
            Object visible = list instanceof ArrayList<?> ? copy : Collections.unmodifiableList(copy);
            resolved.put(value, visible);
            for (int i = 0; i < list.size(); i++) {
                copy.add(tree(list.get(i), where + "[" + i + "]", depth + 1));
            }
            return visible;
        }
        if (value instanceof Set<?> set) {
            Set<Object> copy = new LinkedHashSet<>();
            for (Object element : set) {
                copy.add(tree(element, where, depth + 1));
            }
            return copy;
        }
        if (value instanceof PickledObject object) {
            List<Object> arguments = new ArrayList<>();
            PickledObject copy = new PickledObject(object.type(), arguments);
            resolved.put(value, copy);
            for (Object argument : object.arguments()) {
                arguments.add(tree(argument, where, depth + 1));
            }
            copy.setState(tree(object.state(), where, depth + 1));
            return copy;
        }
        return value;
    }

    private static String label(Object key) {
        return key instanceof String || key instanceof Number ? key.toString() : "…";
    }

    private HostTensor tensor(StoredTensor tensor, String where) throws IOException {
        Storage storage = tensor.storage();
        int elementBytes = tensor.type().bytes();
        if (tensor.type().dtype().isEmpty()) {
            throw new UnsupportedFileException(
                    file, where + " is a tensor of type " + tensor.type() + ", which isn't read here");
        }
        int resultBytes = tensor.type().dtype().get().bytes();
        long available = storage.length() * storage.type().bytes() / elementBytes;
        long elements;
        long last;
        try {
            elements = Shapes.elements(tensor.size());
            last = Math.addExact(tensor.offset(), StridedData.lastPosition(tensor.size(), tensor.stride()));
        } catch (ArithmeticException | IllegalArgumentException e) {
            throw new CorruptFileException(file, where + " has an impossible shape");
        }
        if (elements > 0 && last >= available) {
            throw new CorruptFileException(
                    file,
                    where + " reaches element " + last + " of its " + storage + ", which has " + available
                            + " of them");
        }
        long storageBytes = storage.elements() * storage.type().bytes();
        if (elements > Integer.MAX_VALUE / resultBytes || storageBytes > Integer.MAX_VALUE) {
            throw new UnsupportedFileException(
                    file, where + " (" + Shapes.text(tensor.size()) + ") or its storage exceeds 2 GiB");
        }
        if (elements == 0) {
            return HostTensor.zeros(tensor.type().dtype().get(), tensor.size());
        }
        if (!storage.equals(cached)) {
            charge(storageBytes, where);
            cachedBytes = storage.owner().load(storage);
            cached = storage;
        }
        charge(elements * resultBytes, where);
        int base = (int) (storage.first() * storage.type().bytes());
        ByteBuffer view =
                cachedBytes.slice(base, (int) (storage.length() * storage.type().bytes()));
        return StridedData.tensor(
                view, tensor.type(), storage.bigEndian(), tensor.offset(), tensor.size(), tensor.stride());
    }

    private void charge(long bytes, String where) throws IOException {
        budget -= bytes;
        if (budget < 0) {
            throw new UnsupportedFileException(
                    file, "its tensors up to " + where + " take more than " + GROWTH + " times the file's size");
        }
    }
}
