package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.tensor.Scope;

/** End of a stage: LayerNorm, the tokens then seen as a feature map. */
final class PlainStageNorm implements StageNorm {
    private final Weights weights;
    private final StageNormSpec spec;

    PlainStageNorm(Weights weights, StageNormSpec spec) {
        this.weights = weights;
        this.spec = spec;
    }

    @Override
    public StageNormSpec spec() {
        return spec;
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor x, Grid grid) {
        Tensor tokens = weights.tokens(x, spec.dim(), grid);
        return weights.compute(
                scope,
                () -> Functional.map(Functional.layerNorm(tokens, weights.get("weight"), weights.get("bias")), grid)
                        .contiguous());
    }
}
