package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Lets tokens look at each other; see {@link EfficientSelfAttention}. */
public interface SelfAttention extends Layer {
    /**
     * Attends.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid, or the grid is smaller than the sr ratio
     */
    Tensor forward(Ops ops, SelfAttentionSpec spec, BlockParameters parameters, Tensor x, Grid grid);
}
