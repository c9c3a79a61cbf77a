package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.training.LossSpec;

/**
 * Sums and values of the losses of {@link LossSpec} on libtorch's own tensors, for {@link TrainedLoss}, which computes them part by part on
 * several threads. The losses themselves stand in {@link org.segformer3d.api.training.Losses}.
 */
final class Losses {
    private Losses() {}

    /** The number at::Reduction::None has. */
    private static final long REDUCTION_NONE = 0;

    private static final long[] SPACE = {2, 3, 4};
    private static final long[] SAMPLE = {1, 2, 3, 4};

    /**
     * What a loss needs to know of its logits and target, each a sum over places that count: sums over parts add up to those over the
     * whole.
     *
     * @param overlaps intersection, target and prediction of every sample and channel, (3,B,K); {@code null} without a Dice term
     * @param pointwise sum of a loss of every place, for every sample, (B); {@code null} without such a term
     */
    record Sums(Tensor overlaps, Tensor pointwise) {}

    /** Returns how many voxels of each sample count, (B) in float64; {@code null} when all do. */
    static Tensor counts(Tensor mask) {
        return mask == null ? null : mask.sum(SAMPLE, false, new ScalarTypeOptional(torch.ScalarType.Double));
    }

    /**
     * Returns the sums over logits (B,K,D,H,W) and a target of the same shape and type.
     *
     * @param p the logits' {@link #probabilities}
     * @param m 1 where a voxel counts and 0 elsewhere, (B,1,D,H,W) of the same type; {@code null} when all count
     */
    static Sums sums(LossSpec spec, Tensor x, Tensor p, Tensor t, Tensor m) {
        return switch (spec.kind()) {
            case DICE, GENERALIZED_DICE -> new Sums(overlaps(spec, p, t, m), null);
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY -> new Sums(null, crossEntropy(spec, x, t, m));
            case DICE_CROSS_ENTROPY -> new Sums(overlaps(spec, p, t, m), crossEntropy(spec, x, t, m));
            case DICE_FOCAL -> new Sums(overlaps(spec, p, t, m), focal(spec, x, t, m));
        };
    }

    /**
     * Returns the loss, a scalar.
     *
     * @param counts how many voxels of each sample count, (B); {@code null} when all do
     * @param shape of the logits
     */
    static Tensor value(LossSpec spec, Sums sums, Tensor counts, long[] shape) {
        return switch (spec.kind()) {
            case DICE -> dice(spec, sums.overlaps(), counts);
            case GENERALIZED_DICE -> generalizedDice(spec, sums.overlaps(), counts);
            case CROSS_ENTROPY -> mean(sums.pointwise(), counts, shape, 1);
            case BINARY_CROSS_ENTROPY -> mean(sums.pointwise(), counts, shape, shape[1]);
            // one channel has a binary cross-entropy, whose places are as many
            case DICE_CROSS_ENTROPY ->
                combined(spec, dice(spec, sums.overlaps(), counts), mean(sums.pointwise(), counts, shape, 1));
            case DICE_FOCAL ->
                combined(
                        spec,
                        dice(spec, sums.overlaps(), counts),
                        mean(sums.pointwise(), counts, shape, sums.overlaps().size(2)));
        };
    }

    /** Returns the mean over samples of each one's mean over its voxels that count and some channels. */
    private static Tensor mean(Tensor ofSamples, Tensor counts, long[] shape, long channels) {
        if (counts == null) {
            return ofSamples.sum().div(new Scalar((double) shape[0] * shape[2] * shape[3] * shape[4] * channels));
        }
        // without a voxel that counts the sum is 0, and stays it
        return ofSamples.div(counts.clamp_min(new Scalar(1.0))).sum().div(new Scalar((double) shape[0] * channels));
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

    private static Tensor overlaps(LossSpec spec, Tensor all, Tensor t, Tensor m) {
        Tensor p = counted(foreground(spec, all), m);
        Tensor g = counted(foreground(spec, t), m);
        boolean squared = isSquared(spec);
        return torch.stack(new TensorVector(
                p.mul(g).sum(SPACE),
                squared ? g.square().sum(SPACE) : g.sum(SPACE),
                squared ? p.square().sum(SPACE) : p.sum(SPACE)));
    }

    /** Returns values that are 0 where a voxel doesn't count. */
    private static Tensor counted(Tensor values, Tensor m) {
        return m == null ? values : values.mul(m);
    }

    private static Tensor dice(LossSpec spec, Tensor overlaps, Tensor counts) {
        Tensor all = spec.batch() ? overlaps.sum(1) : overlaps;
        Tensor found = counts == null || !spec.batch() ? counts : counts.sum();
        return oneMinusRatio(spec, all.select(0, 0), all.select(0, 1).add(all.select(0, 2)), found)
                .mean();
    }

    private static Tensor generalizedDice(LossSpec spec, Tensor overlaps, Tensor counts) {
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
        return oneMinusRatio(spec, intersection, sums, counts).mean();
    }

    /**
     * 1 − (2·intersection + s_n) / (sums + s_d), and 0 where no voxel counts.
     *
     * @param counts number of voxels that count, (B) or a scalar; {@code null} when all do
     */
    private static Tensor oneMinusRatio(LossSpec spec, Tensor intersection, Tensor sums, Tensor counts) {
        Tensor numerator = intersection.mul(new Scalar(2.0)).add(new Scalar(spec.smoothNumerator()));
        Tensor denominator = sums.add(new Scalar(spec.smoothDenominator()));
        if (counts == null) {
            return oneMinus(numerator.div(denominator));
        }
        // Sums over nothing are 0: without smoothing that would be 0/0, and with it a constant that nothing can lower.
        Tensor some = counts.gt(new Scalar(0.0)).to(sums.scalar_type());
        some = some.dim() == 0 ? some : some.unsqueeze(1);
        return oneMinus(numerator.div(denominator.add(oneMinus(some)))).mul(some);
    }

    /** Returns whether a cross-entropy is that of each channel by itself rather than that of a softmax. */
    static boolean isBinary(LossSpec spec, Tensor x) {
        return spec.kind() == LossSpec.Kind.BINARY_CROSS_ENTROPY
                || spec.kind() == LossSpec.Kind.DICE_CROSS_ENTROPY && x.size(1) == 1;
    }

    /** Sum over a sample's voxels that count. */
    private static Tensor crossEntropy(LossSpec spec, Tensor x, Tensor t, Tensor m) {
        return isBinary(spec, x)
                ? counted(
                                torch.binary_cross_entropy_with_logits(
                                        x, t, new TensorOptional(), new TensorOptional(), REDUCTION_NONE),
                                m)
                        .sum(SAMPLE)
                : torch.log_softmax(x, 1).mul(counted(t, m)).sum(SAMPLE).neg();
    }

    /** Σ (1−q)^γ · BCE with q the probability of the target. */
    private static Tensor focal(LossSpec spec, Tensor x, Tensor t, Tensor m) {
        Tensor logits = foreground(spec, x);
        Tensor target = foreground(spec, t);
        return counted(focus(spec, logits.mul(sign(target))).mul(logisticLoss(logits, target)), m)
                .sum(SAMPLE);
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
