package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;

/**
 * The losses of {@link Losses} with their gradients written out, a few slices of a sample at a time.
 *
 * <p>A loss is a small function of sums over places (see {@link Losses.Sums}), so it takes two sweeps: one for the sums, after which
 * autograd gives the gradient at them, and one that turns it into the gradient at the logits x, from the probabilities alone where they suffice:
 *
 * <ul>
 *   <li>at Σpt and Σp: u = a·t + b (+ 2c·p at Σp²); through a sigmoid p(1−p)·u, through a softmax p·(u − Σ_k p_k u_k);
 *   <li>at −Σ t log softmax: p·Σ_k t_k − t; at the binary cross-entropy: p − t;
 *   <li>at the focal term, with s = 2t−1, c the binary cross-entropy of the place and f = σ(−s·x)^γ:
 *       f·(p − t − γ·c·s·σ(s·x)).
 * </ul>
 *
 * <p>All is a matter of each voxel by itself, so that a voxel that doesn't count has a gradient of 0.
 *
 * <p>A part stays in a core's cache and is computed on one thread; parts don't depend on the number of threads, and their sums are added
 * in float64 in their order.
 */
final class TrainedLoss {
    /** Elements of a part at most: what is made of it should stay in the cache, and be worth some dozen calls. */
    private static final long PART_ELEMENTS = 1 << 18;

    private final LibtorchBackend backend;
    private final LossSpec spec;
    private final Workers workers;

    TrainedLoss(LibtorchBackend backend, LossSpec spec, Workers workers) {
        this.backend = backend;
        this.spec = spec;
        this.workers = workers;
    }

    /**
     * Overwrites logits with the gradient of weight·loss at them.
     *
     * @param x logits (B,K,D,H,W), not recorded
     * @param target channels of the same shape, of any type
     * @param mask 1 where a voxel counts and 0 elsewhere, (B,1,D,H,W) of any type; {@code null} when all count
     * @return the loss without the factor
     */
    double replaceByGradient(Tensor x, Tensor target, Tensor mask, double weight) {
        long[] shape = Functional.shape(x);
        long slices = Math.max(1, PART_ELEMENTS / (shape[1] * shape[3] * shape[4]));
        boolean stay = probabilitiesSuffice(x);
        long partsOfSample = (shape[2] + slices - 1) / slices;
        long parts = shape[0] * partsOfSample;
        long scored = Losses.foreground(spec, x).size(1);
        TensorOptions exact = x.options().dtype(new ScalarTypeOptional(torch.ScalarType.Double));
        Tensor overlaps = torch.zeros(new long[] {parts, 3, scored}, exact);
        Tensor points = torch.zeros(new long[] {parts}, exact);
        workers.each(parts, i -> {
            Part part = Part.of(x, target, mask, i / partsOfSample, i % partsOfSample * slices, slices);
            Tensor p = Losses.probabilities(spec, part.values);
            Losses.Sums found = Losses.sums(spec, part.values, p, part.target, part.mask);
            if (found.overlaps() != null) {
                overlaps.select(0, i).copy_(found.overlaps().select(1, 0));
            }
            if (found.pointwise() != null) {
                points.select(0, i).copy_(found.pointwise().select(0, 0));
            }
            if (stay) {
                part.values.copy_(p);
            }
        });

        Tensor ofSamples = overlaps.view(shape[0], partsOfSample, 3, scored)
                .sum(1)
                .transpose(0, 1)
                .contiguous();
        Tensor places = points.view(shape[0], partsOfSample).sum(1);
        Tensor counts = Losses.counts(mask);
        double loss = backend.on(true, () -> value(new Losses.Sums(ofSamples, places), counts, shape, weight));
        // a term that a loss hasn't leaves no gradient at its sums
        Tensor slopes = ofSamples.grad().defined() ? ofSamples.grad().to(x.scalar_type()) : null;
        Tensor slope = places.grad().defined() ? places.grad() : null;
        workers.each(parts, i -> {
            Part part = Part.of(x, target, mask, i / partsOfSample, i % partsOfSample * slices, slices);
            Tensor p = stay ? part.values : Losses.probabilities(spec, part.values);
            Tensor gradient = p == null ? null : throughOverlaps(part, p, slopes.select(1, i / partsOfSample));
            if (slope != null) {
                Tensor own = pointwise(part, p)
                        .mul_(slope.select(0, i / partsOfSample).item());
                gradient = gradient == null ? own : gradient.add_(own);
            }
            if (part.mask != null) {
                gradient.mul_(part.mask);
            }
            part.values.copy_(gradient);
        });
        return loss;
    }

    /** Returns whether the second sweep needs nothing but the probabilities of the Dice term. */
    private boolean probabilitiesSuffice(Tensor x) {
        return switch (spec.kind()) {
            case DICE, GENERALIZED_DICE -> true;
            case DICE_CROSS_ENTROPY -> Losses.isBinary(spec, x) == (spec.activation() == Activation.SIGMOID);
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY, DICE_FOCAL -> false;
        };
    }

    /** Returns the loss and leaves the gradients at the sums with them. */
    private double value(Losses.Sums sums, Tensor counts, long[] shape, double weight) {
        sums.overlaps().set_requires_grad(true);
        sums.pointwise().set_requires_grad(true);
        Tensor value = Losses.value(spec, sums, counts, shape);
        value.mul(new Scalar(weight)).backward();
        return value.item().toDouble();
    }

    /**
     * Some slices of one sample, (1,K,d,H,W).
     *
     * @param values where the logits are, then their probabilities if they stay, and at last the gradient
     * @param mask which voxels count; {@code null} when all do
     */
    private record Part(Tensor values, Tensor target, Tensor mask) {
        static Part of(Tensor x, Tensor target, Tensor mask, long sample, long first, long most) {
            long count = Math.min(most, x.size(2) - first);
            return new Part(
                    x.narrow(0, sample, 1).narrow(2, first, count),
                    target.narrow(0, sample, 1).narrow(2, first, count).to(x.scalar_type()),
                    mask == null
                            ? null
                            : mask.narrow(0, sample, 1).narrow(2, first, count).to(x.scalar_type()));
        }
    }

    /**
     * @param p probabilities, of all channels
     * @param slopes gradient at the sums of the part's sample, (3,K)
     */
    private Tensor throughOverlaps(Part part, Tensor p, Tensor slopes) {
        Tensor at = slopes.view(3, 1, -1, 1, 1, 1);
        Tensor own = Losses.foreground(spec, part.target).mul(at.select(0, 0));
        if (Losses.isSquared(spec)) {
            own.addcmul_(Losses.foreground(spec, p), at.select(0, 2), new Scalar(2.0));
        } else {
            own.add_(at.select(0, 2));
        }
        Tensor u = withBackground(own, p);
        return spec.activation() == Activation.SIGMOID
                ? torch.sigmoid_backward(u, p)
                : u.sub_(channelSum(u.mul(p))).mul_(p);
    }

    /**
     * Returns the gradient at the term that every place has by itself.
     *
     * @param p the probabilities of the other term, which may be overwritten; {@code null} without one
     */
    private Tensor pointwise(Part part, Tensor p) {
        Tensor x = part.values;
        Tensor t = part.target;
        if (spec.kind() == LossSpec.Kind.DICE_FOCAL) {
            return withBackground(focal(Losses.foreground(spec, x), Losses.foreground(spec, t)), x);
        }
        boolean known = probabilitiesSuffice(x);
        if (Losses.isBinary(spec, x)) {
            return (known ? p : torch.sigmoid(x)).sub_(t);
        }
        return (known ? p : torch.softmax(x, 1)).mul_(channelSum(t)).sub_(t);
    }

    /** Returns a gradient at all channels, zero at a background that takes no part. */
    private Tensor withBackground(Tensor own, Tensor channels) {
        if (own.size(1) == channels.size(1)) {
            return own;
        }
        Tensor all = torch.zeros_like(channels);
        Losses.foreground(spec, all).copy_(own);
        return all;
    }

    private Tensor focal(Tensor x, Tensor t) {
        Tensor s = Losses.sign(t);
        Tensor missed = torch.sigmoid(x.mul(s).neg_());
        Tensor ofFocus = missed.neg()
                .add_(new Scalar(1.0))
                .mul_(s)
                .mul_(Losses.logisticLoss(x, t))
                .mul_(new Scalar(spec.focalGamma()));
        return torch.sigmoid(x).sub_(t).sub_(ofFocus).mul_(missed.pow_(new Scalar(spec.focalGamma())));
    }

    /** (1,K,d,H,W) → (1,1,d,H,W). */
    private static Tensor channelSum(Tensor x) {
        return x.sum(new long[] {1}, true, new ScalarTypeOptional());
    }
}
