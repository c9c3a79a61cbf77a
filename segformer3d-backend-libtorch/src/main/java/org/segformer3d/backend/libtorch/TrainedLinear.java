package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;

/** x wᵀ + b over (R,C) with its gradients. */
final class TrainedLinear {
    private final Products products;
    private final Tensor weight;
    private final Tensor bias;
    private final Supplier<Tensor> weightGradient;
    private final Supplier<Tensor> biasGradient;

    TrainedLinear(Products products, TrainedWeights weights) {
        this.products = products;
        this.weight = weights.get("weight");
        this.bias = weights.get("bias");
        this.weightGradient = weights.gradient("weight");
        this.biasGradient = weights.gradient("bias");
    }

    Tensor forward(Tensor x) {
        return products.times(x, weight, bias);
    }

    /** Adds the weights' gradients and returns the input's. */
    Tensor backward(Tensor x, Tensor dy) {
        addGradients(x, dy);
        return inputGradient(dy);
    }

    void addGradients(Tensor x, Tensor dy) {
        products.addWeightGradient(weightGradient.get(), dy, x);
        Products.addBiasGradient(biasGradient.get(), dy);
    }

    Tensor inputGradient(Tensor dy) {
        return products.timesTransposed(dy, weight);
    }
}
