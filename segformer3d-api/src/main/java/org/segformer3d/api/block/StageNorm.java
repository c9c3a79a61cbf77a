package org.segformer3d.api.block;

import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** The end of an encoder stage: LayerNorm over each token, the tokens then seen as a feature map. */
public interface StageNorm extends Block {
    @Override
    BlockSpec.StageNormSpec spec();

    /**
     * Normalises and reshapes.
     *
     * @param scope owner of the result
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return feature map (B,C,D,H,W); its memory may be channels-last
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     * @throws IllegalStateException when x or the scope is closed
     */
    Tensor forward(Scope scope, Tensor x, Grid grid);
}
