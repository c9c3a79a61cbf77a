package org.segformer3d.eval.inference;

/** A case needs more memory than there is, whatever way is taken. The message has both numbers and says what to do. */
public final class MemoryExceededException extends IllegalStateException {
    private static final long serialVersionUID = 1;

    private final long neededBytes;

    MemoryExceededException(String message, long neededBytes) {
        super(message);
        this.neededBytes = neededBytes;
    }

    /** Returns how many bytes the process would need at least. */
    public long neededBytes() {
        return neededBytes;
    }
}
