package org.segformer3d.eval.inference;

/** Is told how far a sliding window has come. */
@FunctionalInterface
public interface WindowListener {
    /** Listens to nothing. */
    WindowListener NONE = (done, total) -> {};

    /**
     * Is called once before the first batch of windows with {@code done} 0 and after each batch. An exception thrown here, such as a
     * {@link java.util.concurrent.CancellationException}, ends the inference and reaches its caller.
     *
     * @param done windows done
     * @param total windows in all
     */
    void windowsDone(int done, int total);
}
