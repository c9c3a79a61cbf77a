package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.bytedeco.javacpp.Pointer;
import org.segformer3d.api.ops.Pass;

/** What is the same for all operations of a pass, whatever scope owns their results. Must be closed where autograd records. */
final class Recording implements AutoCloseable {
    private final Pass pass;
    private final boolean records;
    private final SharedBatchNorm sharedBatchNorm;
    /** What autograd calls until the backward pass is over, and what that needs. */
    private final List<Pointer> kept = new ArrayList<>();

    private Pointer returned;
    private long masks;

    /**
     * Starts a pass.
     *
     * @param records whether autograd records what is computed from tensors that want gradients
     * @param sharedBatchNorm for batches that processes share, else {@code null}
     */
    Recording(Pass pass, boolean records, SharedBatchNorm sharedBatchNorm) {
        this.pass = Objects.requireNonNull(pass, "pass");
        this.records = records;
        this.sharedBatchNorm = sharedBatchNorm;
    }

    Pass pass() {
        return pass;
    }

    boolean records() {
        return records;
    }

    SharedBatchNorm sharedBatchNorm() {
        return sharedBatchNorm;
    }

    /** Returns how many masks of dropout were drawn before. */
    long nextMask() {
        return masks++;
    }

    /** Keeps something native beyond the open pointer scope, until this is closed. */
    <P extends Pointer> P keep(P pointer) {
        pointer.retainReference();
        kept.add(pointer);
        return pointer;
    }

    /** Takes over what a hook returns, which must live until the next hook returns something. */
    void returned(Pointer pointer) {
        if (returned != null) {
            returned.close();
        }
        returned = pointer;
    }

    @Override
    public void close() {
        returned(null);
        kept.forEach(Pointer::close);
        kept.clear();
    }
}
