package org.segformer3d.api.network;

import java.util.List;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * All-MLP decoder.
 *
 * <p>Each feature map c_i goes through Linear(C_i→E) and LayerNorm per voxel and is resized to c1's size (trilinear,
 * align_corners=False). The concatenation [c4,c3,c2,c1] goes through Conv3d 1³ (no bias) → BatchNorm3d → ReLU → dropout →
 * Conv3d 1³ (E→classes) and is resized by {@code upsampling} (trilinear, align_corners=False).
 */
final class AllMlpDecoder extends PaperLayer implements Decoder {
    @Override
    public Tensor forward(Ops ops, DecoderSpec spec, BlockParameters parameters, List<Tensor> features) {
        require(spec, features);
        Grid finest = Grid.of(features.get(0).shape());
        return ops.part(inner -> {
            Tensor fused = inner.part(deeper -> deeper.convolution(
                    joined(deeper, parameters, features, finest),
                    parameters.get("linear_fuse.0.weight"),
                    null,
                    ONE,
                    NONE,
                    1));
            Tensor logits = inner.part(deeper -> deeper.convolution(
                    deeper.dropout(
                            deeper.relu(deeper.batchNorm(
                                    fused,
                                    MixFeedForward.batchNorm(parameters.at("linear_fuse.1.")),
                                    BlockSpec.BATCH_NORM_MOMENTUM,
                                    BlockSpec.NORM_EPSILON)),
                            spec.dropout()),
                    parameters.get("linear_pred.weight"),
                    parameters.get("linear_pred.bias"),
                    ONE,
                    NONE,
                    1));
            return inner.resize(logits, finest.times(spec.upsampling()).toLongs(), false);
        });
    }

    /** Returns all maps at the finest one's size, coarsest first: (B,4·E,D_1,H_1,W_1). */
    private static Tensor joined(Ops ops, BlockParameters parameters, List<Tensor> features, Grid finest) {
        return ops.part(inner -> {
            Tensor[] resized = new Tensor[features.size()];
            for (int i = 0; i < resized.length; i++) {
                Tensor map = features.get(i);
                BlockParameters own = parameters.at("linear_c" + (i + 1) + ".");
                resized[resized.length - 1 - i] = inner.part(deeper -> embedded(deeper, own, map, finest));
            }
            return inner.concat(1, resized);
        });
    }

    private static Tensor embedded(Ops ops, BlockParameters parameters, Tensor map, Grid finest) {
        Grid grid = Grid.of(map.shape());
        Tensor tokens = ops.layerNorm(
                ops.linear(Tokens.of(ops, map), parameters.get("proj.weight"), parameters.get("proj.bias")),
                parameters.get("bn.weight"),
                parameters.get("bn.bias"),
                BlockSpec.NORM_EPSILON);
        Tensor wide = Tokens.map(ops, tokens, grid);
        return grid.equals(finest) ? wide : ops.resize(wide, finest.toLongs(), false);
    }

    static void require(DecoderSpec spec, List<Tensor> features) {
        int stages = spec.featureDims().size();
        if (features.size() != stages) {
            throw new IllegalArgumentException(
                    "decoder: found " + features.size() + " feature maps, expected " + stages);
        }
        for (int i = 0; i < stages; i++) {
            long[] shape = features.get(i).shape();
            int width = spec.featureDims().get(i);
            if (shape.length != 5 || shape[0] < 1 || shape[0] != features.get(0).shape()[0] || shape[1] != width) {
                throw new IllegalArgumentException("decoder: found feature map c" + (i + 1) + " of shape "
                        + Shapes.text(shape) + ", expected (B," + width + ",D,H,W), B being the same for all");
            }
        }
    }
}
