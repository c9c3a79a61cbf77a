package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PatchEmbedding;
import org.segformer3d.api.block.Tokens;
import org.segformer3d.api.tensor.Scope;

/** Overlapped patch embedding: LayerNorm(tokens(Conv3d(x))). */
final class PlainPatchEmbedding implements PatchEmbedding {
    private final Weights weights;
    private final PatchEmbeddingSpec spec;
    private final Tensor convWeight;
    private final Tensor convBias;
    private final Tensor normWeight;
    private final Tensor normBias;

    PlainPatchEmbedding(Weights weights, PatchEmbeddingSpec spec) {
        this.weights = weights;
        this.spec = spec;
        this.convWeight = weights.get("patch_embeddings.weight");
        this.convBias = weights.get("patch_embeddings.bias");
        this.normWeight = weights.get("norm.weight");
        this.normBias = weights.get("norm.bias");
    }

    @Override
    public PatchEmbeddingSpec spec() {
        return spec;
    }

    @Override
    public Tokens forward(Scope scope, org.segformer3d.api.tensor.Tensor x) {
        Tensor volume = weights.volume(x, spec.inChannels());
        Grid grid = Grid.of(x.shape()).convolved(spec.kernel(), spec.stride(), spec.padding());
        return new Tokens(
                weights.compute(scope, () -> {
                    Tensor y = Functional.conv3d(
                            volume.to(convWeight.scalar_type()),
                            convWeight,
                            convBias,
                            spec.stride(),
                            spec.padding(),
                            1);
                    return Functional.layerNorm(Functional.tokens(y), normWeight, normBias);
                }),
                grid);
    }
}
