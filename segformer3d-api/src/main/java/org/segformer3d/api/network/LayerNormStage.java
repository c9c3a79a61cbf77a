package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** The end of an encoder stage: LayerNorm over each token, the tokens then seen as a feature map. */
final class LayerNormStage extends PaperLayer implements StageNorm {
    @Override
    public Tensor forward(Ops ops, StageNormSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        return ops.part(inner -> Tokens.map(
                inner,
                inner.layerNorm(x, parameters.get("weight"), parameters.get("bias"), BlockSpec.NORM_EPSILON),
                grid));
    }
}
