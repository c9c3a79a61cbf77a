package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Puts an attention and a feed-forward together, whoever computes them; see {@link PreNormBlock}. */
public interface TransformerBlock extends Layer {
    /**
     * Applies the block.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it: its own, the attention's below {@code attention.} and the
     *     feed-forward's below {@code mlp.}
     * @param attention the attention inside
     * @param feedForward the feed-forward inside
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     */
    Tensor forward(
            Ops ops,
            TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            FeedForward feedForward,
            Tensor x,
            Grid grid);
}
