package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.Grid;

/** The second half of a transformer block, x + fc2(GELU(BatchNorm(DWConv(fc1(LayerNorm x))))), with its gradients. */
final class TrainedFeedForward implements TrainedHalf {
    /** Elements of a slab at most: it should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    private final Workers workers;
    private final Scratch scratch;
    private final boolean recomputes;
    private final TrainedNorm norm;
    private final TrainedLinear fc1;
    private final Tensor kernel;
    private final Tensor kernelBias;
    private final Supplier<Tensor> kernelGradient;
    private final TrainedBatchNorm batchNorm;
    private final TrainedLinear fc2;
    private final Kept kept = new Kept();
    private Tensor x;
    private Grid grid;
    private TrainedBatchNorm.Statistics statistics;
    private Tensor mixed;

    /** @param shared for batches that processes share, else {@code null} */
    TrainedFeedForward(
            Products products, TrainedWeights block, Scratch scratch, SharedBatchNorm shared, boolean recomputes) {
        this.workers = products.workers();
        this.scratch = scratch;
        this.recomputes = recomputes;
        this.norm = new TrainedNorm(block.at("norm2."));
        TrainedWeights mlp = block.at("mlp.");
        this.fc1 = new TrainedLinear(products, mlp.at("fc1."));
        this.kernel = mlp.get("dwconv.dwconv.weight");
        this.kernelBias = mlp.get("dwconv.dwconv.bias");
        this.kernelGradient = mlp.gradient("dwconv.dwconv.weight");
        this.batchNorm = new TrainedBatchNorm(mlp.at("dwconv.bn."), shared);
        this.fc2 = new TrainedLinear(products, mlp.at("fc2."));
    }

    @Override
    public Tensor forward(Tensor input, Grid size) {
        x = kept.keep(input);
        grid = size;
        Tensor made = mix();
        statistics = batchNorm.measure(workers, made).keptBy(kept);
        if (!recomputes) {
            mixed = made;
        }
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor y = kept.place(x.options(), Functional.shape(x));
        slabs(made, (first, count) -> {
            Tensor activated = torch.gelu_(Products.affine(made.narrow(0, first, count), scale, shift));
            torch.add_out(y.narrow(0, first, count), fc2.forward(activated), x.narrow(0, first, count));
        });
        return y;
    }

    private long samples() {
        return x.size(0) / grid.tokens();
    }

    private Tensor sample(Tensor rows, int index) {
        return rows.narrow(0, (long) index * grid.tokens(), grid.tokens());
    }

    /** Returns DWConv(fc1(LayerNorm x)), (B·N,rC). */
    private Tensor mix() {
        long[] shape = {x.size(0), kernel.size(0)};
        Tensor all = recomputes
                ? torch.empty(shape, x.options(), new MemoryFormatOptional())
                : kept.place(x.options(), shape);
        workers.each(samples(), b -> {
            Tensor wide = fc1.forward(norm.forward(sample(x, b)).y());
            DepthwiseConvolution.into(sample(all, b), wide, grid, kernel, kernelBias);
        });
        return all;
    }

    private interface Slab {
        void on(long first, long count);
    }

    /** Runs over rows a slab at a time: several operations follow each other on each while it is in the cache. */
    private void slabs(Tensor rows, Slab action) {
        long most = Math.max(1, SLAB_ELEMENTS / rows.size(1));
        workers.each(samples(), b -> {
            long start = (long) b * grid.tokens();
            for (long from = 0; from < grid.tokens(); from += most) {
                long first = start + from;
                long count = Math.min(most, grid.tokens() - from);
                LibtorchBackend.scoped(() -> {
                    action.on(first, count);
                    return null;
                });
            }
        });
    }

    @Override
    public Tensor backward(Tensor dy) {
        Tensor dMixed = FusedModel.step(() -> {
            Tensor before = recomputes ? mix() : mixed;
            return batchNorm.backward(workers, before, statistics, normedGradient(before, dy));
        });
        Tensor transposed = DepthwiseConvolution.transposed(kernel);
        Tensor dx = torch.empty(Functional.shape(x), x.options(), new MemoryFormatOptional());
        workers.each(samples(), b -> {
            Tensor own = sample(x, b);
            TrainedNorm.Normed normed = norm.forward(own);
            Tensor wide = fc1.forward(normed.y());
            Tensor d = sample(dMixed, b);
            // The gradient at the convolution's bias is zero: the BatchNorm after it takes every constant away.
            DepthwiseConvolution.addKernelGradient(kernelGradient.get(), d, wide, grid);
            // its input isn't needed any more
            DepthwiseConvolution.into(wide, d, grid, transposed, null);
            torch.add_out(sample(dx, b), norm.backward(own, normed, fc1.backward(normed.y(), wide)), sample(dy, b));
        });
        return dx;
    }

    /** Returns the gradient at the BatchNorm's output and adds those of fc2. */
    private Tensor normedGradient(Tensor before, Tensor dy) {
        Tensor scale = batchNorm.scale(statistics);
        Tensor shift = batchNorm.shift(statistics, scale);
        Tensor gradient = scratch.take(before.options(), before.size(0), before.size(1));
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
        kept.forget();
        mixed = null;
        statistics = null;
        x = null;
    }

    @Override
    public void close() {
        forget();
        kept.close();
    }
}
