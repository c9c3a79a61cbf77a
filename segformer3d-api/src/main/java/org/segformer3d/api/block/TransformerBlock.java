package org.segformer3d.api.block;

import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** Transformer block: z = x + attention(LayerNorm₁ x); y = z + mlp(LayerNorm₂ z). */
public interface TransformerBlock extends Block {
    @Override
    BlockSpec.TransformerBlockSpec spec();

    /**
     * Applies the block.
     *
     * @param scope owner of the result
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens; each size at least the sr ratio
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     * @throws IllegalStateException when x or the scope is closed
     */
    Tensor forward(Scope scope, Tensor x, Grid grid);
}
