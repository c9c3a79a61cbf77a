package org.segformer3d.api.block;

/**
 * One block with its weights, made by a {@link LayerProvider} for one backend.
 *
 * <p>A block in {@link Mode#INFERENCE} is immutable and safe for concurrent use. Shapes below use B batch, C channels, N tokens,
 * D, H, W the spatial axes. A block doesn't close its inputs; results belong to the scope that is passed in; intermediate
 * results are released before the call returns.
 */
public interface Block extends AutoCloseable {
    /** Returns the block's sizes. */
    BlockSpec spec();

    /** Releases what the block prepared from its weights; the weights themselves belong to whoever loaded them. */
    @Override
    default void close() {}
}
