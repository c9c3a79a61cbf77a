package org.segformer3d.train.config;

import org.segformer3d.api.block.Grid;

/**
 * How it is validated.
 *
 * @param dice whether whole cases are segmented for their Dice; otherwise the loss of a few patches of each is computed
 * @param every epochs between two validations
 * @param roi size of the windows
 * @param windowBatch windows computed at once
 * @param overlap of neighbouring windows
 * @param gaussian whether windows are blended by a Gaussian rather than by constant weights
 * @param test whether test cases are scored at the end
 * @param choosesPostprocessing whether postprocessing is chosen on the validation cases at the end
 */
public record ValidationSettings(
        boolean dice,
        int every,
        Grid roi,
        int windowBatch,
        double overlap,
        boolean gaussian,
        boolean test,
        boolean choosesPostprocessing) {
    static ValidationSettings of(Values values) {
        return new ValidationSettings(
                values.bool("training_parameters.calculate_metrics"),
                values.integer("validation.every"),
                values.grid("sliding_window_inference.roi").orElseThrow(),
                values.integer("sliding_window_inference.sw_batch_size"),
                values.number("validation.overlap"),
                values.text("validation.blend").equals("gaussian"),
                values.bool("validation.test"),
                values.bool("validation.choose_postprocessing"));
    }
}
