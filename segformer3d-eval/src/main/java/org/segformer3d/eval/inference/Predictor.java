package org.segformer3d.eval.inference;

import org.segformer3d.api.tensor.HostTensor;

/** A function from batches of windows to logits, for example {@code model::predict}. */
@FunctionalInterface
public interface Predictor {
    /**
     * Computes logits.
     *
     * @param batch float32 (B, C, D, H, W); its memory is used again after the call, so it must not be kept
     * @return floating-point logits (B, K, D, H, W) of the same batch and spatial size
     */
    HostTensor predict(HostTensor batch);
}
