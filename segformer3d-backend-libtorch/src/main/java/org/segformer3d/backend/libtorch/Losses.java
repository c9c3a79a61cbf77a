package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.training.LossSpec;

/** The losses of {@link LossSpec} as differentiable operations; MONAI's values to the last digits. */
final class Losses {
    private Losses() {}

    /** The number at::Reduction::Sum has. */
    private static final long REDUCTION_SUM = 2;

    /**
     * What a loss needs to know of its logits and target, each a sum over places: sums over parts add up to those over the whole.
     *
     * @param overlaps intersection, target and prediction of every sample and channel, (3,B,K); {@code null} without a Dice term
     * @param pointwise sum of a loss of every place; {@code null} without such a term
     */
    record Sums(Tensor overlaps, Tensor pointwise) {}

    /**
     * Returns the loss as a scalar.
     *
     * @param x logits (B,K,D,H,W)
     * @param t target channels of the same shape and type
     */
    static Tensor of(LossSpec spec, Tensor x, Tensor t) {
        return value(spec, sums(spec, x, probabilities(spec, x), t), Functional.shape(x));
    }

    /**
     * Returns the sums over logits (B,K,D,H,W) and a target of the same shape and type.
     *
     * @param p the logits' {@link #probabilities}
     */
    static Sums sums(LossSpec spec, Tensor x, Tensor p, Tensor t) {
        return switch (spec.kind()) {
            case DICE, GENERALIZED_DICE -> new Sums(overlaps(spec, p, t), null);
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY -> new Sums(null, crossEntropy(spec, x, t));
            case DICE_CROSS_ENTROPY -> new Sums(overlaps(spec, p, t), crossEntropy(spec, x, t));
            case DICE_FOCAL -> new Sums(overlaps(spec, p, t), focal(spec, x, t));
        };
    }

    /**
     * Returns the loss, a scalar.
     *
     * @param shape of the logits
     */
    static Tensor value(LossSpec spec, Sums sums, long[] shape) {
        double places = (double) shape[0] * shape[2] * shape[3] * shape[4];
        return switch (spec.kind()) {
            case DICE -> dice(spec, sums.overlaps());
            case GENERALIZED_DICE -> generalizedDice(spec, sums.overlaps());
            case CROSS_ENTROPY -> sums.pointwise().div(new Scalar(places));
            case BINARY_CROSS_ENTROPY -> sums.pointwise().div(new Scalar(places * shape[1]));
            // one channel has a binary cross-entropy, whose places are as many
            case DICE_CROSS_ENTROPY ->
                combined(spec, dice(spec, sums.overlaps()), sums.pointwise().div(new Scalar(places)));
            case DICE_FOCAL ->
                combined(
                        spec,
                        dice(spec, sums.overlaps()),
                        sums.pointwise().div(new Scalar(places * sums.overlaps().size(2))));
        };
    }

    private static Tensor combined(LossSpec spec, Tensor dice, Tensor other) {
        return dice.mul(new Scalar(spec.diceWeight())).add(other.mul(new Scalar(spec.otherWeight())));
    }

    /** Returns what a Dice term compares with the target, the background included; {@code null} without such a term. */
    static Tensor probabilities(LossSpec spec, Tensor x) {
        return switch (spec.kind()) {
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY -> null;
            case DICE, GENERALIZED_DICE, DICE_CROSS_ENTROPY, DICE_FOCAL ->
                spec.activation() == LossSpec.Activation.SIGMOID ? torch.sigmoid(x) : torch.softmax(x, 1);
        };
    }

    /** Drops channel 0 where the background takes no part. */
    static Tensor foreground(LossSpec spec, Tensor channels) {
        return spec.includeBackground() || channels.size(1) == 1
                ? channels
                : channels.narrow(1, 1, channels.size(1) - 1);
    }

    /** Returns whether the denominator of a Dice has squared sums. */
    static boolean isSquared(LossSpec spec) {
        return spec.squared() && spec.kind() != LossSpec.Kind.GENERALIZED_DICE;
    }

    private static Tensor overlaps(LossSpec spec, Tensor all, Tensor t) {
        Tensor p = foreground(spec, all);
        Tensor g = foreground(spec, t);
        long[] axes = {2, 3, 4};
        boolean squared = isSquared(spec);
        return torch.stack(new TensorVector(
                p.mul(g).sum(axes),
                squared ? g.square().sum(axes) : g.sum(axes),
                squared ? p.square().sum(axes) : p.sum(axes)));
    }

    private static Tensor dice(LossSpec spec, Tensor overlaps) {
        Tensor all = spec.batch() ? overlaps.sum(1) : overlaps;
        return oneMinus(smoothedRatio(spec, all.select(0, 0), all.select(0, 1).add(all.select(0, 2))))
                .mean();
    }

    private static Tensor generalizedDice(LossSpec spec, Tensor overlaps) {
        Tensor truth = overlaps.select(0, 1);
        Tensor weights = truth.square().reciprocal();
        Tensor infinite = weights.isinf();
        // a class that is absent weighs as much as the rarest one that is there
        Tensor finite = weights.masked_fill(infinite, new Scalar(0.0));
        Tensor largest = finite.amax(new long[] {-1}, true).expand(Functional.shape(finite));
        weights = torch.where(infinite, largest, finite).detach();
        // MONAI leaves the classes apart: their weights only set how much the smoothing counts
        Tensor intersection = overlaps.select(0, 0).mul(weights);
        Tensor sums = truth.add(overlaps.select(0, 2)).mul(weights);
        return oneMinus(smoothedRatio(spec, intersection, sums)).mean();
    }

    /** (2·intersection + s_n) / (sums + s_d). */
    private static Tensor smoothedRatio(LossSpec spec, Tensor intersection, Tensor sums) {
        return intersection
                .mul(new Scalar(2.0))
                .add(new Scalar(spec.smoothNumerator()))
                .div(sums.add(new Scalar(spec.smoothDenominator())));
    }

    /** Returns whether a cross-entropy is that of each channel by itself rather than that of a softmax. */
    static boolean isBinary(LossSpec spec, Tensor x) {
        return spec.kind() == LossSpec.Kind.BINARY_CROSS_ENTROPY
                || spec.kind() == LossSpec.Kind.DICE_CROSS_ENTROPY && x.size(1) == 1;
    }

    /** Sum over batch and voxels. */
    private static Tensor crossEntropy(LossSpec spec, Tensor x, Tensor t) {
        return isBinary(spec, x)
                ? torch.binary_cross_entropy_with_logits(
                        x, t, new TensorOptional(), new TensorOptional(), REDUCTION_SUM)
                : torch.log_softmax(x, 1).mul(t).sum().neg();
    }

    /** Σ (1−q)^γ · BCE with q the probability of the target. */
    private static Tensor focal(LossSpec spec, Tensor x, Tensor t) {
        Tensor logits = foreground(spec, x);
        Tensor target = foreground(spec, t);
        return focus(spec, logits.mul(sign(target)))
                .mul(logisticLoss(logits, target))
                .sum();
    }

    /** −t log σ(x) − (1−t) log σ(−x) of every place. */
    static Tensor logisticLoss(Tensor x, Tensor t) {
        return x.sub(x.mul(t)).sub(torch.log_sigmoid(x));
    }

    /** 2t−1. */
    static Tensor sign(Tensor t) {
        return t.mul(new Scalar(2.0)).sub(new Scalar(1.0));
    }

    /** σ(−y)^γ, computed from log σ so that it keeps its digits near 0 and 1. */
    private static Tensor focus(LossSpec spec, Tensor y) {
        return torch.log_sigmoid(y.neg()).mul(new Scalar(spec.focalGamma())).exp();
    }

    private static Tensor oneMinus(Tensor x) {
        return x.neg().add(new Scalar(1.0));
    }
}
