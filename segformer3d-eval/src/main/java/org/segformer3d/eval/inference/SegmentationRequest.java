package org.segformer3d.eval.inference;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import org.segformer3d.data.dataset.Case;

/**
 * What to segment and how much of it to keep.
 *
 * @param input the case; its label, where it has one, isn't read
 * @param keepLogits whether logits and probabilities are wanted
 * @param scratch a folder where kept logits may go to a temporary file when memory is short; empty to refuse then
 * @param listener told about each batch of windows, never {@code null}
 */
public record SegmentationRequest(Case input, boolean keepLogits, Optional<Path> scratch, WindowListener listener) {
    /** Validates. */
    public SegmentationRequest {
        Objects.requireNonNull(input, "input");
        Objects.requireNonNull(scratch, "scratch");
        Objects.requireNonNull(listener, "listener");
    }

    /** Creates a request that keeps everything in memory. */
    public SegmentationRequest(Case input, boolean keepLogits, WindowListener listener) {
        this(input, keepLogits, Optional.empty(), listener);
    }

    /** Returns a request for labels only. */
    public static SegmentationRequest of(Case input) {
        return new SegmentationRequest(input, false, WindowListener.NONE);
    }

    /** Returns this request with logits kept, or not. */
    public SegmentationRequest keepingLogits(boolean keep) {
        return new SegmentationRequest(input, keep, scratch, listener);
    }

    /** Returns this request with a folder for temporary files. */
    public SegmentationRequest withScratch(Path folder) {
        return new SegmentationRequest(input, keepLogits, Optional.of(folder), listener);
    }

    /** Returns this request with a listener. */
    public SegmentationRequest toldTo(WindowListener newListener) {
        return new SegmentationRequest(input, keepLogits, scratch, newListener);
    }
}
