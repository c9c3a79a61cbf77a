package org.segformer3d.api.training;

import java.util.Arrays;
import java.util.Objects;
import org.segformer3d.api.tensor.Shapes;

/**
 * A segmentation loss over logits x (B,K,D,H,W) and target channels t (B,K,D,H,W) with values in [0,1].
 *
 * <p>With p = activation(x), sums over voxels, smoothing s_n, s_d:
 * <ul>
 *   <li>Dice: mean over batch and channels of 1 − (2Σpt + s_n) / (Σp + Σt + s_d); squared: Σp² and Σt² in the denominator; batch: the
 *       sums run over the batch as well.
 *   <li>Cross-entropy: mean over batch and voxels of −Σ_k t_k log softmax(x)_k.
 *   <li>Binary cross-entropy: mean over everything of −t log σ(x) − (1−t) log(1−σ(x)).
 *   <li>Focal: mean over everything of (1−q)^γ · BCE with q the probability of the target.
 *   <li>Generalized Dice, as MONAI has it: mean over batch and channels of 1 − (2wΣpt + s_n) / (wΣ(p+t) + s_d), sums per sample,
 *       w = 1/(Σt)², infinite weights replaced by the sample's largest finite one. The classes aren't summed, so a weight only decides
 *       how much the smoothing counts.
 * </ul>
 *
 * <p>A mask m (B,1,D,H,W) of 1 where a voxel counts and 0 elsewhere leaves voxels out: Σ above is then Σ m·…, and a mean over voxels is
 * that over each sample's own voxels that count, followed by the mean over the batch, so that a sample's part of the loss doesn't depend
 * on which others are in its batch. A sample without a voxel that counts gives 0 to the mean; under sums over the batch that is so when
 * the whole batch has none.
 *
 * @param kind which terms, never {@code null}
 * @param activation how logits become probabilities in the Dice terms, never {@code null}
 * @param includeBackground whether channel 0 takes part in the Dice and focal terms; ignored when there is only one channel
 * @param squared squared sums in the denominator of Dice
 * @param batch sums over the whole batch in Dice
 * @param smoothNumerator s_n
 * @param smoothDenominator s_d
 * @param diceWeight factor of the Dice term of a combined loss
 * @param otherWeight factor of the other term of a combined loss
 * @param focalGamma γ of the focal term
 */
public record LossSpec(
        Kind kind,
        Activation activation,
        boolean includeBackground,
        boolean squared,
        boolean batch,
        double smoothNumerator,
        double smoothDenominator,
        double diceWeight,
        double otherWeight,
        double focalGamma) {
    /** Which terms a loss has. */
    public enum Kind {
        /** Soft Dice. */
        DICE,
        /** Cross-entropy over channels. */
        CROSS_ENTROPY,
        /** Binary cross-entropy per channel. */
        BINARY_CROSS_ENTROPY,
        /** Dice plus cross-entropy; with a single channel, Dice plus binary cross-entropy. */
        DICE_CROSS_ENTROPY,
        /** Dice plus focal. */
        DICE_FOCAL,
        /** Generalized Dice. */
        GENERALIZED_DICE
    }

    /** How logits become probabilities. */
    public enum Activation {
        /** Each channel by itself: overlapping regions. */
        SIGMOID,
        /** Channels compete: exclusive classes. */
        SOFTMAX
    }

    /** Validates. */
    public LossSpec {
        Objects.requireNonNull(kind, "kind");
        Objects.requireNonNull(activation, "activation");
        if (!(smoothNumerator >= 0) || !(smoothDenominator >= 0)) {
            throw new IllegalArgumentException("smoothing: found " + smoothNumerator + " and " + smoothDenominator
                    + ", expected numbers of at least 0");
        }
        if (!(diceWeight >= 0) || !(otherWeight >= 0) || !(focalGamma >= 0)) {
            throw new IllegalArgumentException("loss weights and gamma: found " + diceWeight + ", " + otherWeight
                    + " and " + focalGamma + ", expected numbers of at least 0");
        }
    }

    /**
     * Checks that a mask belongs to a target.
     *
     * @param mask shape of the mask, (B,1,D,H,W)
     * @param target shape of the target, (B,K,D,H,W)
     * @throws IllegalArgumentException when the mask's shape doesn't fit
     */
    public static void requireMask(long[] mask, long[] target) {
        long[] expected = target.clone();
        expected[1] = 1;
        if (!Arrays.equals(mask, expected)) {
            throw new IllegalArgumentException("mask: found " + Shapes.text(mask) + " with target "
                    + Shapes.text(target) + ", expected " + Shapes.text(expected));
        }
    }

    /** Returns a loss with usual values: background included, not squared, per sample, smoothing 1e-5, weights 1, γ 2. */
    public static LossSpec of(Kind kind, Activation activation) {
        return new LossSpec(kind, activation, true, false, false, 1e-5, 1e-5, 1, 1, 2);
    }

    /** Returns this loss without the background channel in the Dice and focal terms. */
    public LossSpec withoutBackground() {
        return new LossSpec(
                kind,
                activation,
                false,
                squared,
                batch,
                smoothNumerator,
                smoothDenominator,
                diceWeight,
                otherWeight,
                focalGamma);
    }

    /** Returns this loss with squared denominators and sums over the batch as given. */
    public LossSpec with(boolean newSquared, boolean newBatch) {
        return new LossSpec(
                kind,
                activation,
                includeBackground,
                newSquared,
                newBatch,
                smoothNumerator,
                smoothDenominator,
                diceWeight,
                otherWeight,
                focalGamma);
    }
}
