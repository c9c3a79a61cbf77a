package org.segformer3d.api.block;

import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Overlapped patch embedding: y = LayerNorm(tokens(Conv3d(x))).
 *
 * <p>Kernels larger than their stride make neighbouring patches overlap, which keeps local continuity (arXiv 2404.10156, §3).
 */
public interface PatchEmbedding extends Block {
    @Override
    BlockSpec.PatchEmbeddingSpec spec();

    /**
     * Embeds a volume or feature map.
     *
     * @param scope owner of the result
     * @param x (B,C,D,H,W) with C = spec().inChannels()
     * @return tokens (B,N,E) on the grid {@code Grid.of(x).convolved(kernel, stride, padding)}
     * @throws IllegalArgumentException when x has another rank or channel count or is smaller than the kernel
     * @throws IllegalStateException when x or the scope is closed
     */
    Tokens forward(Scope scope, Tensor x);
}
