package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.SelfAttentionSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.tensor.Scope;

/** Efficient self-attention with its matrix of weights in memory. */
final class PlainSelfAttention implements SelfAttention {
    private final Weights weights;
    private final SelfAttentionSpec spec;

    PlainSelfAttention(Weights weights, SelfAttentionSpec spec) {
        this.weights = weights;
        this.spec = spec;
    }

    @Override
    public SelfAttentionSpec spec() {
        return spec;
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor x, Grid grid) {
        Tensor tokens = weights.tokens(x, spec.dim(), grid);
        // throws where the grid is smaller than the reduction
        grid.convolved(spec.srRatio(), spec.srRatio(), PerAxis.of(0));
        return weights.compute(scope, () -> attend(tokens, grid));
    }

    private Tensor attend(Tensor x, Grid grid) {
        long batch = x.size(0);
        long n = x.size(1);
        long c = spec.dim();
        long heads = spec.heads();
        long d = c / heads;
        Tensor q = Functional.linear(x, weights.get("query.weight"), weights.get("query.bias"))
                .reshape(batch, n, heads, d)
                .permute(0, 2, 1, 3);
        Tensor y = spec.reduces() ? reduce(x, grid) : x;
        Tensor kv = Functional.linear(y, weights.get("key_value.weight"), weights.get("key_value.bias"))
                .reshape(batch, y.size(1), 2, heads, d)
                .permute(2, 0, 3, 1, 4);
        Tensor k = kv.select(0, 0);
        Tensor v = kv.select(0, 1);
        Tensor scores = torch.matmul(q, k.transpose(-2, -1)).mul(new Scalar(1 / Math.sqrt(d)));
        Tensor attended =
                torch.matmul(torch.softmax(scores, -1), v).transpose(1, 2).reshape(batch, n, c);
        return Functional.linear(attended, weights.get("proj.weight"), weights.get("proj.bias"));
    }

    private Tensor reduce(Tensor x, Grid grid) {
        Tensor reduced = Functional.conv3d(
                Functional.map(x, grid).contiguous(),
                weights.get("sr.weight"),
                weights.get("sr.bias"),
                spec.srRatio(),
                PerAxis.of(0),
                1);
        return Functional.layerNorm(
                Functional.tokens(reduced), weights.get("sr_norm.weight"), weights.get("sr_norm.bias"));
    }
}
