package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Computes with each token and its neighbours; see {@link MixFeedForward}. */
public interface FeedForward extends Layer {
    /**
     * Applies the block.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     */
    Tensor forward(Ops ops, MixFeedForwardSpec spec, BlockParameters parameters, Tensor x, Grid grid);
}
