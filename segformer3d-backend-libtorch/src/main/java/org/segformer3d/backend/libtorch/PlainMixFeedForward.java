package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.MixFeedForwardSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.MixFeedForward;
import org.segformer3d.api.tensor.Scope;

/** Mix-FFN: fc2(GELU(BatchNorm(DWConv3d(fc1 x)))). */
final class PlainMixFeedForward implements MixFeedForward {
    private final Weights weights;
    private final MixFeedForwardSpec spec;
    private final SharedBatchNorm batchNorm;
    private final java.util.function.Supplier<Recording> recording;

    /** @param batchNorm for batches that processes share, else {@code null} */
    PlainMixFeedForward(
            Weights weights,
            MixFeedForwardSpec spec,
            SharedBatchNorm batchNorm,
            java.util.function.Supplier<Recording> recording) {
        this.recording = recording;
        this.weights = weights;
        this.spec = spec;
        this.batchNorm = batchNorm;
    }

    @Override
    public MixFeedForwardSpec spec() {
        return spec;
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, org.segformer3d.api.tensor.Tensor x, Grid grid) {
        Tensor tokens = weights.tokens(x, spec.dim(), grid);
        return weights.compute(scope, () -> {
            Tensor hidden = Functional.linear(tokens, weights.get("fc1.weight"), weights.get("fc1.bias"));
            // NCDHW, not channels-last: oneDNN 3.7.1's input gradient of a depth-wise conv3d is wrong in channels-last.
            Tensor map = Functional.map(hidden, grid).contiguous();
            Tensor mixed = Functional.conv3d(
                    map, weights.get("dwconv.dwconv.weight"), weights.get("dwconv.dwconv.bias"), 1, 1, spec.hidden());
            Functional.BatchNorm norm = weights.batchNorm("dwconv.bn.");
            Tensor normed = batchNorm == null
                    ? Functional.batchNorm(mixed, norm, weights.training(), 0.1, 1e-5)
                    : batchNorm.forward(recording.get(), mixed, norm, 0.1, 1e-5);
            Tensor activated = torch.gelu(Functional.tokens(normed));
            return Functional.linear(activated, weights.get("fc2.weight"), weights.get("fc2.bias"));
        });
    }
}
