package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.tensor.Scope;

/** Transformer block around any attention and Mix-FFN: z = x + attention(LayerNorm₁ x); y = z + mlp(LayerNorm₂ z). */
final class PlainTransformerBlock implements TransformerBlock {
    private final Weights weights;
    private final TransformerBlockSpec spec;
    private final SelfAttention attention;
    private final MixFeedForward feedForward;

    PlainTransformerBlock(
            Weights weights, TransformerBlockSpec spec, SelfAttention attention, MixFeedForward feedForward) {
        this.weights = weights;
        this.spec = spec;
        this.attention = attention;
        this.feedForward = feedForward;
    }

    @Override
    public TransformerBlockSpec spec() {
        return spec;
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor x, Grid grid) {
        Tensor tokens = weights.tokens(x, spec.dim(), grid);
        LibtorchBackend backend = weights.backend();
        try (Scope inner = backend.newScope()) {
            org.segformer3d.api.tensor.Tensor normed = weights.compute(
                    inner, () -> Functional.layerNorm(tokens, weights.get("norm1.weight"), weights.get("norm1.bias")));
            org.segformer3d.api.tensor.Tensor attended = attention.forward(inner, normed, grid);
            normed.close();
            Tensor a = weights.tokens(attended, spec.dim(), grid);
            org.segformer3d.api.tensor.Tensor z = weights.compute(inner, () -> tokens.add(a));
            attended.close();
            Tensor residual = LibtorchTensor.unwrap(backend, z);
            org.segformer3d.api.tensor.Tensor normed2 = weights.compute(
                    inner,
                    () -> Functional.layerNorm(residual, weights.get("norm2.weight"), weights.get("norm2.bias")));
            org.segformer3d.api.tensor.Tensor fed = feedForward.forward(inner, normed2, grid);
            Tensor f = weights.tokens(fed, spec.dim(), grid);
            return weights.compute(scope, () -> residual.add(f));
        }
    }

    @Override
    public void close() {
        attention.close();
        feedForward.close();
    }
}
