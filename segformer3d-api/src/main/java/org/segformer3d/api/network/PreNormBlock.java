package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Transformer block: z = x + attention(LayerNorm₁ x); y = z + mlp(LayerNorm₂ z). */
final class PreNormBlock extends PaperLayer implements TransformerBlock {
    @Override
    public Tensor forward(
            Ops ops,
            TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            FeedForward feedForward,
            Tensor x,
            Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        return ops.part(inner -> {
            Tensor z = inner.part(deeper -> deeper.add(
                    x,
                    attention.forward(
                            deeper,
                            spec.attention(),
                            parameters.at("attention."),
                            norm(deeper, parameters.at("norm1."), x),
                            grid)));
            return inner.add(
                    z,
                    feedForward.forward(
                            inner,
                            spec.feedForward(),
                            parameters.at("mlp."),
                            norm(inner, parameters.at("norm2."), z),
                            grid));
        });
    }

    private static Tensor norm(Ops ops, BlockParameters parameters, Tensor x) {
        return ops.layerNorm(x, parameters.get("weight"), parameters.get("bias"), BlockSpec.NORM_EPSILON);
    }
}
