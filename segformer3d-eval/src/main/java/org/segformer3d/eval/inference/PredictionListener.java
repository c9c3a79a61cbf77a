package org.segformer3d.eval.inference;

import java.nio.file.Path;
import org.segformer3d.data.dataset.Case;
import org.segformer3d.eval.result.CaseFailure;

/**
 * Is told how a prediction job goes. A {@link java.util.concurrent.CancellationException} thrown by any of these methods ends the job and
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

    /** A case failed. */
    default void failed(CaseFailure failure) {}
}
