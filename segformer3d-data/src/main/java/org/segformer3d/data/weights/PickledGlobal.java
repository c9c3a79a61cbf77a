package org.segformer3d.data.weights;

/**
 * The name of a Python class, function or constant that a pickle mentions and that is on the allow-list.
 *
 * @param module for example {@code torch}
 * @param name for example {@code float32}
 */
record PickledGlobal(String module, String name) {
    String qualified() {
        return module + "." + name;
    }
}
