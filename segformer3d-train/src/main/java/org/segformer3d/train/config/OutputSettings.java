package org.segformer3d.train.config;

import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a run writes and where.
 *
 * @param runFolder folder of the run, empty when the configuration names none
 * @param checkpointEvery epochs between two saves
 * @param checkpointEverySteps steps between two saves amid an epoch, empty for none there
 * @param keepLast how many of the newest saved epochs are kept
 * @param hashData whether the content of the data's files is hashed
 * @param csv whether history.csv is written
 * @param jsonLines whether history.jsonl is written
 * @param tensorBoard whether event files are written
 * @param curve whether curve.png is drawn
 * @param mlflow the MLflow server that is told, empty for none
 * @param report whether report.html is written at the end
 */
public record OutputSettings(
        Optional<Path> runFolder,
        int checkpointEvery,
        OptionalInt checkpointEverySteps,
        int keepLast,
        boolean hashData,
        boolean csv,
        boolean jsonLines,
        boolean tensorBoard,
        boolean curve,
        Optional<MlflowSettings> mlflow,
        boolean report) {
    static OutputSettings of(Values values) {
        return new OutputSettings(
                values.optionalPath("output.run_dir")
                        .or(() -> values.optionalPath("training_parameters.checkpoint_save_dir")),
                values.integer("output.checkpoint_every"),
                values.optionalInteger("output.checkpoint_every_steps"),
                values.integer("output.keep_last"),
                values.bool("output.hash_data"),
                values.bool("tracking.csv"),
                values.bool("tracking.jsonl"),
                values.bool("tracking.tensorboard"),
                values.bool("tracking.curve"),
                values.bool("tracking.mlflow.enabled")
                        ? Optional.of(new MlflowSettings(
                                values.optionalText("tracking.mlflow.uri"),
                                values.optionalText("tracking.mlflow.experiment"),
                                values.optionalText("tracking.mlflow.run_name")))
                        : Optional.empty(),
                values.bool("tracking.report"));
    }

    /**
     * Which MLflow server is told what.
     *
     * @param uri its address, empty for the one that the environment names
     * @param experiment name of the experiment, empty for the project's
     * @param runName name of the run, empty for the run folder's
     */
    public record MlflowSettings(Optional<String> uri, Optional<String> experiment, Optional<String> runName) {}
}
