package org.segformer3d.api.network;

import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.BlockSpec.StageNormSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Tensor;

/** Ends a stage of the encoder: makes a feature map of tokens; see {@link LayerNormStage}. */
public interface StageNorm extends Layer {
    /**
     * Applies the block.
     *
     * @param ops whose scope gets the result
     * @param spec sizes of the block
     * @param parameters of the block, under their names within it
     * @param x tokens (B,N,C)
     * @param grid extent of the N tokens
     * @return feature map (B,C,D,H,W)
     * @throws IllegalArgumentException when x's shape fits neither spec nor grid
     */
    Tensor forward(Ops ops, StageNormSpec spec, BlockParameters parameters, Tensor x, Grid grid);
}
