package org.segformer3d.api.training;

import org.segformer3d.api.backend.Backend;

/** A backend that trains networks. */
public interface TrainingBackend extends Backend {
    /**
     * Starts training.
     *
     * @param spec network, initial weights, loss, optimizer
     * @throws org.segformer3d.api.backend.BackendException when it can't do what is asked, in one line that says what it can
     */
    @Override
    TrainingSession train(TrainingSpec spec);

    /**
     * Starts training on several processes, of which this is one.
     *
     * @param spec network, initial weights, loss, optimizer
     * @param parallel the processes
     * @throws org.segformer3d.api.backend.BackendException when the processes can't be connected here
     */
    @Override
    TrainingSession train(TrainingSpec spec, DataParallel parallel);
}
