package org.segformer3d.api.block;

import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Mix-FFN: fc2(GELU(BatchNorm(DWConv3d(fc1 x)))).
 *
 * <p>The depth-wise 3³ convolution (padding 1, bias) over the tokens' grid stands in for positional encoding. GELU is the exact
 * x·Φ(x) with the error function (arXiv 2404.10156, eq. 3; the published code has the BatchNorm3d).
 */
public interface MixFeedForward extends Block {
    @Override
    BlockSpec.MixFeedForwardSpec spec();

    /**
     * Applies the block.
     *
     * @param scope owner of the result
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     * @throws IllegalStateException when x or the scope is closed
     */
    Tensor forward(Scope scope, Tensor x, Grid grid);
}
