package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorTensorHook;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.tensor.Device;

/**
 * BatchNorm by the statistics of the batch that several processes share.
 *
 * <p>With n places over all processes, μ = Σx/n and σ² = Σx²/n − μ², added up in float64. Their gradients are sums over all processes as
 * well: with x̂ = (x−μ)/σ and g = γ/σ, dx = g·(dy − Σdy/n − x̂·Σ(dy·x̂)/n).
 */
final class SharedBatchNorm {
    private final LibtorchBackend backend;
    private final Collective collective;
    private boolean counts = true;

    SharedBatchNorm(LibtorchBackend backend, Collective collective) {
        this.backend = backend;
        this.collective = collective;
    }

    /** Sets whether the samples that follow count, or only keep step with the other processes'. */
    void counting(boolean newCounts) {
        counts = newCounts;
    }

    /**
     * Measures the batch and moves the running statistics.
     *
     * @param columns (R,C,1,1) or (B,C,D,H,W), whose second axis is the channels
     */
    private TrainedBatchNorm.Statistics measure(
            Tensor columns, Tensor runningMean, Tensor runningVariance, TrainedBatchNorm.Settings settings) {
        long channels = columns.size(1);
        Tensor mean;
        Tensor variance;
        if (backend.options().device().type() == Device.Type.CPU) {
            T_TensorTensor_T own = torch.batch_norm_update_stats(
                    columns, new TensorOptional(), new TensorOptional(), settings.momentum());
            mean = own.get0().to(ScalarType.Double);
            variance = own.get1().to(ScalarType.Double);
        } else {
            Tensor exact = columns.transpose(0, 1).reshape(channels, -1).to(ScalarType.Double);
            mean = exact.mean(new long[] {1}, false, new ScalarTypeOptional());
            variance = exact.sub(mean.unsqueeze(1)).square_().mean(new long[] {1}, false, new ScalarTypeOptional());
        }
        return together(mean, variance, (double) columns.numel() / channels, runningMean, runningVariance, settings);
    }

    /**
     * Puts this process's statistics and the others' together and moves the running ones.
     *
     * @param mean in float64, not changed
     * @param variance in float64, over the process's places; overwritten
     * @param n how many those are
     */
    TrainedBatchNorm.Statistics together(
            Tensor mean,
            Tensor variance,
            double n,
            Tensor runningMean,
            Tensor runningVariance,
            TrainedBatchNorm.Settings settings) {
        long channels = mean.size(0);
        Tensor second = variance.addcmul_(mean, mean);
        Tensor count = torch.ones(new long[] {1}, backend.floating(ScalarType.Double));
        Tensor sums = Functional.cat(0, mean, second, count).mul_(new Scalar(counts ? n : 0));
        collective.sum(sums);
        double places = sums.select(0, 2 * channels).item().toDouble();
        sums.div_(new Scalar(places));
        Tensor sharedMean = sums.narrow(0, 0, channels);
        Tensor sharedVariance = sums.narrow(0, channels, channels)
                .addcmul(sharedMean, sharedMean, new Scalar(-1.0))
                .clamp_min_(new Scalar(0.0));
        return TrainedBatchNorm.moved(sharedMean, sharedVariance, places, runningMean, runningVariance, settings);
    }

    /**
     * Returns Σdy and Σ(dy·x̂) over all processes, (2,C); zero for samples that don't count, whose gradient is zero.
     *
     * @param own of this process
     */
    Tensor sums(Tensor own) {
        Tensor sums = own.to(ScalarType.Double);
        collective.sum(sums);
        return sums.mul_(new Scalar(counts ? 1.0 : 0.0)).to(own.scalar_type());
    }

    /**
     * Normalises (B,C,D,H,W), recorded by autograd. The record takes the statistics for constants; a hook then makes of the gradient
     * that autograd finds for x the one at x when its statistics move as well.
     */
    Tensor forward(Recording recording, Tensor x, Functional.BatchNorm norm, double momentum, double epsilon) {
        TrainedBatchNorm.Statistics found =
                measure(x.detach(), norm.mean(), norm.variance(), new TrainedBatchNorm.Settings(momentum, epsilon));
        if (norm.count() != null) {
            norm.count().add_(new Scalar(1L));
        }
        // a name of its own: whatever else is computed from x has nothing to do with the hook
        Tensor own = x.view_as(x);
        Tensor normalised = own.sub(perChannel(found.mean())).mul(perChannel(found.inverse()));
        own.register_hook(
                recording.keep(new StatisticsMove(this, recording.keep(normalised.detach()), found.places())));
        return normalised.mul(perChannel(norm.weight())).add(perChannel(norm.bias()));
    }

    private static Tensor perChannel(Tensor values) {
        return values.view(1, -1, 1, 1, 1);
    }

    /** G ↦ G − ΣG/n − x̂·Σ(G·x̂)/n with G = dy·γ/σ, the sums over all processes; autograd calls it. */
    private static final class StatisticsMove extends TensorTensorHook {
        private static final long[] PLACES = {0, 2, 3, 4};

        private final SharedBatchNorm shared;
        private final Tensor normalised;
        private final double places;

        StatisticsMove(SharedBatchNorm shared, Tensor normalised, double places) {
            this.shared = shared;
            this.normalised = normalised;
            this.places = places;
        }

        @Override
        public TensorBase call(TensorBase gradient) {
            Tensor g = new Tensor(gradient);
            Tensor sums = shared.sums(torch.stack(
                            new TensorVector(g.sum(PLACES), g.mul(normalised).sum(PLACES))))
                    .div_(new Scalar(places));
            return g.sub(perChannel(sums.select(0, 0))).sub_(normalised.mul(perChannel(sums.select(0, 1))));
        }
    }
}
