package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/** LayerNorm(tokens(Conv3d(x))). */
final class ReferencePatchEmbedding implements PatchEmbedding {
    private final ReferenceBackend backend;
    private final PatchEmbeddingSpec spec;
    private final Convolution convolution;
    private final LayerNorm norm;

    ReferencePatchEmbedding(ReferenceBackend backend, PatchEmbeddingSpec spec, BlockParameters parameters) {
        this.backend = backend;
        this.spec = spec;
        this.convolution = Weights.convolution(
                backend,
                parameters,
                "patch_embeddings",
                spec.inChannels(),
                spec.embedDim(),
                spec.kernel(),
                spec.stride(),
                spec.padding());
        this.norm = Weights.layerNorm(backend, parameters, "norm.", spec.embedDim());
    }

    @Override
    public PatchEmbeddingSpec spec() {
        return spec;
    }

    @Override
    public Tokens forward(Scope scope, Tensor x) {
        ReferenceScope owner = backend.scope(scope);
        ReferenceTensor input = backend.tensor(x);
        long[] shape = input.shape();
        if (shape.length != 5 || shape[0] < 1 || shape[1] != spec.inChannels()) {
            throw new IllegalArgumentException("patch embedding: found shape " + Shapes.text(shape) + ", expected (B,"
                    + spec.inChannels() + ",D,H,W)");
        }
        int batch = Math.toIntExact(shape[0]);
        Grid grid = Grid.of(shape);
        Grid result = convolution.grid(grid);
        double[] tokens = convolution.apply(backend.loops(), input.data(), batch, grid);
        double[] normalized = norm.apply(backend.loops(), tokens);
        return new Tokens(owner.own(normalized, batch, result.tokens(), spec.embedDim()), result);
    }
}
