package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/**
 * Where the parts of the fused training form find their weights, and where they add their gradients.
 *
 * @param weights the trained weights
 * @param gradients of the same names and shapes
 * @param statistics running means and variances
 * @param prefix what stands before every name
 */
record TrainedWeights(FlatTensors weights, Gradients gradients, FlatTensors statistics, String prefix) {
    /** Returns the same weights as seen from one level below. */
    TrainedWeights at(String name) {
        return new TrainedWeights(weights, gradients, statistics, prefix + name);
    }

    Tensor get(String name) {
        return weights.view(prefix + name);
    }

    /** Returns where the current worker adds a weight's gradients; to be asked by whoever adds. */
    Supplier<Tensor> gradient(String name) {
        String full = prefix + name;
        return () -> gradients.view(full);
    }

    Tensor statistic(String name) {
        return statistics.view(prefix + name);
    }
}
