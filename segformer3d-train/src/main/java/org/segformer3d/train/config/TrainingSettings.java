package org.segformer3d.train.config;

import java.util.Optional;
import java.util.OptionalDouble;

/**
 * How long and how it is trained.
 *
 * @param seed of everything random
 * @param epochs epochs to train, the cutoff considered
 * @param printEvery steps between two lines that tell of a step
 * @param accumulatedBatches batches that make one step
 * @param clipNorm largest gradient norm, empty for no clipping
 * @param emaDecay decay of the averaged weights, empty for none
 * @param recomputesActivations whether the backward pass computes activations again instead of keeping them
 * @param mixedPrecision whether products are computed in bfloat16
 * @param synchronisesBatchNorm whether BatchNorm takes its statistics from all processes' parts of a batch
 * @param emaValidationEvery every how many epochs a validation uses the averaged weights
 * @param emaStatisticsRecomputed whether BatchNorm statistics of averaged weights come from a pass over the training data
 * @param earlyStop when to end before the last epoch, empty for never
 */
public record TrainingSettings(
        long seed,
        int epochs,
        int printEvery,
        int accumulatedBatches,
        OptionalDouble clipNorm,
        OptionalDouble emaDecay,
        boolean recomputesActivations,
        boolean mixedPrecision,
        boolean synchronisesBatchNorm,
        int emaValidationEvery,
        boolean emaStatisticsRecomputed,
        Optional<EarlyStop> earlyStop) {
    static TrainingSettings of(Values values) {
        String t = "training_parameters.";
        int epochs = values.integer(t + "num_epochs");
        return new TrainingSettings(
                values.seed(t + "seed"),
                Math.min(epochs, values.optionalInteger(t + "cutoff_epoch").orElse(epochs)),
                values.integer(t + "print_every"),
                values.integer(t + "grad_accumulate_steps"),
                values.bool("clip_gradients.enabled")
                        ? OptionalDouble.of(values.number("clip_gradients.clip_gradients_value"))
                        : OptionalDouble.empty(),
                values.bool("ema.enabled") ? OptionalDouble.of(values.number("ema.ema_decay")) : OptionalDouble.empty(),
                values.bool(t + "recompute_activations"),
                values.bool(t + "amp"),
                values.bool(t + "sync_batch_norm"),
                values.integer("ema.val_ema_every"),
                values.text("ema.batch_norm").equals("recomputed"),
                values.bool(t + "early_stop.enabled")
                        ? Optional.of(new EarlyStop(
                                values.integer(t + "early_stop.patience"), values.number(t + "early_stop.min_delta")))
                        : Optional.empty());
    }

    /**
     * When training ends early.
     *
     * @param patience validations without a better Dice
     * @param minDelta by how much a Dice must be better to count
     */
    public record EarlyStop(int patience, double minDelta) {}
}
