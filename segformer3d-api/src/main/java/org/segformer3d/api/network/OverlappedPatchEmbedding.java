package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * Overlapped patch embedding: y = LayerNorm(tokens(Conv3d(x))).
 *
 * <p>Kernels larger than their stride make neighbouring patches overlap, which keeps local continuity (arXiv 2404.10156, §3).
 */
final class OverlappedPatchEmbedding extends PaperLayer implements PatchEmbedding {
    @Override
    public Tokens forward(Ops ops, PatchEmbeddingSpec spec, BlockParameters parameters, Tensor x) {
        long[] shape = x.shape();
        if (shape.length != 5 || shape[0] < 1 || shape[1] != spec.inChannels()) {
            throw new IllegalArgumentException("patch embedding: found shape " + Shapes.text(shape) + ", expected (B,"
                    + spec.inChannels() + ",D,H,W)");
        }
        Grid grid = Grid.of(shape).convolved(spec.kernel(), spec.stride(), spec.padding());
        Tensor tokens = ops.part(inner -> inner.layerNorm(
                Tokens.of(
                        inner,
                        inner.convolution(
                                x,
                                parameters.get("patch_embeddings.weight"),
                                parameters.get("patch_embeddings.bias"),
                                spec.stride().toArray(),
                                spec.padding().toArray(),
                                1)),
                parameters.get("norm.weight"),
                parameters.get("norm.bias"),
                BlockSpec.NORM_EPSILON));
        return new Tokens(tokens, grid);
    }
}
