package org.segformer3d.api.training;

import java.util.Objects;

/**
 * How weights follow gradients; the learning rate comes with every update.
 *
 * <p>Semantics are PyTorch's: Adam adds weight decay to the gradient, AdamW shrinks the weights by rate·decay first, SGD has momentum
 * without dampening. Decay applies to every trained weight.
 *
 * @param kind which rule, never {@code null}
 * @param weightDecay λ
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param momentum of SGD
 * @param nesterov Nesterov's momentum in SGD
 */
public record OptimizerSpec(
        Kind kind, double weightDecay, double beta1, double beta2, double epsilon, double momentum, boolean nesterov) {
    /** Update rules. */
    public enum Kind {
        /** Adam with L2 regularisation (arXiv 1412.6980). */
        ADAM,
        /** Adam with decoupled weight decay (arXiv 1711.05101). */
        ADAMW,
        /** Stochastic gradient descent with momentum. */
        SGD
    }

    /** Validates. */
    public OptimizerSpec {
        Objects.requireNonNull(kind, "kind");
        if (!(weightDecay >= 0)) {
            throw new IllegalArgumentException(
                    "weight_decay: found " + weightDecay + ", expected a number of at least 0");
        }
        if (!(beta1 >= 0 && beta1 < 1) || !(beta2 >= 0 && beta2 < 1)) {
            throw new IllegalArgumentException("betas: found " + beta1 + ", " + beta2 + ", expected numbers in [0, 1)");
        }
        if (!(epsilon >= 0) || !(momentum >= 0)) {
            throw new IllegalArgumentException(
                    "eps and momentum: found " + epsilon + " and " + momentum + ", expected numbers of at least 0");
        }
        if (nesterov && momentum == 0) {
            throw new IllegalArgumentException("nesterov: needs a momentum above 0");
        }
    }

    /** Returns AdamW with β = (0.9, 0.999) and ε = 1e-8. */
    public static OptimizerSpec adamW(double weightDecay) {
        return new OptimizerSpec(Kind.ADAMW, weightDecay, 0.9, 0.999, 1e-8, 0, false);
    }

    /** Returns Adam with β = (0.9, 0.999) and ε = 1e-8. */
    public static OptimizerSpec adam(double weightDecay) {
        return new OptimizerSpec(Kind.ADAM, weightDecay, 0.9, 0.999, 1e-8, 0, false);
    }

    /** Returns stochastic gradient descent. */
    public static OptimizerSpec sgd(double weightDecay, double momentum, boolean nesterov) {
        return new OptimizerSpec(Kind.SGD, weightDecay, 0.9, 0.999, 1e-8, momentum, nesterov);
    }
}
