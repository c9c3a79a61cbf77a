package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;

/** LayerNorm over the rows of (R,C) with its gradients. */
final class TrainedNorm {
    private final Tensor weight;
    private final Tensor bias;
    private final Supplier<Tensor> weightGradient;
    private final Supplier<Tensor> biasGradient;

    TrainedNorm(TrainedWeights weights) {
        this.weight = weights.get("weight");
        this.bias = weights.get("bias");
        this.weightGradient = weights.gradient("weight");
        this.biasGradient = weights.gradient("bias");
    }

    /**
     * What came out.
     *
     * @param y (R,C)
     * @param mean of every row
     * @param inverse 1/σ of every row
     */
    record Normed(Tensor y, Tensor mean, Tensor inverse) {}

    Normed forward(Tensor x) {
        T_TensorTensorTensor_T found = torch.native_layer_norm(
                x, new long[] {weight.size(0)}, Functional.some(weight), Functional.some(bias), BlockSpec.NORM_EPSILON);
        // the tuple's own tensors die with it
        return new Normed(
                found.get0().detach(), found.get1().detach(), found.get2().detach());
    }

    /** Adds the weights' gradients and returns the input's. */
    Tensor backward(Tensor x, Normed normed, Tensor dy) {
        T_TensorTensorTensor_T found = torch.native_layer_norm_backward(
                dy,
                x,
                new long[] {weight.size(0)},
                normed.mean(),
                normed.inverse(),
                Functional.some(weight),
                Functional.some(bias),
                Products.mask(true, true, true));
        weightGradient.get().add_(found.get1());
        biasGradient.get().add_(found.get2());
        return found.get0().detach();
    }
}
