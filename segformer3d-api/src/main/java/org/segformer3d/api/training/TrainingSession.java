package org.segformer3d.api.training;

import java.util.Optional;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/**
 * A network being trained on one backend. Used by one thread at a time.
 *
 * <p>One step: one or several {@link #accumulate} calls, then one {@link #update}. On the CPU, equal calls from equal states give
 * equal bits.
 */
public interface TrainingSession extends AutoCloseable {
    /** Returns what is trained. */
    TrainingSpec spec();

    /** Returns which form of the network computes, for example {@code plain} or {@code fused}. */
    default String implementation() {
        return "plain";
    }

    /**
     * Runs a batch forward in training mode and backward, and adds its gradients to those since the last update.
     *
     * <p>With several processes ({@link DataParallel}) all of them call this, each with its part of the batch.
     *
     * @param batch never {@code null}
     * @param weight factor on the loss before the backward pass: 1/n when n batches make one step, times the part's share of the samples
     *     with several processes; 0 for a part that only keeps step with the others, whose samples then count nowhere
     * @return the loss, without the factor
     */
    double accumulate(TrainingBatch batch, double weight);

    /**
     * Clips the accumulated gradients, moves the weights, updates the average and forgets the gradients.
     *
     * <p>With several processes, gradients are summed over all of them first, so that all do the same.
     *
     * @param learningRate ≥ 0
     * @return the norm over all gradients before clipping; when it isn't finite the weights were left as they were
     */
    double update(double learningRate);

    /**
     * Runs a batch forward in training mode and backward without moving weights; running statistics change as in training.
     *
     * @return loss, logits and all gradients, for checking
     */
    TrainingPass pass(TrainingBatch batch);

    /**
     * Runs a batch forward in training mode, so that running statistics change as in training, and nothing else.
     *
     * @param batch never {@code null}; its target isn't looked at
     */
    default void observe(TrainingBatch batch) {
        // Without a cheaper way: the gradients are computed and thrown away.
        pass(batch);
    }

    /** Returns a copy of the current weights and running statistics. */
    StateDict weights();

    /** Returns a copy of the averaged weights; empty without averaging. */
    Optional<StateDict> averagedWeights();

    /** Returns a copy of everything needed to go on exactly from here. */
    TrainingState state();

    /**
     * Goes back to a state of a session of the same specification.
     *
     * @throws IllegalArgumentException when the state doesn't fit
     */
    void restore(TrainingState state);

    /** With several processes, takes over the state of the first one; to be called by all of them at the same point. */
    default void share() {
        // alone, there is nobody to take it from
    }

    /**
     * Returns a model of the current (or averaged) weights for validation; later updates don't change it.
     *
     * @param averaged whether to take the averaged weights
     */
    SegmentationModel snapshot(boolean averaged);

    /** Releases memory. Has no effect on a closed session. */
    @Override
    void close();

    /**
     * What one pass computed.
     *
     * @param loss the loss
     * @param logits (B,K,D,H,W)
     * @param inputGradient (B,C,D,H,W)
     * @param gradients of every trained weight under its full name
     */
    record TrainingPass(double loss, HostTensor logits, HostTensor inputGradient, StateDict gradients) {}

    /**
     * Everything that changes while training.
     *
     * @param weights weights and running statistics
     * @param optimizer the optimizer's own values, named by it
     * @param averaged averaged weights, empty entries when there is no averaging
     * @param updates updates so far
     */
    record TrainingState(StateDict weights, StateDict optimizer, Optional<StateDict> averaged, long updates) {}
}
