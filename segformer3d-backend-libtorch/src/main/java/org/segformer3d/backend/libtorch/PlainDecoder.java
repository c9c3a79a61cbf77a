package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Decoder;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.Scope;

/** All-MLP decoder: every feature map projected, normalised and resized to the finest one's size, then fused. */
final class PlainDecoder implements Decoder {
    private final Weights weights;
    private final DecoderSpec spec;
    private final java.util.function.Supplier<Recording> pass;
    private final SharedBatchNorm batchNorm;

    /** @param batchNorm for batches that processes share, else {@code null} */
    PlainDecoder(
            Weights weights, DecoderSpec spec, java.util.function.Supplier<Recording> pass, SharedBatchNorm batchNorm) {
        this.weights = weights;
        this.spec = spec;
        this.pass = pass;
        this.batchNorm = batchNorm;
    }

    @Override
    public DecoderSpec spec() {
        return spec;
    }

    @Override
    public org.segformer3d.api.tensor.Tensor forward(Scope scope, List<org.segformer3d.api.tensor.Tensor> features) {
        if (features.size() != spec.featureDims().size()) {
            throw new IllegalArgumentException("decoder: found " + features.size() + " feature maps, expected "
                    + spec.featureDims().size());
        }
        List<Tensor> maps = new ArrayList<>();
        for (int i = 0; i < features.size(); i++) {
            maps.add(weights.map(features.get(i), spec.featureDims().get(i)));
            if (features.get(i).shape()[0] != features.get(0).shape()[0]) {
                throw new IllegalArgumentException("decoder: found batches of "
                        + features.get(0).shape()[0] + " and " + features.get(i).shape()[0] + ", expected equal ones");
            }
        }
        Grid finest = Grid.of(features.get(0).shape());
        return weights.compute(scope, () -> decode(maps, finest));
    }

    private Tensor decode(List<Tensor> maps, Grid finest) {
        Tensor[] resized = new Tensor[maps.size()];
        for (int i = 0; i < maps.size(); i++) {
            Tensor map = maps.get(i);
            Grid grid = Grid.of(Functional.shape(map));
            String prefix = "linear_c" + (i + 1) + ".";
            Tensor projected = Functional.linear(
                    Functional.tokens(map), weights.get(prefix + "proj.weight"), weights.get(prefix + "proj.bias"));
            Tensor normed =
                    Functional.layerNorm(projected, weights.get(prefix + "bn.weight"), weights.get(prefix + "bn.bias"));
            Tensor wide = Functional.map(normed, grid).contiguous();
            // concatenated coarsest first
            resized[maps.size() - 1 - i] = grid.equals(finest) ? wide : Functional.resize(wide, finest);
        }
        Tensor fused =
                Functional.conv3d(Functional.cat(1, resized), weights.get("linear_fuse.0.weight"), null, 1, 0, 1);
        Functional.BatchNorm norm = weights.batchNorm("linear_fuse.1.");
        Tensor normed = batchNorm == null
                ? Functional.batchNorm(fused, norm, weights.training(), 0.1, 1e-5)
                : batchNorm.forward(pass.get(), fused, norm, 0.1, 1e-5);
        Tensor activated = torch.relu(normed);
        if (weights.training()) {
            if (spec.dropout() > 0) {
                activated = activated.mul(Dropout.mask(
                        weights.backend(),
                        pass.get().pass(),
                        0,
                        Functional.shape(activated),
                        activated.scalar_type(),
                        spec.dropout()));
            }
        }
        Tensor logits = Functional.conv3d(
                activated, weights.get("linear_pred.weight"), weights.get("linear_pred.bias"), 1, 0, 1);
        return Functional.resize(logits, finest.times(spec.upsampling()));
    }
}
