package org.segformer3d.train.config;

import java.nio.file.Path;
import java.util.Optional;
import org.segformer3d.api.config.ConfigException;

/**
 * Where training starts.
 *
 * @param kind from what
 * @param path the file or folder, empty when it starts from random weights
 * @param withOptimizer whether the optimizer's state is taken along with the weights
 */
public record StartSettings(Kind kind, Optional<Path> path, boolean withOptimizer) {
    /** From what training starts. */
    public enum Kind {
        /** Random weights. */
        SCRATCH,
        /** The weights in a file, checkpoint or bundle. */
        WEIGHTS,
        /** Everything in a checkpoint. */
        CHECKPOINT
    }

    static StartSettings of(Values values) {
        String load = "training_parameters.load_checkpoint.";
        boolean full = values.bool(load + "load_full_checkpoint");
        boolean weights = values.bool(load + "load_model_only");
        Optional<Path> path = values.optionalPath(load + "load_checkpoint_path");
        if (full && weights) {
            throw new ConfigException(load.substring(0, load.length() - 1)
                    + ": found load_full_checkpoint and load_model_only both true, expected at most one");
        }
        if ((full || weights) && path.isEmpty()) {
            throw ConfigException.of(load + "load_checkpoint_path", "null", "the file or folder to load");
        }
        return new StartSettings(
                full ? Kind.CHECKPOINT : weights ? Kind.WEIGHTS : Kind.SCRATCH,
                full || weights ? path : Optional.empty(),
                full || values.bool("training_parameters.load_optimizer"));
    }
}
