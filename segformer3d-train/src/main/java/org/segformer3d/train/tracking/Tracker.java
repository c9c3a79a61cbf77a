package org.segformer3d.train.tracking;

import java.io.IOException;
import java.util.List;

/** Writes down how a run goes. Used by one thread. */
public interface Tracker extends AutoCloseable {
    /**
     * Called once, before anything is written into the run's folder: the place to fail for whoever needs more than that folder.
     *
     * @param steps steps that are behind a resumed run; 0 for a new one
     */
    default void connect(long steps) throws IOException {}

    /**
     * Called once, before the first step.
     *
     * @param history the epochs that a resumed run has behind it; empty for a new one
     * @param steps steps that are behind it
     */
    default void start(List<EpochRecord> history, long steps) throws IOException {}

    /**
     * Called after every step.
     *
     * @param step steps since the beginning of the run, from 1
     * @param loss the step's loss
     * @param gradientNorm norm over all gradients before clipping
     */
    default void step(long step, double loss, double gradientNorm) throws IOException {}

    /**
     * Called after every epoch.
     *
     * @param history all epochs so far, this one included
     */
    void epoch(List<EpochRecord> history) throws IOException;

    /**
     * Called before closing when nothing went wrong.
     *
     * @param complete whether the run came to its end; false when it was asked to stop
     */
    default void finished(boolean complete) throws IOException {}

    @Override
    default void close() throws IOException {}
}
