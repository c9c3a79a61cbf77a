package org.segformer3d.api.block;

import java.util.List;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;

/**
 * Hierarchical encoder: four stages of patch embedding, transformer blocks and stage norm, each at a coarser resolution.
 */
public interface Encoder extends AutoCloseable {
    /**
     * Computes the feature maps c1…c4.
     *
     * @param scope owner of the results
     * @param x (B,C,D,H,W)
     * @return four feature maps (B,C_i,D_i,H_i,W_i), finest first
     * @throws IllegalArgumentException when x has another rank or channel count or is too small
     * @throws IllegalStateException when x or the scope is closed
     */
    List<Tensor> forward(Scope scope, Tensor x);

    /** Closes the blocks. */
    @Override
    void close();
}
