package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/**
 * Efficient self-attention: proj(softmax(q kᵀ / √d) v) per head, with d = C / heads.
 *
 * <p>q = Linear(x). Keys and values come from a reduced sequence y of M tokens: for an sr ratio R &gt; 1,
 * y = LayerNorm(tokens(Conv3d(x; kernel = stride = R))), M ≈ N / R³; for R = 1, y = x. One Linear of y gives both: its output
 * (B,M,2,heads,d) holds keys before values. Cost falls from O(N²) to O(N²/R³) (arXiv 2404.10156, eq. 1–2).
 */
final class EfficientSelfAttention extends PaperLayer implements SelfAttention {
    @Override
    public Tensor forward(Ops ops, SelfAttentionSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        // refuses a grid smaller than the reduction
        grid.convolved(spec.srRatio(), spec.srRatio(), PerAxis.of(0));
        return ops.part(inner -> {
            long batch = x.shape()[0];
            long heads = spec.heads();
            long width = spec.dim() / heads;
            Tensor q = inner.permute(
                    inner.reshape(linear(inner, parameters, "query", x), batch, grid.tokens(), heads, width),
                    0,
                    2,
                    1,
                    3);
            Tensor y = spec.reduces() ? reduced(inner, spec, parameters, x, grid) : x;
            long m = y.shape()[1];
            Tensor kv = inner.permute(
                    inner.reshape(linear(inner, parameters, "key_value", y), batch, m, 2, heads, width), 2, 0, 3, 1, 4);
            Tensor k = inner.reshape(inner.slice(kv, 0, 0, 1), batch, heads, m, width);
            Tensor v = inner.reshape(inner.slice(kv, 0, 1, 2), batch, heads, m, width);
            Tensor attended = inner.attention(q, k, v, 1 / Math.sqrt(width), null, 0);
            Tensor joined = inner.reshape(inner.permute(attended, 0, 2, 1, 3), batch, grid.tokens(), spec.dim());
            return linear(inner, parameters, "proj", joined);
        });
    }

    private static Tensor reduced(Ops ops, SelfAttentionSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        return ops.part(inner -> inner.layerNorm(
                Tokens.of(
                        inner,
                        inner.convolution(
                                Tokens.map(inner, x, grid),
                                parameters.get("sr.weight"),
                                parameters.get("sr.bias"),
                                spec.srRatio().toArray(),
                                NONE,
                                1)),
                parameters.get("sr_norm.weight"),
                parameters.get("sr_norm.bias"),
                BlockSpec.NORM_EPSILON));
    }

    private static Tensor linear(Ops ops, BlockParameters parameters, String name, Tensor x) {
        return ops.linear(x, parameters.get(name + ".weight"), parameters.get(name + ".bias"));
    }
}
