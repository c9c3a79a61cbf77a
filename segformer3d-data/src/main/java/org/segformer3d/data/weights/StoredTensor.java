package org.segformer3d.data.weights;

/**
 * A tensor as the pickle describes it, not read yet.
 *
 * <p>Compared by identity: old optimizers use tensors as keys.
 */
final class StoredTensor {
    private final Storage storage;
    private final ElementType type;
    private final long offset;
    private final long[] size;
    private final long[] stride;

    StoredTensor(Storage storage, ElementType type, long offset, long[] size, long[] stride) {
        this.storage = storage;
        this.type = type;
        this.offset = offset;
        this.size = size;
        this.stride = stride;
    }

    Storage storage() {
        return storage;
    }

    /** Returns the elements' type, which differs from the storage's when that is untyped. */
    ElementType type() {
        return type;
    }

    /** Returns the element of the storage where this tensor begins. */
    long offset() {
        return offset;
    }

    long[] size() {
        return size;
    }

    long[] stride() {
        return stride;
    }
}
