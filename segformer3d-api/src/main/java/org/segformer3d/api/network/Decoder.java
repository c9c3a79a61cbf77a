package org.segformer3d.api.network;

import java.util.List;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.DecoderSpec;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Makes logits of feature maps; see {@link AllMlpDecoder}. */
public interface Decoder extends Layer {
    /**
     * Decodes.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it
     * @param features feature maps (B,C_i,D_i,H_i,W_i), finest first
     * @return logits (B,K,D,H,W) at spec.upsampling() times the finest map's size
     * @throws IllegalArgumentException when a shape doesn't fit the spec
     */
    Tensor forward(Ops ops, DecoderSpec spec, BlockParameters parameters, List<Tensor> features);
}
