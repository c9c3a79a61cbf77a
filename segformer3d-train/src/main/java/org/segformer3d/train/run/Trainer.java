package org.segformer3d.train.run;

import java.io.IOException;
import java.util.Objects;
import org.segformer3d.train.config.ExperimentConfig;

/**
 * Carries out an experiment: data → steps → validation → checkpoints → bundle.
 *
 * <pre>{@code
 * ExperimentConfig config = ExperimentConfig.read(Path.of("examples/hippocampus.yaml"));
 * TrainingOutcome outcome = Trainer.run(config, TrainerOptions.defaults());
 * }</pre>
 */
public final class Trainer {
    private Trainer() {}

    /**
     * Trains to the end, or until asked to stop.
     *
     * @param config the experiment, never {@code null}
     * @param options how it is carried out here, never {@code null}
     * @return what came of it
     * @throws org.segformer3d.api.config.ConfigException when the experiment doesn't suit its data
     * @throws RunFolderException when the run folder isn't empty, or can't be resumed
     * @throws TrainingDivergedException when loss or gradients stop being numbers; the last good checkpoint stays
     * @throws IOException when data can't be read or results can't be written
     */
    public static TrainingOutcome run(ExperimentConfig config, TrainerOptions options) throws IOException {
        Objects.requireNonNull(config, "config");
        Objects.requireNonNull(options, "options");
        throw new UnsupportedOperationException("training is not there yet");
    }
}
