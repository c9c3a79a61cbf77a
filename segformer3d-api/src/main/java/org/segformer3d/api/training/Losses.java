package org.segformer3d.api.training;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.DifferentiableBackend;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.ops.Tape;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * The losses of {@link LossSpec} over operations; MONAI's values to the last digits.
 *
 * <p>A loss is a function of few sums over voxels ({@link Sums}). Whoever computes the sums part by part, with gradients written out, takes
 * {@link #sums} and {@link #value} one by one; everybody else takes {@link #of}.
 */
public final class Losses {
    private static final int[] SPACE = {2, 3, 4};
    private static final int[] SAMPLE = {1, 2, 3, 4};

    private Losses() {}

    /**
     * What a loss needs to know of logits and target, each a sum over voxels that count: sums over parts of the voxels add up to those over
     * all.
     *
     * @param intersection Σ p·t of every sample and channel, (B,K,1,1,1); {@code null} without a Dice term, as are the next two
     * @param truth Σ t, or Σ t² where the denominator is squared
     * @param prediction Σ p, or Σ p²
     * @param pointwise sum of a loss of every voxel, for every sample, (B,1,1,1,1); {@code null} without such a term
     */
    public record Sums(Tensor intersection, Tensor truth, Tensor prediction, Tensor pointwise) {}

    /**
     * Returns the loss, a tensor of rank 0.
     *
     * @param ops recorded ones where gradients are wanted
     * @param logits (B,K,D,H,W)
     * @param target channels of the same shape
     * @param mask 1 where a voxel counts and 0 elsewhere, (B,1,D,H,W); {@code null} when all count
     * @throws IllegalArgumentException when shapes don't fit
     */
    public static Tensor of(LossSpec spec, Ops ops, Tensor logits, Tensor target, Tensor mask) {
        requireShapes(logits.shape(), target.shape(), mask == null ? null : mask.shape());
        return ops.part(o -> {
            Sums sums = sums(spec, o, logits, probabilities(spec, o, logits), target, mask);
            return value(spec, o, sums, counts(o, mask), logits.shape());
        });
    }

    /**
     * Returns the loss of several logits, of which the first have the target's size and the others are coarser (deep supervision):
     * Σ 2⁻ⁱ·loss_i / Σ 2⁻ⁱ. A coarser loss sees the target at the voxels nearest to its own centres.
     *
     * @param logits (B,K,D,H,W) each, finest first, at least one
     * @param target channels (B,K,D,H,W) of the first one's size
     * @param mask 1 where a voxel counts and 0 elsewhere, (B,1,D,H,W); {@code null} when all count
     */
    public static Tensor of(LossSpec spec, Ops ops, List<Tensor> logits, Tensor target, Tensor mask) {
        if (logits.size() == 1) {
            return of(spec, ops, logits.get(0), target, mask);
        }
        return ops.part(o -> {
            double weights = 2 - Math.pow(2, 1 - logits.size());
            Tensor sum = null;
            for (int i = 0; i < logits.size(); i++) {
                long[] size = logits.get(i).shape();
                Tensor one = of(
                        spec, o, logits.get(i), nearest(o, target, size), mask == null ? null : nearest(o, mask, size));
                Tensor weighted = o.affine(one, Math.pow(2, -i) / weights, 0);
                sum = sum == null ? weighted : o.add(sum, weighted);
            }
            return sum;
        });
    }

    /** Returns x at the voxels nearest to the centres of another size's. */
    private static Tensor nearest(Ops ops, Tensor x, long[] size) {
        Tensor result = x;
        for (int axis : SPACE) {
            long from = x.shape()[axis];
            long to = size[axis];
            if (from != to) {
                int[] indices = IntStream.range(0, Math.toIntExact(to))
                        .map(i -> (int) ((2L * i + 1) * from / (2 * to)))
                        .toArray();
                result = ops.gather(result, axis, indices);
            }
        }
        return result;
    }

    /**
     * Returns a loss and its gradient with respect to the logits.
     *
     * @param logits (B,K,D,H,W), any type
     * @param target channels of the same shape, any type
     * @param mask (B,1,D,H,W), 1 where a voxel counts and 0 where it is left out; empty when all count
     */
    public static LossGradient gradient(
            DifferentiableBackend backend,
            LossSpec spec,
            HostTensor logits,
            HostTensor target,
            Optional<HostTensor> mask) {
        try (Tape tape = backend.newTape(Pass.INFERENCE);
                Scope scope = backend.newScope()) {
            Ops ops = tape.ops();
            Tensor x = tape.variable(ops.constant(logits));
            Tensor loss = of(
                    spec, ops, x, ops.constant(target), mask.map(ops::constant).orElse(null));
            double value = loss.toHost().get(0);
            return new LossGradient(
                    value, tape.gradients(scope, loss, null, List.of(x)).get(0).toHost());
        }
    }

    /** Returns a loss alone, see {@link #gradient}. */
    public static double value(
            Backend backend, LossSpec spec, HostTensor logits, HostTensor target, Optional<HostTensor> mask) {
        try (Scope scope = backend.newScope()) {
            Ops ops = backend.ops(scope, Pass.INFERENCE);
            return of(
                            spec,
                            ops,
                            ops.constant(logits),
                            ops.constant(target),
                            mask.map(ops::constant).orElse(null))
                    .toHost()
                    .get(0);
        }
    }

    /**
     * Checks that logits, target and mask belong together.
     *
     * @param mask {@code null} when there is none
     * @throws IllegalArgumentException when they don't
     */
    public static void requireShapes(long[] logits, long[] target, long[] mask) {
        if (!Arrays.equals(logits, target) || logits.length != 5) {
            throw new IllegalArgumentException("loss: found logits " + Shapes.text(logits) + " with target "
                    + Shapes.text(target) + ", expected equal shapes (B,K,D,H,W)");
        }
        if (mask != null) {
            LossSpec.requireMask(mask, target);
        }
    }

    /** Returns how many voxels of each sample count, (B,1,1,1,1); {@code null} when all do. */
    public static Tensor counts(Ops ops, Tensor mask) {
        return mask == null ? null : ops.sum(mask, SAMPLE);
    }

    /** Returns what a Dice term compares with the target, the background included; {@code null} without such a term. */
    public static Tensor probabilities(LossSpec spec, Ops ops, Tensor logits) {
        return switch (spec.kind()) {
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY -> null;
            case DICE, GENERALIZED_DICE, DICE_CROSS_ENTROPY, DICE_FOCAL ->
                spec.activation() == LossSpec.Activation.SIGMOID ? ops.sigmoid(logits) : ops.softmax(logits, 1);
        };
    }

    /**
     * Returns the sums over logits (B,K,D,H,W) and a target of the same shape.
     *
     * @param probabilities the logits' {@link #probabilities}
     * @param mask 1 where a voxel counts and 0 elsewhere, (B,1,D,H,W); {@code null} when all count
     */
    public static Sums sums(LossSpec spec, Ops ops, Tensor logits, Tensor probabilities, Tensor target, Tensor mask) {
        return switch (spec.kind()) {
            case DICE, GENERALIZED_DICE -> overlaps(spec, ops, probabilities, target, mask, null);
            case CROSS_ENTROPY, BINARY_CROSS_ENTROPY ->
                new Sums(null, null, null, crossEntropy(spec, ops, logits, target, mask));
            case DICE_CROSS_ENTROPY ->
                overlaps(spec, ops, probabilities, target, mask, crossEntropy(spec, ops, logits, target, mask));
            case DICE_FOCAL -> overlaps(spec, ops, probabilities, target, mask, focal(spec, ops, logits, target, mask));
        };
    }

    /**
     * Returns the loss, a tensor of rank 0.
     *
     * @param counts how many voxels of each sample count, (B,1,1,1,1); {@code null} when all do
     * @param shape of the logits
     */
    public static Tensor value(LossSpec spec, Ops ops, Sums sums, Tensor counts, long[] shape) {
        return switch (spec.kind()) {
            case DICE -> dice(spec, ops, sums, counts);
            case GENERALIZED_DICE -> generalizedDice(spec, ops, sums, counts);
            case CROSS_ENTROPY -> mean(ops, sums.pointwise(), counts, shape, 1);
            case BINARY_CROSS_ENTROPY -> mean(ops, sums.pointwise(), counts, shape, shape[1]);
            // one channel has a binary cross-entropy, whose voxels are as many
            case DICE_CROSS_ENTROPY ->
                combined(spec, ops, dice(spec, ops, sums, counts), mean(ops, sums.pointwise(), counts, shape, 1));
            case DICE_FOCAL ->
                combined(
                        spec,
                        ops,
                        dice(spec, ops, sums, counts),
                        mean(ops, sums.pointwise(), counts, shape, sums.truth().shape()[1]));
        };
    }

    /** Returns the first channel of the Dice and focal terms. */
    public static int firstChannel(LossSpec spec, long channels) {
        return spec.includeBackground() || channels == 1 ? 0 : 1;
    }

    /** Returns whether the denominator of the Dice has squared sums. */
    public static boolean isSquared(LossSpec spec) {
        return spec.squared() && spec.kind() != LossSpec.Kind.GENERALIZED_DICE;
    }

    /** Returns whether the cross-entropy is that of each channel by itself rather than that of a softmax. */
    public static boolean isBinary(LossSpec spec, long channels) {
        return spec.kind() == LossSpec.Kind.BINARY_CROSS_ENTROPY
                || spec.kind() == LossSpec.Kind.DICE_CROSS_ENTROPY && channels == 1;
    }

    /** Returns −t log σ(x) − (1−t) log σ(−x) of every voxel. */
    public static Tensor logistic(Ops ops, Tensor x, Tensor t) {
        return ops.part(o -> o.subtract(o.multiply(x, o.affine(t, -1, 1)), o.logSigmoid(x)));
    }

    private static Tensor foreground(LossSpec spec, Ops ops, Tensor channels) {
        long count = channels.shape()[1];
        int first = firstChannel(spec, count);
        return first == 0 ? channels : ops.slice(channels, 1, first, count);
    }

    /** Returns values that are 0 where a voxel doesn't count. */
    private static Tensor counted(Ops ops, Tensor values, Tensor mask) {
        return mask == null ? values : ops.multiply(values, mask);
    }

    private static Sums overlaps(
            LossSpec spec, Ops ops, Tensor probabilities, Tensor target, Tensor mask, Tensor pointwise) {
        Tensor p = counted(ops, foreground(spec, ops, probabilities), mask);
        Tensor t = counted(ops, foreground(spec, ops, target), mask);
        boolean squared = isSquared(spec);
        return new Sums(
                product(ops, p, t),
                squared ? product(ops, t, t) : ops.sum(t, SPACE),
                squared ? product(ops, p, p) : ops.sum(p, SPACE),
                pointwise);
    }

    private static Tensor product(Ops ops, Tensor a, Tensor b) {
        return ops.part(o -> o.sum(o.multiply(a, b), SPACE));
    }

    private static Tensor crossEntropy(LossSpec spec, Ops ops, Tensor logits, Tensor target, Tensor mask) {
        if (isBinary(spec, logits.shape()[1])) {
            return ops.part(o -> o.sum(counted(o, logistic(o, logits, target), mask), SAMPLE));
        }
        return ops.part(o -> {
            Tensor likelihood = o.multiply(o.logSoftmax(logits, 1), counted(o, target, mask));
            return o.affine(o.sum(likelihood, SAMPLE), -1, 0);
        });
    }

    /** Σ (1−q)^γ · BCE with q the probability of the target. */
    private static Tensor focal(LossSpec spec, Ops ops, Tensor logits, Tensor target, Tensor mask) {
        return ops.part(o -> {
            Tensor x = foreground(spec, o, logits);
            Tensor t = foreground(spec, o, target);
            // 1 − q = σ(−y) with y = (2t − 1)·x, taken from its logarithm so that it keeps its digits near 0 and 1
            Tensor away = o.multiply(x, o.affine(t, -2, 1));
            Tensor focus = o.exp(o.affine(o.logSigmoid(away), spec.focalGamma(), 0));
            return o.sum(counted(o, o.multiply(focus, logistic(o, x, t)), mask), SAMPLE);
        });
    }

    private static Tensor combined(LossSpec spec, Ops ops, Tensor dice, Tensor other) {
        return ops.add(ops.affine(dice, spec.diceWeight(), 0), ops.affine(other, spec.otherWeight(), 0));
    }

    /** Returns the mean over samples of each one's mean over its voxels that count and some channels. */
    private static Tensor mean(Ops ops, Tensor ofSamples, Tensor counts, long[] shape, long channels) {
        if (counts == null) {
            double voxels = (double) shape[0] * shape[2] * shape[3] * shape[4];
            return ops.affine(total(ops, ofSamples), 1 / (voxels * channels), 0);
        }
        // max(count, 1): without a voxel that counts the sum is 0, and stays it
        Tensor atLeastOne = ops.affine(ops.relu(ops.affine(counts, 1, -1)), 1, 1);
        return ops.affine(total(ops, ops.divide(ofSamples, atLeastOne)), 1.0 / (shape[0] * channels), 0);
    }

    private static Tensor total(Ops ops, Tensor x) {
        return ops.reshape(ops.sum(x, IntStream.range(0, x.shape().length).toArray()));
    }

    private static Tensor dice(LossSpec spec, Ops ops, Sums sums, Tensor counts) {
        Tensor denominator = ops.add(sums.truth(), sums.prediction());
        return spec.batch()
                ? oneMinusRatio(
                        spec,
                        ops,
                        ops.sum(sums.intersection(), 0),
                        ops.sum(denominator, 0),
                        counts == null ? null : ops.sum(counts, 0))
                : oneMinusRatio(spec, ops, sums.intersection(), denominator, counts);
    }

    private static Tensor generalizedDice(LossSpec spec, Ops ops, Sums sums, Tensor counts) {
        Tensor present = ops.step(sums.truth());
        Tensor absent = ops.affine(present, -1, 1);
        Tensor finite = ops.multiply(present, ops.power(ops.add(sums.truth(), absent), -2));
        // a class that is absent weighs as much as the rarest one that is there
        Tensor weights = ops.add(finite, ops.multiply(absent, ops.max(finite, 1)));
        // MONAI leaves the classes apart: their weights only set how much the smoothing counts
        return oneMinusRatio(
                spec,
                ops,
                ops.multiply(sums.intersection(), weights),
                ops.multiply(ops.add(sums.truth(), sums.prediction()), weights),
                counts);
    }

    /** The mean of 1 − (2·intersection + s_n) / (sums + s_d), and 0 where no voxel counts. */
    private static Tensor oneMinusRatio(LossSpec spec, Ops ops, Tensor intersection, Tensor sums, Tensor counts) {
        Tensor numerator = ops.affine(intersection, 2, spec.smoothNumerator());
        Tensor denominator = ops.affine(sums, 1, spec.smoothDenominator());
        Tensor losses;
        if (counts == null) {
            losses = ops.affine(ops.divide(numerator, denominator), -1, 1);
        } else {
            // Sums over nothing are 0: without smoothing that would be 0/0, and with it a constant that nothing can
            // lower.
            Tensor some = ops.step(counts);
            Tensor safe = ops.add(denominator, ops.affine(some, -1, 1));
            losses = ops.multiply(ops.affine(ops.divide(numerator, safe), -1, 1), some);
        }
        return ops.affine(total(ops, losses), 1.0 / Shapes.elements(losses.shape()), 0);
    }
}
