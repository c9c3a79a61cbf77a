package org.segformer3d.api.network;

/** A block as the paper and the published code have it. */
abstract class PaperLayer implements Layer {
    static final String NAME = "paper";
    static final int[] ONE = {1, 1, 1};
    static final int[] NONE = {0, 0, 0};

    @Override
    public final String name() {
        return NAME;
    }
}
