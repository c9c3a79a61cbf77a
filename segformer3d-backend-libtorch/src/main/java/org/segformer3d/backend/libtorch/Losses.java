package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
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

    /** Elements of a slab at most: what is made of it should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    /**
     * What a loss needs to know of its logits and target, each a sum over places: sums over slabs add up to those over the whole.
     *
     * @param overlaps intersection, target and prediction of every sample and channel, (3,B,K); {@code null} without a Dice term
     * @param pointwise sum of a loss of every place; {@code null} without such a term
     */
    record Sums(Tensor overlaps, Tensor pointwise) {
        Sums plus(Sums other) {
            return new Sums(
                    overlaps == null ? null : overlaps.add(other.overlaps),
                    pointwise == null ? null : pointwise.add(other.pointwise));
        }

        /** Computes sums in a pointer scope of their own, which releases all else. */
        @SuppressWarnings("try") // the scope works by being open
        static Sums kept(Supplier<Sums> work) {
            PointerScope outer = PointerScope.getInnerScope();
            try (PointerScope inner = new PointerScope()) {
                Sums found = work.get();
                if (found.overlaps != null) {
                    outer.attach(found.overlaps);
                }
                if (found.pointwise != null) {
                    outer.attach(found.pointwise);
                }
                return found;
            }
        }
    }

    /**
     * Returns the loss as a scalar.
     *
     * @param x logits (B,K,D,H,W)
     * @param t target channels of the same shape and type
     */
    static Tensor of(LossSpec spec, Tensor x, Tensor t) {
        return value(spec, sums(spec, x, t), Functional.shape(x));
    }

    /**
     * Overwrites logits with the gradient of weight·loss at them, a slab at a time: what autograd records never exists for more than
     * that.
     *
     * @param x logits (B,K,D,H,W), not recorded
     * @param target channels of the same shape, of any type
     * @return the loss without the factor
     */
    static double replaceByGradient(LossSpec spec, Tensor x, Tensor target, double weight) {
        long[] shape = Functional.shape(x);
        int slab = (int) Math.max(1, SLAB_ELEMENTS / (shape[0] * shape[1] * shape[3] * shape[4]));
        Sums totals = null;
        for (long from = 0; from < shape[2]; from += slab) {
            long count = Math.min(slab, shape[2] - from);
            long first = from;
            Sums before = totals;
            totals = Sums.kept(() -> {
                Sums part = sums(
                        spec,
                        x.narrow(2, first, count),
                        target.narrow(2, first, count).to(x.scalar_type()));
                return before == null ? part : before.plus(part);
            });
        }
        Sums leaves = new Sums(leaf(totals.overlaps()), leaf(totals.pointwise()));
        Tensor loss = value(spec, leaves, shape);
        loss.mul(new Scalar(weight)).backward();
        for (long from = 0; from < shape[2]; from += slab) {
            long count = Math.min(slab, shape[2] - from);
            Tensor logits = x.narrow(2, from, count);
            Tensor values = target.narrow(2, from, count);
            LibtorchBackend.scoped(() -> {
                Tensor slabLeaf = leaf(logits.contiguous());
                Sums part = sums(spec, slabLeaf, values.to(x.scalar_type()));
                Tensor weighted = null;
                if (part.overlaps() != null) {
                    weighted = part.overlaps().mul(leaves.overlaps().grad()).sum();
                }
                if (part.pointwise() != null) {
                    Tensor term = part.pointwise().mul(leaves.pointwise().grad());
                    weighted = weighted == null ? term : weighted.add(term);
                }
                weighted.backward();
                return logits.copy_(slabLeaf.grad());
            });
        }
        return loss.item().toDouble();
    }

    private static Tensor leaf(Tensor value) {
        return value == null ? null : value.detach().set_requires_grad(true);
    }

    private static Sums sums(LossSpec spec, Tensor x, Tensor t) {
        return switch (spec.kind()) {
            case DICE, GENERALIZED_DICE -> new Sums(overlaps(spec, x, t), null);
            case CROSS_ENTROPY -> new Sums(null, crossEntropy(x, t));
            case BINARY_CROSS_ENTROPY -> new Sums(null, binaryCrossEntropy(x, t));
            case DICE_CROSS_ENTROPY ->
                new Sums(overlaps(spec, x, t), x.size(1) == 1 ? binaryCrossEntropy(x, t) : crossEntropy(x, t));
            case DICE_FOCAL -> new Sums(overlaps(spec, x, t), focal(spec, x, t));
        };
    }

    /** @param shape of the logits */
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

    private static Tensor probabilities(LossSpec spec, Tensor x) {
        return foreground(
                spec, spec.activation() == LossSpec.Activation.SIGMOID ? torch.sigmoid(x) : torch.softmax(x, 1));
    }

    /** Drops channel 0 where the background takes no part. */
    private static Tensor foreground(LossSpec spec, Tensor channels) {
        return foreground(spec, channels, 1);
    }

    /** Drops channel 0 of an axis where the background takes no part. */
    static Tensor foreground(LossSpec spec, Tensor x, int axis) {
        return spec.includeBackground() || x.size(axis) == 1 ? x : x.narrow(axis, 1, x.size(axis) - 1);
    }

    /** Returns whether the denominator of a Dice has squared sums. */
    static boolean isSquared(LossSpec spec) {
        return spec.squared() && spec.kind() != LossSpec.Kind.GENERALIZED_DICE;
    }

    private static Tensor overlaps(LossSpec spec, Tensor x, Tensor t) {
        Tensor p = probabilities(spec, x);
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

    /** −Σ_k t_k log softmax(x)_k, summed over batch and voxels. */
    private static Tensor crossEntropy(Tensor x, Tensor t) {
        return torch.log_softmax(x, 1).mul(t).sum().neg();
    }

    private static Tensor binaryCrossEntropy(Tensor x, Tensor t) {
        return torch.binary_cross_entropy_with_logits(x, t, new TensorOptional(), new TensorOptional(), REDUCTION_SUM);
    }

    /** (1−q)^γ · BCE with q the probability of the target, computed from log σ so that it keeps its digits near 0 and 1. */
    private static Tensor focal(LossSpec spec, Tensor x, Tensor t) {
        Tensor logits = foreground(spec, x);
        Tensor target = foreground(spec, t);
        Tensor crossEntropy = logits.sub(logits.mul(target)).sub(torch.log_sigmoid(logits));
        Tensor sign = target.mul(new Scalar(2.0)).sub(new Scalar(1.0));
        Tensor miss = torch.log_sigmoid(logits.mul(sign).neg());
        return miss.mul(new Scalar(spec.focalGamma())).exp().mul(crossEntropy).sum();
    }

    private static Tensor oneMinus(Tensor x) {
        return x.neg().add(new Scalar(1.0));
    }
}
