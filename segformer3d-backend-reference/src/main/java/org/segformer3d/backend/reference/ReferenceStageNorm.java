package org.segformer3d.backend.reference;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.StageNorm;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/** LayerNorm over each token, then channels first. */
final class ReferenceStageNorm implements StageNorm {
    private final ReferenceBackend backend;
    private final StageNormSpec spec;
    private final LayerNorm norm;

    ReferenceStageNorm(ReferenceBackend backend, StageNormSpec spec, BlockParameters parameters) {
        this.backend = backend;
        this.spec = spec;
        this.norm = Weights.layerNorm(backend, parameters, "", spec.dim());
    }

    @Override
    public StageNormSpec spec() {
        return spec;
    }

    @Override
    public Tensor forward(Scope scope, Tensor x, Grid grid) {
        ReferenceScope owner = backend.scope(scope);
        TokenInput input = TokenInput.of(backend, x, spec.dim(), grid);
        double[] normalized = norm.apply(backend.loops(), input.data());
        return owner.own(
                Layout.toMaps(normalized, input.batch(), spec.dim(), input.tokens()),
                input.batch(),
                spec.dim(),
                grid.depth(),
                grid.height(),
                grid.width());
    }
}
