package org.segformer3d.eval.inference;

import java.nio.file.Path;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.eval.result.CaseFailure;

/**
 * Is told how a prediction job goes, always by the thread that runs it. A case is read and written while others are predicted: that
 * one was written or couldn't be may be told after the next one has begun. A {@link java.util.concurrent.CancellationException} thrown by any of these methods ends the job and
 * reaches its caller; what was written stays.
 */
public interface PredictionListener {
    /** Listens to nothing. */
    PredictionListener NONE = new PredictionListener() {};

    /**
     * A case begins.
     *
     * @param index which, from 0
     * @param total number of cases
     */
    default void started(Case input, int index, int total) {}

    /**
     * Windows of the current case were predicted.
     *
     * @param done windows done
     * @param total windows of this case
     */
    default void windowsDone(int done, int total) {}

    /**
     * A case was written.
     *
     * @param labels the file with its labels
     */
    default void finished(SegmentationResult result, Path labels) {}

    /**
     * It was decided how the current case is predicted.
     *
     * @param plan with the memory it is estimated to take
     */
    default void planned(Case input, MemoryPlan plan) {}

    /**
     * A case was left as it is because its result is there already.
     *
     * @param labels the file with its labels
     */
    default void skipped(Case input, Path labels) {}

    /** Returns whether the job is to end; asked while it waits for a case to be read or written. */
    default boolean isCancelled() {
        return false;
    }

    /** A case failed. */
    default void failed(CaseFailure failure) {}
}
