package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.training.LossSpec;
import org.segformer3d.api.training.LossSpec.Activation;

/**
 * The losses of {@link Losses} with their gradients written out, a few slices of a sample at a time.
 *
 * <p>A loss is a small function of sums over places (see {@link Losses.Sums}), so it takes two sweeps: one for the sums, after which
 * autograd gives the gradient at them, and one that turns it into the gradient at the logits. With one activation the first sweep leaves
 * the probabilities where the logits were, and the second needs nothing else:
 *
 * <ul>
 *   <li>at Σpt and Σp: u = a·t + b (+ 2c·p at Σp²); through a sigmoid p(1−p)·u, through a softmax p·(u − Σ_k p_k u_k);
 *   <li>at −Σ t log softmax: p·Σ_k t_k − t; at the binary cross-entropy: p − t.
 * </ul>
 *
 * <p>A part stays in a core's cache and is computed on one thread; parts don't depend on the number of threads, and their sums are added
 * in float64 in their order. libtorch's own backward pass of a softmax over an axis that isn't the last takes five times as long.
 */
final class TrainedLoss {
    /** Elements of a part at most: the half dozen of them that are made together should stay in a core's cache. */
    private static final long PART_ELEMENTS = 1 << 16;

    /** The number at::Reduction::Sum has. */
    private static final long REDUCTION_SUM = 2;

    private final LibtorchBackend backend;
    private final LossSpec spec;
    private final Workers workers;

    TrainedLoss(LibtorchBackend backend, LossSpec spec, Workers workers) {
        this.backend = backend;
        this.spec = spec;
        this.workers = workers;
    }

    /** Returns whether a loss has its gradient here. */
    static boolean covers(LossSpec spec) {
        // a focal term's gradient isn't a short function of the probabilities
        return spec.kind() != LossSpec.Kind.DICE_FOCAL;
    }

    /**
     * Overwrites logits with the gradient of weight·loss at them.
     *
     * @param x logits (B,K,D,H,W), not recorded
     * @param target channels of the same shape, of any type
     * @return the loss without the factor
     */
    double replaceByGradient(Tensor x, Tensor target, double weight) {
        if (!covers(spec)) {
            return backend.on(
                    true, () -> LibtorchBackend.scoped(() -> Losses.replaceByGradient(spec, x, target, weight)));
        }
        return LibtorchBackend.scoped(() -> new Sweeps(spec, x, target).run(weight));
    }

    /** Both sweeps over one batch. */
    private final class Sweeps {
        private final Tensor x;
        private final Tensor target;
        private final long[] shape;
        /** How logits become the probabilities of the Dice term; {@code null} without one. */
        private final Activation overlapping;
        /** The same for the term that every place has by itself. */
        private final Activation pointwise;
        /** Whether there are one activation's probabilities only, which then stay where the logits were. */
        private final boolean stays;

        private final long slices;
        private final long partsOfSample;

        Sweeps(LossSpec spec, Tensor x, Tensor target) {
            this.x = x;
            this.target = target;
            this.shape = Functional.shape(x);
            this.overlapping = switch (spec.kind()) {
                case CROSS_ENTROPY, BINARY_CROSS_ENTROPY -> null;
                default -> spec.activation();
            };
            this.pointwise = switch (spec.kind()) {
                case CROSS_ENTROPY -> Activation.SOFTMAX;
                case BINARY_CROSS_ENTROPY -> Activation.SIGMOID;
                case DICE_CROSS_ENTROPY -> shape[1] == 1 ? Activation.SIGMOID : Activation.SOFTMAX;
                default -> null;
            };
            this.stays = overlapping == null || pointwise == null || overlapping == pointwise;
            this.slices = Math.max(1, PART_ELEMENTS / (shape[1] * shape[3] * shape[4]));
            this.partsOfSample = (shape[2] + slices - 1) / slices;
        }

        double run(double weight) {
            long parts = shape[0] * partsOfSample;
            TensorOptions exact = x.options().dtype(new ScalarTypeOptional(torch.ScalarType.Double));
            Tensor overlaps = torch.zeros(new long[] {parts, 3, shape[1]}, exact);
            Tensor points = torch.zeros(new long[] {parts}, exact);
            workers.each(parts, i -> sum(i, overlaps.select(0, i), points.select(0, i)));

            Tensor atOverlaps = overlaps.view(shape[0], partsOfSample, 3, shape[1])
                    .sum(1)
                    .transpose(0, 1)
                    .contiguous();
            Tensor atPoints = points.sum();
            double loss = backend.on(true, () -> value(atOverlaps, atPoints, weight));
            Tensor slopes = atOverlaps.grad().defined() ? atOverlaps.grad().to(x.scalar_type()) : null;
            Scalar slope = atPoints.grad().defined() ? atPoints.grad().item() : null;
            workers.each(parts, i -> turn(i, slopes, slope));
            return loss;
        }

        /** Returns the loss and leaves the gradients at the sums with them. */
        private double value(Tensor overlaps, Tensor points, double weight) {
            overlaps.set_requires_grad(true);
            points.set_requires_grad(true);
            Tensor value = Losses.value(
                    spec,
                    new Losses.Sums(
                            overlapping == null ? null : Losses.foreground(spec, overlaps, 2),
                            pointwise == null ? null : points),
                    shape);
            value.mul(new Scalar(weight)).backward();
            return value.item().toDouble();
        }

        /** Returns the channels (K,d,H,W) of part i. */
        private Tensor part(Tensor channels, int i) {
            long first = i % partsOfSample * slices;
            return channels.select(0, i / partsOfSample).narrow(1, first, Math.min(slices, shape[2] - first));
        }

        private Tensor targetOf(int i) {
            return part(target, i).to(x.scalar_type());
        }

        /** The first sweep. */
        private void sum(int i, Tensor overlaps, Tensor points) {
            Tensor logits = part(x, i);
            Tensor t = targetOf(i);
            Tensor p = null;
            if (overlapping != null) {
                p = probabilities(overlapping, logits, t, overlapping == pointwise ? points : null);
                boolean squared = Losses.isSquared(spec);
                overlaps.select(0, 0).copy_(total(p.mul(t)));
                overlaps.select(0, 1).copy_(total(squared ? t.square() : t));
                overlaps.select(0, 2).copy_(total(squared ? p.square() : p));
            }
            if (pointwise != null && pointwise != overlapping) {
                Tensor own = probabilities(pointwise, logits, t, points);
                p = p == null ? own : p;
            }
            if (stays) {
                logits.copy_(p);
            }
        }

        /** The second sweep. */
        private void turn(int i, Tensor slopes, Scalar slope) {
            Tensor values = part(x, i);
            Tensor t = targetOf(i);
            Tensor d = null;
            if (overlapping != null) {
                Tensor p = stays ? values : probabilities(overlapping, values, t, null);
                Tensor own = slopes.select(1, i / partsOfSample).view(3, -1, 1, 1, 1);
                Tensor u = Losses.isSquared(spec)
                        ? p.mul(own.select(0, 2).mul(new Scalar(2.0)))
                        : own.select(0, 2).expand(Functional.shape(p)).clone();
                u.addcmul_(t, own.select(0, 0));
                d = overlapping == Activation.SIGMOID
                        ? torch.sigmoid_backward(u, p)
                        : u.sub_(channelSum(u.mul(p))).mul_(p);
            }
            if (pointwise != null) {
                Tensor p = stays ? values : probabilities(pointwise, values, t, null);
                Tensor own = pointwise == Activation.SIGMOID
                        ? p.sub(t)
                        : p.mul(channelSum(t)).sub_(t);
                d = d == null ? own.mul_(slope) : d.add_(own, slope);
            }
            values.copy_(d);
        }
    }

    /**
     * Returns probabilities (K,d,H,W).
     *
     * @param points where their cross-entropy is put, summed over places; {@code null} for nowhere
     */
    private static Tensor probabilities(Activation activation, Tensor x, Tensor t, Tensor points) {
        if (activation == Activation.SIGMOID) {
            if (points != null) {
                points.copy_(torch.binary_cross_entropy_with_logits(
                        x, t, new TensorOptional(), new TensorOptional(), REDUCTION_SUM));
            }
            return torch.sigmoid(x);
        }
        Tensor shifted = x.sub(x.amax(new long[] {0}, true));
        Tensor exponentials = shifted.exp();
        Tensor sums = channelSum(exponentials);
        if (points != null) {
            // −Σ t log softmax = Σ_n (Σ_k t)·log s − Σ t·(x − max): neither term is negative where t isn't, so no
            // digits are lost
            points.copy_(
                    channelSum(t).mul_(sums.log()).sum().sub_(shifted.mul_(t).sum()));
        }
        return exponentials.div_(sums);
    }

    /** (K,d,H,W) → (1,d,H,W). */
    private static Tensor channelSum(Tensor x) {
        return x.sum(new long[] {0}, true, new ScalarTypeOptional());
    }

    /** (K,d,H,W) → (K). */
    private static Tensor total(Tensor x) {
        return x.sum(1, 2, 3);
    }
}
