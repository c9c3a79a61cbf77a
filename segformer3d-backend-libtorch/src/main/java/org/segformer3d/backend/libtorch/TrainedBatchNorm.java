package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;

/** BatchNorm over the columns of (R,C) by the batch's own statistics, in steps, with its gradients. */
final class TrainedBatchNorm {
    /** Elements of a slab at most: it should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 17;

    private final Tensor weight;
    private final Tensor bias;
    private final Supplier<Tensor> weightGradient;
    private final Supplier<Tensor> biasGradient;
    private final Tensor runningMean;
    private final Tensor runningVariance;
    private final SharedBatchNorm shared;

    /** @param shared for batches that processes share, else {@code null} */
    TrainedBatchNorm(TrainedWeights weights, SharedBatchNorm shared) {
        this.weight = weights.get("weight");
        this.bias = weights.get("bias");
        this.weightGradient = weights.gradient("weight");
        this.biasGradient = weights.gradient("bias");
        this.runningMean = weights.statistic("running_mean");
        this.runningVariance = weights.statistic("running_var");
        this.shared = shared;
    }

    /**
     * A batch's statistics.
     *
     * @param mean of every column
     * @param inverse 1/σ of every column
     * @param places how many rows all processes that share the batch have together
     */
    record Statistics(Tensor mean, Tensor inverse, double places) {
        Statistics keptBy(Kept kept) {
            kept.keep(mean);
            kept.keep(inverse);
            return this;
        }
    }

    /** Computes the statistics of a batch and moves the running ones. */
    Statistics measure(Tensor rows) {
        if (shared != null) {
            return shared.measure(Products.column(rows), runningMean, runningVariance);
        }
        T_TensorTensor_T found = torch.batch_norm_update_stats(
                Products.column(rows),
                Functional.some(runningMean),
                Functional.some(runningVariance),
                BlockSpec.BATCH_NORM_MOMENTUM);
        return new Statistics(
                found.get0().detach(),
                found.get1().add(new Scalar(BlockSpec.NORM_EPSILON)).rsqrt_(),
                rows.size(0));
    }

    /** Moves the running mean as if every row had been larger by a constant (C) when the batch was measured. */
    void shiftRunningMean(Tensor constant) {
        runningMean.add_(constant, new Scalar(BlockSpec.BATCH_NORM_MOMENTUM));
    }

    /** Returns what the columns are multiplied with. */
    Tensor scale(Statistics statistics) {
        return weight.mul(statistics.inverse());
    }

    /** Returns what is added to the columns afterwards. */
    Tensor shift(Statistics statistics, Tensor scale) {
        return bias.sub(statistics.mean().mul(scale));
    }

    /**
     * Adds the weights' gradients and returns the input's.
     *
     * @param dy overwritten by what is returned
     */
    Tensor backward(Workers workers, Tensor rows, Statistics statistics, Tensor dy) {
        Tensor sums = sums(workers, rows, statistics, dy);
        biasGradient.get().add_(sums.select(0, 0));
        weightGradient.get().add_(sums.select(0, 1));
        if (shared != null) {
            sums = shared.sums(sums);
        }
        return inputGradient(workers, rows, statistics, dy, sums.select(0, 0), sums.select(0, 1));
    }

    /**
     * Returns Σdy and Σ(dy·x̂), (2,C).
     *
     * <p>libtorch's own kernel adds up row after row; what that rounds away would be missing from every row of dx alike, and the sums of
     * dx, which are gradients of biases before it, would consist of that.
     */
    private static Tensor sums(Workers workers, Tensor rows, Statistics statistics, Tensor dy) {
        Tensor parts =
                torch.empty(new long[] {slabs(rows), 2, rows.size(1)}, rows.options(), new MemoryFormatOptional());
        each(workers, rows, (i, from, size) -> {
            Tensor own = dy.narrow(0, from, size);
            Tensor along = rows.narrow(0, from, size).sub(statistics.mean()).mul_(own);
            parts.select(0, i).select(0, 0).copy_(own.sum(0));
            parts.select(0, i).select(0, 1).copy_(along.sum(0));
        });
        Tensor sums = parts.sum(0);
        sums.select(0, 1).mul_(statistics.inverse());
        return sums;
    }

    /** dx = g·(dy − Σdy/n − x̂·Σ(dy·x̂)/n) as dy·g + x·b + c. */
    private Tensor inputGradient(
            Workers workers, Tensor rows, Statistics statistics, Tensor dy, Tensor sum, Tensor along) {
        Scalar share = new Scalar(1.0 / statistics.places());
        Tensor g = scale(statistics);
        Tensor b = g.mul(statistics.inverse()).mul_(along.mul(share)).neg_();
        Tensor c = g.mul(sum.mul(share)).add_(b.mul(statistics.mean())).neg_();
        each(
                workers,
                rows,
                (i, from, size) -> dy.narrow(0, from, size)
                        .mul_(g)
                        .addcmul_(rows.narrow(0, from, size), b)
                        .add_(c));
        return dy;
    }

    private interface Slab {
        void on(long i, long from, long size);
    }

    private static long slabs(Tensor rows) {
        return (rows.size(0) + slab(rows) - 1) / slab(rows);
    }

    private static long slab(Tensor rows) {
        return Math.max(1, SLAB_ELEMENTS / rows.size(1));
    }

    /** Runs over all rows a slab at a time, each in a pointer scope of its own. */
    private static void each(Workers workers, Tensor rows, Slab action) {
        long slab = slab(rows);
        workers.divide(slabs(rows), (worker, first, count) -> {
            for (long i = first; i < first + count; i++) {
                long own = i;
                LibtorchBackend.scoped(() -> {
                    action.on(own, own * slab, Math.min(slab, rows.size(0) - own * slab));
                    return null;
                });
            }
        });
    }
}
