package org.segformer3d.api.network;

import java.util.List;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.ParameterSpec;

/**
 * One kind of block of SegFormer3D as somebody computes it: a function over {@link org.segformer3d.api.ops.Ops}, without state, so that it
 * predicts, trains and exports on every backend.
 *
 * <p>A class implements {@link SelfAttention} or one of its siblings, is registered for {@link java.util.ServiceLoader} as a {@code Layer},
 * and is chosen by its name: {@code model_parameters: {layers: {self_attention: my-attention}}}. Blocks of several kinds may have the
 * same name. Safe for concurrent use.
 *
 * @since 0.1
 */
public interface Layer {
    /** Returns the name configurations use, never {@code null}. */
    String name();

    /**
     * Returns the state-dict entries such a block has, under their names within the block; the paper's by default.
     *
     * @param spec sizes of the block, of the kind this layer computes
     */
    default List<ParameterSpec> parameters(BlockSpec spec) {
        return spec.parameters();
    }
}
