package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;

/** Overlapped patch embedding, LayerNorm(tokens(Conv3d(x))), with its gradients. */
final class TrainedEmbedding {
    private final PatchEmbeddingSpec spec;
    private final boolean recomputes;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor weightGradient;
    private final Tensor biasGradient;
    private final TrainedNorm norm;
    private final Kept kept = new Kept();
    private Tensor x;
    private Inside inside;

    /** What is kept, or computed again. */
    private record Inside(Tensor tokens, TrainedNorm.Normed normed) {}

    TrainedEmbedding(PatchEmbeddingSpec spec, TrainedWeights weights, boolean recomputes) {
        this.spec = spec;
        this.recomputes = recomputes;
        this.weight = weights.get("patch_embeddings.weight");
        this.bias = weights.get("patch_embeddings.bias");
        this.weightGradient = weights.gradient("patch_embeddings.weight");
        this.biasGradient = weights.gradient("patch_embeddings.bias");
        this.norm = new TrainedNorm(weights.at("norm."));
    }

    /**
     * Computes tokens (B·N,E).
     *
     * @param input (B,C,D,H,W), contiguous or channels-last
     */
    Tensor forward(Tensor input) {
        x = kept.keep(input);
        Inside made = inside();
        if (!recomputes) {
            inside = made;
            kept.keep(made.tokens());
            kept.keep(made.normed().mean());
            kept.keep(made.normed().inverse());
        }
        return made.normed().y();
    }

    private Inside inside() {
        Tensor y = Functional.conv3d(x, weight, bias, spec.stride(), spec.padding(), 1);
        Tensor tokens = y.permute(0, 2, 3, 4, 1).reshape(-1, spec.embedDim());
        return new Inside(tokens, norm.forward(tokens));
    }

    /**
     * Adds the weights' gradients.
     *
     * @param inputGradient whether the input's is wanted
     * @return the input's gradient (B,C,D,H,W), else {@code null}
     */
    Tensor backward(Tensor dy, boolean inputGradient) {
        Inside made = recomputes ? inside() : inside;
        Tensor dTokens = norm.backward(made.tokens(), made.normed(), dy);
        Products.addBiasGradient(biasGradient, dTokens);
        long stride = spec.stride();
        long padding = spec.padding();
        Tensor map = dTokens.view(x.size(0), out(x.size(2)), out(x.size(3)), out(x.size(4)), spec.embedDim())
                .permute(0, 4, 1, 2, 3);
        T_TensorTensorTensor_T found = torch.convolution_backward(
                map.contiguous(),
                x.contiguous(),
                weight,
                new long[0],
                new long[] {stride, stride, stride},
                new long[] {padding, padding, padding},
                new long[] {1, 1, 1},
                false,
                new long[] {0, 0, 0},
                1,
                Products.mask(inputGradient, true, false));
        weightGradient.add_(found.get1());
        return inputGradient ? found.get0().detach() : null;
    }

    private long out(long size) {
        return (size + 2L * spec.padding() - spec.kernel()) / spec.stride() + 1;
    }

    void forget() {
        kept.close();
        inside = null;
        x = null;
    }
}
