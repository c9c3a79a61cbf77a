package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.training.LossSpec;

/** The losses of {@link LossSpec} as differentiable operations; MONAI's values to the last digits. */
final class Losses {
    private Losses() {}

    /**
     * Returns the loss as a scalar.
     *
     * @param x logits (B,K,D,H,W)
     * @param t target channels of the same shape and type
     */
    static Tensor of(LossSpec spec, Tensor x, Tensor t) {
        return switch (spec.kind()) {
            case DICE -> dice(spec, x, t);
            case CROSS_ENTROPY -> crossEntropy(x, t);
            case BINARY_CROSS_ENTROPY -> torch.binary_cross_entropy_with_logits(x, t);
            case DICE_CROSS_ENTROPY ->
                combined(
                        spec,
                        dice(spec, x, t),
                        x.size(1) == 1 ? torch.binary_cross_entropy_with_logits(x, t) : crossEntropy(x, t));
            case DICE_FOCAL -> combined(spec, dice(spec, x, t), focal(spec, x, t));
            case GENERALIZED_DICE -> generalizedDice(spec, x, t);
        };
    }

    private static Tensor combined(LossSpec spec, Tensor dice, Tensor other) {
        return dice.mul(new Scalar(spec.diceWeight())).add(other.mul(new Scalar(spec.otherWeight())));
    }

    private static Tensor probabilities(LossSpec spec, Tensor x) {
        return foreground(
                spec, spec.activation() == LossSpec.Activation.SIGMOID ? torch.sigmoid(x) : torch.softmax(x, 1));
    }

    /** Drops channel 0 where the background takes no part. */
    private static Tensor foreground(LossSpec spec, Tensor channels) {
        return spec.includeBackground() || channels.size(1) == 1
                ? channels
                : channels.narrow(1, 1, channels.size(1) - 1);
    }

    private static long[] summedAxes(LossSpec spec) {
        return spec.batch() ? new long[] {0, 2, 3, 4} : new long[] {2, 3, 4};
    }

    private static Tensor dice(LossSpec spec, Tensor x, Tensor t) {
        Tensor p = probabilities(spec, x);
        Tensor g = foreground(spec, t);
        long[] axes = summedAxes(spec);
        Tensor intersection = p.mul(g).sum(axes);
        Tensor sums = spec.squared()
                ? p.square().sum(axes).add(g.square().sum(axes))
                : p.sum(axes).add(g.sum(axes));
        return oneMinus(smoothedRatio(spec, intersection, sums)).mean();
    }

    private static Tensor generalizedDice(LossSpec spec, Tensor x, Tensor t) {
        Tensor p = probabilities(spec, x);
        Tensor g = foreground(spec, t);
        long[] axes = {2, 3, 4};
        Tensor truth = g.sum(axes);
        Tensor weights = truth.square().reciprocal();
        Tensor infinite = weights.isinf();
        // a class that is absent weighs as much as the rarest one that is there
        Tensor finite = weights.masked_fill(infinite, new Scalar(0.0));
        Tensor largest = finite.amax(new long[] {-1}, true).expand(Functional.shape(finite));
        weights = torch.where(infinite, largest, finite);
        // MONAI leaves the classes apart: their weights only set how much the smoothing counts
        Tensor intersection = p.mul(g).sum(axes).mul(weights);
        Tensor sums = truth.add(p.sum(axes)).mul(weights);
        return oneMinus(smoothedRatio(spec, intersection, sums)).mean();
    }

    /** (2·intersection + s_n) / (sums + s_d). */
    private static Tensor smoothedRatio(LossSpec spec, Tensor intersection, Tensor sums) {
        return intersection
                .mul(new Scalar(2.0))
                .add(new Scalar(spec.smoothNumerator()))
                .div(sums.add(new Scalar(spec.smoothDenominator())));
    }

    /** −Σ_k t_k log softmax(x)_k, averaged over batch and voxels. */
    private static Tensor crossEntropy(Tensor x, Tensor t) {
        double places = (double) x.numel() / x.size(1);
        return torch.log_softmax(x, 1).mul(t).sum().mul(new Scalar(-1 / places));
    }

    /** (1−q)^γ · BCE with q the probability of the target, computed from log σ so that it keeps its digits near 0 and 1. */
    private static Tensor focal(LossSpec spec, Tensor x, Tensor t) {
        Tensor logits = foreground(spec, x);
        Tensor target = foreground(spec, t);
        Tensor crossEntropy = logits.sub(logits.mul(target)).sub(torch.log_sigmoid(logits));
        Tensor sign = target.mul(new Scalar(2.0)).sub(new Scalar(1.0));
        Tensor miss = torch.log_sigmoid(logits.mul(sign).neg());
        return miss.mul(new Scalar(spec.focalGamma())).exp().mul(crossEntropy).mean();
    }

    private static Tensor oneMinus(Tensor x) {
        return x.neg().add(new Scalar(1.0));
    }
}
