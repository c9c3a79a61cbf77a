package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec.PatchEmbeddingSpec;

/** Overlapped patch embedding, LayerNorm(tokens(Conv3d(x))), with its gradients. */
final class TrainedEmbedding {
    private final PatchEmbeddingSpec spec;
    private final Products products;
    private final boolean recomputes;
    private final Tensor weight;
    private final Tensor bias;
    private final Supplier<Tensor> weightGradient;
    private final Supplier<Tensor> biasGradient;
    private final TrainedNorm norm;
    private final Kept kept = new Kept();
    private Tensor x;
    private Tensor embedded;

    TrainedEmbedding(Products products, PatchEmbeddingSpec spec, TrainedWeights weights, boolean recomputes) {
        this.spec = spec;
        this.products = products;
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
        long batch = x.size(0);
        long tokens = out(x.size(2)) * out(x.size(3)) * out(x.size(4));
        Tensor y = kept.place(weight.options(), batch * tokens, spec.embedDim());
        embedded = recomputes ? null : kept.place(weight.options(), batch * tokens, spec.embedDim());
        products.workers().each(batch, b -> {
            Tensor own = recomputes ? embedded(b) : sample(embedded, b).copy_(embedded(b));
            sample(y, b).copy_(norm.forward(own).y());
        });
        return y;
    }

    private Tensor sample(Tensor rows, int index) {
        long tokens = rows.size(0) / x.size(0);
        return rows.narrow(0, index * tokens, tokens);
    }

    /** Returns a sample's tokens before the LayerNorm, (N,E). */
    private Tensor embedded(int b) {
        return products.result(Functional.conv3d(
                        products.factor(x.narrow(0, b, 1)),
                        products.factor(weight),
                        products.factor(bias),
                        spec.stride().only(),
                        spec.padding().only(),
                        1))
                .permute(0, 2, 3, 4, 1)
                .reshape(-1, spec.embedDim());
    }

    /**
     * Adds the weights' gradients.
     *
     * @param inputGradient whether the input's is wanted
     * @return the input's gradient (B,C,D,H,W), else {@code null}
     */
    Tensor backward(Tensor dy, boolean inputGradient) {
        long stride = spec.stride().only();
        long padding = spec.padding().only();
        Tensor dx = inputGradient ? torch.empty(Functional.shape(x), x.options(), new MemoryFormatOptional()) : null;
        products.workers().each(x.size(0), b -> {
            Tensor own = recomputes ? embedded(b) : sample(embedded, b);
            Tensor d = norm.backward(own, norm.forward(own), sample(dy, b));
            Products.addBiasGradient(biasGradient.get(), d);
            // NCDHW for both: which is faster depends on the size, and the first embedding's input has it already
            T_TensorTensorTensor_T found = torch.convolution_backward(
                    products.factor(d.t().contiguous()).view(1, -1, out(x.size(2)), out(x.size(3)), out(x.size(4))),
                    products.factor(x.narrow(0, b, 1).contiguous()),
                    products.factor(weight),
                    new long[0],
                    new long[] {stride, stride, stride},
                    new long[] {padding, padding, padding},
                    new long[] {1, 1, 1},
                    false,
                    new long[] {0, 0, 0},
                    1,
                    Products.mask(inputGradient, true, false));
            weightGradient.get().add_(found.get1());
            if (inputGradient) {
                dx.narrow(0, b, 1).copy_(found.get0());
            }
        });
        return dx;
    }

    private long out(long size) {
        return (size + 2L * spec.padding().only() - spec.kernel().only())
                        / spec.stride().only()
                + 1;
    }

    void forget() {
        kept.forget();
        embedded = null;
        x = null;
    }

    /** Gives all memory back; another forward pass may follow. */
    void close() {
        forget();
        kept.close();
    }
}
