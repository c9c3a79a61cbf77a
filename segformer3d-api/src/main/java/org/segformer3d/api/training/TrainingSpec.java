package org.segformer3d.api.training;

import java.util.Objects;
import java.util.OptionalDouble;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3D;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.weights.StateDict;

/**
 * What a {@link TrainingSession} trains and how.
 *
 * @param network never {@code null}
 * @param initialWeights where it starts, never {@code null}
 * @param loss never {@code null}
 * @param optimizer never {@code null}
 * @param clipNorm largest Euclidean norm over all gradients, larger ones are scaled down to it; empty for no clipping
 * @param emaDecay decay of the exponential moving average of the weights, in [0, 1); empty for none
 * @param recomputes whether the backward pass computes activations again instead of keeping them from the forward pass: less memory
 *     for more time, with the same result up to rounding
 * @param mixed whether the network's products are computed in bfloat16 (automatic mixed precision), while weights, gradients, the
 *     optimizer's state, norms and the loss stay in float32; a backend refuses it where the device has no instructions for it
 */
public record TrainingSpec(
        Network network,
        StateDict initialWeights,
        LossSpec loss,
        OptimizerSpec optimizer,
        OptionalDouble clipNorm,
        OptionalDouble emaDecay,
        boolean recomputes,
        boolean mixed) {
    /** Validates. */
    public TrainingSpec {
        Objects.requireNonNull(network, "network");
        Objects.requireNonNull(initialWeights, "initialWeights");
        Objects.requireNonNull(loss, "loss");
        Objects.requireNonNull(optimizer, "optimizer");
        if (clipNorm.isPresent() && !(clipNorm.getAsDouble() > 0)) {
            throw new IllegalArgumentException(
                    "clip_gradients_value: found " + clipNorm.getAsDouble() + ", expected a number above 0");
        }
        if (emaDecay.isPresent() && !(emaDecay.getAsDouble() >= 0 && emaDecay.getAsDouble() < 1)) {
            throw new IllegalArgumentException(
                    "ema_decay: found " + emaDecay.getAsDouble() + ", expected a number in [0, 1)");
        }
    }

    /** Makes a specification whose activations are kept and whose products aren't reduced. */
    public TrainingSpec(
            Network network,
            StateDict initialWeights,
            LossSpec loss,
            OptimizerSpec optimizer,
            OptionalDouble clipNorm,
            OptionalDouble emaDecay) {
        this(network, initialWeights, loss, optimizer, clipNorm, emaDecay, false, false);
    }

    /** Returns this specification with or without recomputation. */
    public TrainingSpec recomputing(boolean newRecomputes) {
        return new TrainingSpec(network, initialWeights, loss, optimizer, clipNorm, emaDecay, newRecomputes, mixed);
    }

    /** Returns this specification with or without products in bfloat16. */
    public TrainingSpec mixing(boolean newMixed) {
        return new TrainingSpec(network, initialWeights, loss, optimizer, clipNorm, emaDecay, recomputes, newMixed);
    }

    /** Returns a specification without clipping and averaging. */
    public static TrainingSpec of(Network network, StateDict initialWeights, LossSpec loss, OptimizerSpec optimizer) {
        return new TrainingSpec(
                network, initialWeights, loss, optimizer, OptionalDouble.empty(), OptionalDouble.empty());
    }

    /** Returns a specification for SegFormer3D without clipping and averaging. */
    public static TrainingSpec of(
            SegFormer3DConfig config, StateDict initialWeights, LossSpec loss, OptimizerSpec optimizer) {
        return of(SegFormer3DNetwork.of(config), initialWeights, loss, optimizer);
    }

    /**
     * Returns the configuration of the network, for forms that compute SegFormer3D only.
     *
     * @throws IllegalStateException when it is another architecture
     */
    public SegFormer3DConfig config() {
        if (network instanceof SegFormer3DNetwork segformer) {
            return segformer.config();
        }
        throw new IllegalStateException("found " + network.architecture() + ", expected " + SegFormer3D.NAME);
    }
}
