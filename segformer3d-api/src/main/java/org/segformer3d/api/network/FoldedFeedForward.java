package org.segformer3d.api.network;

import static org.segformer3d.api.block.ParameterSpec.Role.NORM_BIAS;
import static org.segformer3d.api.block.ParameterSpec.Role.NORM_WEIGHT;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_MEAN;
import static org.segformer3d.api.block.ParameterSpec.Role.RUNNING_VARIANCE;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.block.ParameterSpec.Role;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Mix-FFN whose BatchNorm is in its convolution: fc2(GELU(DWConv3d(fc1 x))). */
final class FoldedFeedForward extends FoldedLayer implements FeedForward {
    private static final Set<Role> GONE =
            EnumSet.of(NORM_WEIGHT, NORM_BIAS, RUNNING_MEAN, RUNNING_VARIANCE, Role.BATCHES_TRACKED);

    @Override
    public List<ParameterSpec> parameters(BlockSpec spec) {
        return spec.parameters().stream()
                .filter(parameter -> !GONE.contains(parameter.role()))
                .toList();
    }

    @Override
    public Tensor forward(Ops ops, MixFeedForwardSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        return ops.part(inner -> {
            Tensor activated =
                    inner.part(deeper -> deeper.gelu(MixFeedForward.mixed(deeper, spec, parameters, x, grid)));
            return inner.linear(Tokens.of(inner, activated), parameters.get("fc2.weight"), parameters.get("fc2.bias"));
        });
    }
}
