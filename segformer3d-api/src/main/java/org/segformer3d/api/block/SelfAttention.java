package org.segformer3d.api.block;

import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Efficient self-attention: proj(softmax(q kᵀ / √d) v) per head, with d = C / heads.
 *
 * <p>q = Linear(x). Keys and values come from a reduced sequence y of M tokens: for sr ratio R &gt; 1,
 * y = LayerNorm(tokens(Conv3d(x; kernel = stride = R))), M ≈ N / R³; for R = 1, y = x. One Linear of y gives both: its output
 * (B,M,2,heads,d) holds keys before values. Cost falls from O(N²) to O(N²/R³) (arXiv 2404.10156, eq. 1–2).
 */
public interface SelfAttention extends Block {
    @Override
    BlockSpec.SelfAttentionSpec spec();

    /**
     * Attends.
     *
     * @param scope owner of the result
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens; each size at least the sr ratio
     * @return (B,N,C)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid, or the grid is smaller than the sr ratio
     * @throws IllegalStateException when x or the scope is closed
     */
    Tensor forward(Scope scope, Tensor x, Grid grid);
}
