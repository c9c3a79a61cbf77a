package org.segformer3d.eval.inference;

import java.util.Objects;
import org.segformer3d.data.dataset.Case;

/**
 * What to segment and how much of it to keep.
 *
 * @param input the case; its label, where it has one, isn't read
 * @param keepLogits whether logits and probabilities are wanted, which takes memory for all classes at once
 * @param listener told about each batch of windows, never {@code null}
 */
public record SegmentationRequest(Case input, boolean keepLogits, WindowListener listener) {
    /** Validates. */
    public SegmentationRequest {
        Objects.requireNonNull(input, "input");
        Objects.requireNonNull(listener, "listener");
    }

    /** Returns a request for labels only. */
    public static SegmentationRequest of(Case input) {
        return new SegmentationRequest(input, false, WindowListener.NONE);
    }

    /** Returns this request with logits kept, or not. */
    public SegmentationRequest keepingLogits(boolean keep) {
        return new SegmentationRequest(input, keep, listener);
    }

    /** Returns this request with a listener. */
    public SegmentationRequest toldTo(WindowListener newListener) {
        return new SegmentationRequest(input, keepLogits, newListener);
    }
}
