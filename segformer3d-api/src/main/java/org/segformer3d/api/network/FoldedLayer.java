package org.segformer3d.api.network;

/** A block of the folded form. */
abstract class FoldedLayer implements Layer {
    @Override
    public final String name() {
        return "folded";
    }

    /** All of one class are the same. */
    @Override
    public final boolean equals(Object other) {
        return other != null && other.getClass() == getClass();
    }

    @Override
    public final int hashCode() {
        return getClass().hashCode();
    }
}
