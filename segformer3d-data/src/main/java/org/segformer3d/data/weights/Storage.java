package org.segformer3d.data.weights;

/**
 * A run of numbers that tensors are views of.
 *
 * @param owner reads it
 * @param key its name in the file
 * @param type how elements are stored
 * @param elements number of elements of the whole
 * @param first the element where this view of the whole begins
 * @param length number of elements of this view
 * @param bigEndian whether the bytes of an element are stored most significant first
 */
record Storage(
        Storages owner, String key, ElementType type, long elements, long first, long length, boolean bigEndian) {
    @Override
    public String toString() {
        return "storage '" + key + "' of " + elements + " " + type;
    }
}
