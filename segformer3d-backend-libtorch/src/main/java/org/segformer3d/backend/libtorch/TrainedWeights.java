package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;

/**
 * Where the parts of the fused training form find their weights, and where they add their gradients.
 *
 * @param weights the trained weights
 * @param gradients of the same names and shapes
 * @param statistics running means and variances
 * @param prefix what stands before every name
 */
record TrainedWeights(FlatTensors weights, FlatTensors gradients, FlatTensors statistics, String prefix) {
    /** Returns the same weights as seen from one level below. */
    TrainedWeights at(String name) {
        return new TrainedWeights(weights, gradients, statistics, prefix + name);
    }

    Tensor get(String name) {
        return weights.view(prefix + name);
    }

    Tensor gradient(String name) {
        return gradients.view(prefix + name);
    }

    Tensor statistic(String name) {
        return statistics.view(prefix + name);
    }
}
