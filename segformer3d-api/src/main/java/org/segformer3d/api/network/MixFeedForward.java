package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.BatchNormState;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/**
 * Mix-FFN: fc2(GELU(BatchNorm(DWConv3d(fc1 x)))).
 *
 * <p>The depth-wise 3³ convolution (padding 1, bias) over the tokens' grid stands in for positional encoding. GELU is the exact
 * x·Φ(x) with the error function (arXiv 2404.10156, eq. 3; the published code has the BatchNorm3d).
 */
final class MixFeedForward extends PaperLayer implements FeedForward {
    @Override
    public Tensor forward(Ops ops, MixFeedForwardSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        Tokens.require(x, spec.dim(), grid);
        return ops.part(inner -> {
            Tensor mixed = mixed(inner, spec, parameters, x, grid);
            Tensor activated = inner.part(deeper -> deeper.gelu(deeper.batchNorm(
                    mixed,
                    batchNorm(parameters.at("dwconv.bn.")),
                    BlockSpec.BATCH_NORM_MOMENTUM,
                    BlockSpec.NORM_EPSILON)));
            return inner.linear(Tokens.of(inner, activated), parameters.get("fc2.weight"), parameters.get("fc2.bias"));
        });
    }

    /** Returns DWConv3d(fc1 x), (B,rC,D,H,W). */
    static Tensor mixed(Ops ops, MixFeedForwardSpec spec, BlockParameters parameters, Tensor x, Grid grid) {
        return ops.part(inner -> inner.convolution(
                Tokens.map(inner, inner.linear(x, parameters.get("fc1.weight"), parameters.get("fc1.bias")), grid),
                parameters.get("dwconv.dwconv.weight"),
                parameters.get("dwconv.dwconv.bias"),
                ONE,
                ONE,
                spec.hidden()));
    }

    /** Returns the state of a BatchNorm under its official names. */
    static BatchNormState batchNorm(BlockParameters parameters) {
        return new BatchNormState(
                parameters.get("weight"),
                parameters.get("bias"),
                parameters.get("running_mean"),
                parameters.get("running_var"),
                parameters.find("num_batches_tracked").orElse(null));
    }
}
