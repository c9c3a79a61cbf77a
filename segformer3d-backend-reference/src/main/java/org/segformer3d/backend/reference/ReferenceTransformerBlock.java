package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.TransformerBlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.block.SelfAttention;
import org.segformer3d.api.block.TransformerBlock;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** z = x + attention(LayerNorm₁ x); y = z + mlp(LayerNorm₂ z), around any attention and any Mix-FFN. */
final class ReferenceTransformerBlock implements TransformerBlock {
    private final ReferenceBackend backend;
    private final TransformerBlockSpec spec;
    private final LayerNorm norm1;
    private final LayerNorm norm2;
    private final SelfAttention attention;
    private final MixFeedForward feedForward;

    ReferenceTransformerBlock(
            ReferenceBackend backend,
            TransformerBlockSpec spec,
            BlockParameters parameters,
            SelfAttention attention,
            MixFeedForward feedForward) {
        this.backend = backend;
        this.spec = spec;
        this.norm1 = Weights.layerNorm(backend, parameters, "norm1.", spec.dim());
        this.norm2 = Weights.layerNorm(backend, parameters, "norm2.", spec.dim());
        this.attention = attention;
        this.feedForward = feedForward;
    }

    @Override
    public TransformerBlockSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, Tensor x, Grid grid) {
        ReferenceScope owner = backend.scope(scope);
        TokenInput input = TokenInput.of(backend, x, spec.dim(), grid);
        try (ReferenceScope inner = new ReferenceScope(backend)) {
            Tensor normalized = input.like(inner, norm1.apply(backend.loops(), input.data()));
            double[] z = sum(input.data(), attention.forward(inner, normalized, grid), grid);
            normalized.close();
            Tensor normalizedAgain = input.like(inner, norm2.apply(backend.loops(), z));
            return input.like(owner, sum(z, feedForward.forward(inner, normalizedAgain, grid), grid));
        }
    }

    private double[] sum(double[] a, Tensor tensor, Grid grid) {
        double[] b = TokenInput.of(backend, tensor, spec.dim(), grid).data();
        double[] result = new double[a.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = a[i] + b[i];
        }
        tensor.close();
        return result;
    }

    @Override
    public void close() {
        attention.close();
        feedForward.close();
    }
}
