package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
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

    /**
     * How a BatchNorm counts.
     *
     * @param momentum weight of a new batch in the running statistics
     * @param epsilon added to a variance
     */
    record Settings(double momentum, double epsilon) {}

    /**
     * Computes the statistics of a batch and moves the running ones.
     *
     * <p>libtorch's own kernels add up a channels-last map row after row. What that rounds away shifts every row alike: the gradients of
     * biases before this, sums of rows that nearly cancel, would consist of it.
     */
    Statistics measure(Workers workers, Tensor rows) {
        double n = rows.size(0);
        Tensor mean = totals(
                        workers,
                        rows,
                        1,
                        (from, size, target) -> target.select(0, 0)
                                .copy_(rows.narrow(0, from, size).sum(0)))
                .select(0, 0)
                .div_(new Scalar(n));
        Tensor near = mean.to(rows.scalar_type());
        Tensor variance = totals(
                        workers,
                        rows,
                        1,
                        (from, size, target) -> target.select(0, 0)
                                .copy_(rows.narrow(0, from, size)
                                        .sub(near)
                                        .square_()
                                        .sum(0)))
                .select(0, 0)
                .div_(new Scalar(n));
        Settings usual = new Settings(BlockSpec.BATCH_NORM_MOMENTUM, BlockSpec.NORM_EPSILON);
        return shared == null
                ? moved(mean, variance, n, runningMean, runningVariance, usual)
                : shared.together(mean, variance, n, runningMean, runningVariance, usual);
    }

    /**
     * Moves the running statistics.
     *
     * @param mean in float64
     * @param variance in float64, over all places
     */
    static Statistics moved(
            Tensor mean,
            Tensor variance,
            double places,
            Tensor runningMean,
            Tensor runningVariance,
            Settings settings) {
        Scalar keep = new Scalar(1 - settings.momentum());
        double unbiased = places / Math.max(1, places - 1);
        runningMean.mul_(keep).add_(mean, new Scalar(settings.momentum()));
        runningVariance.mul_(keep).add_(variance, new Scalar(settings.momentum() * unbiased));
        return new Statistics(
                mean.to(runningMean.scalar_type()),
                variance.add(new Scalar(settings.epsilon())).rsqrt_().to(runningMean.scalar_type()),
                places);
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
        // Σdy and Σ(dy·x̂)
        Tensor sums = totals(workers, rows, 2, (from, size, target) -> {
            Tensor own = dy.narrow(0, from, size);
            target.select(0, 0).copy_(own.sum(0));
            target.select(0, 1)
                    .copy_(rows.narrow(0, from, size)
                            .sub(statistics.mean())
                            .mul_(own)
                            .sum(0));
        });
        sums.select(0, 1).mul_(statistics.inverse());
        biasGradient.get().add_(sums.select(0, 0));
        weightGradient.get().add_(sums.select(0, 1));
        if (shared != null) {
            sums = shared.sums(sums);
        }
        return inputGradient(workers, rows, statistics, dy, sums.select(0, 0), sums.select(0, 1));
    }

    /** dx = g·(dy − Σdy/n − x̂·Σ(dy·x̂)/n) as dy·g + x·b + c. */
    private Tensor inputGradient(
            Workers workers, Tensor rows, Statistics statistics, Tensor dy, Tensor sum, Tensor along) {
        Scalar share = new Scalar(1.0 / statistics.places());
        Tensor g = scale(statistics);
        Tensor b = g.mul(statistics.inverse()).mul_(along.mul(share)).neg_();
        Tensor c = g.mul(sum.mul(share)).add_(b.mul(statistics.mean())).neg_().to(dy.scalar_type());
        each(
                workers,
                rows,
                (i, from, size) -> dy.narrow(0, from, size)
                        .mul_(g)
                        .addcmul_(rows.narrow(0, from, size), b)
                        .add_(c));
        return dy;
    }

    private interface Part {
        /** @param target (k,C) */
        void into(long from, long size, Tensor target);
    }

    /** Returns k sums of each column, (k,C) in float64, of the parts that are made of a slab each. */
    private static Tensor totals(Workers workers, Tensor rows, long k, Part part) {
        Tensor parts = torch.empty(
                new long[] {slabs(rows), k, rows.size(1)},
                rows.options().dtype(new ScalarTypeOptional(torch.ScalarType.Double)),
                new MemoryFormatOptional());
        each(workers, rows, (i, from, size) -> part.into(from, size, parts.select(0, i)));
        return parts.sum(0);
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
