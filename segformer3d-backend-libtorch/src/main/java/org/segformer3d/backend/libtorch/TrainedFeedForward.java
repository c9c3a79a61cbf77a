package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.Grid;

/** The second half of a transformer block, x + fc2(GELU(BatchNorm(DWConv(fc1(LayerNorm x))))), with its gradients. */
final class TrainedFeedForward implements TrainedHalf {
    /** Elements of a slab at most: it should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    private final boolean recomputes;
    private final TrainedNorm norm;
    private final TrainedLinear fc1;
    private final Tensor kernel;
    private final Tensor kernelBias;
    private final Tensor kernelGradient;
    private final TrainedBatchNorm batchNorm;
    private final TrainedLinear fc2;
    private final Kept kept = new Kept();
    private final Kept keptMixed = new Kept();
    private Tensor x;
    private Grid grid;
    private TrainedBatchNorm.Statistics statistics;
    private Tensor mixed;

    TrainedFeedForward(Products products, TrainedWeights block, boolean recomputes) {
        this.recomputes = recomputes;
        this.norm = new TrainedNorm(block.at("norm2."));
        TrainedWeights mlp = block.at("mlp.");
        this.fc1 = new TrainedLinear(products, mlp.at("fc1."));
        this.kernel = mlp.get("dwconv.dwconv.weight");
        this.kernelBias = mlp.get("dwconv.dwconv.bias");
        this.kernelGradient = mlp.gradient("dwconv.dwconv.weight");
        this.batchNorm = new TrainedBatchNorm(mlp.at("dwconv.bn."));
        this.fc2 = new TrainedLinear(products, mlp.at("fc2."));
    }

    @Override
    public Tensor forward(Tensor input, Grid size) {
        x = kept.keep(input);
        grid = size;
        Tensor made = FusedModel.step(() -> mix(fc1.forward(norm.forward(x).y())));
        statistics = batchNorm.measure(made).keptBy(kept);
        if (!recomputes) {
            mixed = keptMixed.keep(made);
        }
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor y = torch.empty(Functional.shape(x), x.options(), new MemoryFormatOptional());
        slabs(made, (first, count) -> {
            Tensor activated = torch.gelu_(Products.affine(made.narrow(0, first, count), scale, shift));
            torch.add_out(y.narrow(0, first, count), fc2.forward(activated), x.narrow(0, first, count));
        });
        return y;
    }

    private Tensor mix(Tensor wide) {
        return DepthwiseConvolution.forward(wide, grid, DepthwiseConvolution.planes(kernel), kernelBias);
    }

    private interface Slab {
        void on(long first, long count);
    }

    /** Runs over rows a slab at a time: several operations follow each other on each while it is in the cache. */
    private static void slabs(Tensor rows, Slab action) {
        long most = Math.max(1, SLAB_ELEMENTS / rows.size(1));
        for (long from = 0; from < rows.size(0); from += most) {
            long first = from;
            long count = Math.min(most, rows.size(0) - from);
            LibtorchBackend.scoped(() -> {
                action.on(first, count);
                return null;
            });
        }
    }

    @Override
    public Tensor backward(Tensor dy) {
        TrainedNorm.Normed normed = norm.forward(x);
        Tensor wide = fc1.forward(normed.y());
        Tensor dMixed = FusedModel.step(() -> {
            Tensor before = recomputes ? mix(wide) : mixed;
            return batchNorm.backward(before, statistics, normedGradient(before, dy));
        });
        keptMixed.close();
        // The gradient at the convolution's bias is zero: the BatchNorm after it takes every constant away.
        DepthwiseConvolution.addKernelGradient(kernelGradient, dMixed, wide, grid);
        Tensor dWide = DepthwiseConvolution.forward(dMixed, grid, DepthwiseConvolution.transposed(kernel), null);
        return norm.backward(x, normed, fc1.backward(normed.y(), dWide)).add_(dy);
    }

    /** Returns the gradient at the BatchNorm's output and adds those of fc2. */
    private Tensor normedGradient(Tensor before, Tensor dy) {
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor gradient = torch.empty(Functional.shape(before), before.options(), new MemoryFormatOptional());
        slabs(before, (first, count) -> {
            Tensor normed = Products.affine(before.narrow(0, first, count), scale, shift);
            Tensor d = dy.narrow(0, first, count);
            fc2.addGradients(torch.gelu(normed), d);
            torch.gelu_backward_out(gradient.narrow(0, first, count), fc2.inputGradient(d), normed);
        });
        return gradient;
    }

    @Override
    public void forget() {
        kept.close();
        keptMixed.close();
        mixed = null;
        statistics = null;
        x = null;
    }
}
