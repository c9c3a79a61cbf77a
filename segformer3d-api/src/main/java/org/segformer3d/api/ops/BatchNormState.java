package org.segformer3d.api.ops;

import java.util.Objects;
import org.segformer3d.api.tensor.Tensor;

/**
 * Parameters and running statistics of a BatchNorm of C channels; a pass in training mode changes the last three in place.
 *
 * @param weight γ (C), never {@code null}
 * @param bias β (C), never {@code null}
 * @param runningMean (C), never {@code null}
 * @param runningVariance (C), never {@code null}
 * @param batchesTracked a scalar that counts batches, or {@code null} where nobody counts
 */
public record BatchNormState(
        Tensor weight, Tensor bias, Tensor runningMean, Tensor runningVariance, Tensor batchesTracked) {
    /** Checks that only the counter is absent. */
    public BatchNormState {
        Objects.requireNonNull(weight, "weight");
        Objects.requireNonNull(bias, "bias");
        Objects.requireNonNull(runningMean, "runningMean");
        Objects.requireNonNull(runningVariance, "runningVariance");
    }
}
