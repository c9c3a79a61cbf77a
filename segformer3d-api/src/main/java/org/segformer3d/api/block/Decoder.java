package org.segformer3d.api.block;

import java.util.List;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * All-MLP decoder.
 *
 * <p>Each feature map c_i goes through Linear(C_i→E) and LayerNorm per voxel and is resized to c1's size (trilinear,
 * align_corners=False). The concatenation [c4,c3,c2,c1] goes through Conv3d 1³ (no bias) → BatchNorm3d → ReLU → dropout →
 * Conv3d 1³ (E→classes) and is resized by {@code upsampling} (trilinear, align_corners=False).
 */
public interface Decoder extends Block {
    @Override
    BlockSpec.DecoderSpec spec();

    /**
     * Decodes feature maps to logits.
     *
     * @param scope owner of the result
     * @param features four feature maps (B,C_i,D_i,H_i,W_i), finest first
     * @return logits (B,classes,u·D_1,u·H_1,u·W_1) with u = spec().upsampling()
     * @throws IllegalArgumentException when a shape doesn't fit the spec
     * @throws IllegalStateException when a feature map or the scope is closed
     */
    Tensor forward(Scope scope, List<Tensor> features);
}
