package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Makes tokens of a volume or feature map; see {@link OverlappedPatchEmbedding}. */
public interface PatchEmbedding extends Layer {
    /**
     * Embeds.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it
     * @param x (B,C,D,H,W) with C = spec.inChannels()
     * @return tokens (B,N,E) and their grid
     * @throws IllegalArgumentException when x has another rank or channel count or is smaller than the kernel
     */
    Tokens forward(Ops ops, PatchEmbeddingSpec spec, BlockParameters parameters, Tensor x);
}
