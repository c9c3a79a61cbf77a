package org.segformer3d.train.run;

import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.backend.Backends;
import org.segformer3d.api.backend.Need;
import org.segformer3d.train.config.ExperimentConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens the backend that an experiment trains on. */
final class BackendChoice {
    private static final Logger LOG = LoggerFactory.getLogger(BackendChoice.class);

    private BackendChoice() {}

    /**
     * Opens the named backend, else the best one that can train the experiment's network.
     *
     * @throws org.segformer3d.api.backend.BackendException when there is none or it can't be opened
     */
    static Backend open(ExperimentConfig experiment) {
        Backends.Choice choice = Backends.choose(
                experiment.backend().name(), experiment.backend().options(), Need.training(experiment.network()));
        choice.passedOver().forEach(LOG::info);
        return choice.provider().open(experiment.backend().options());
    }
}
