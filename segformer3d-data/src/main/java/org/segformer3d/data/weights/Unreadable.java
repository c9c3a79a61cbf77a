package org.segformer3d.data.weights;

/**
 * A part of a pickle that is harmless and can't be represented: reading fails only when somebody wants that part.
 *
 * @param what for example {@code a sparse tensor}
 */
record Unreadable(String what) {}
