package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * Memory for the one large gradient that is under way in a backward pass, which has the same place throughout and in the next pass; see
 * {@link Kept} for why. Must be closed.
 */
final class Scratch implements AutoCloseable {
    private Tensor memory;

    /** Returns (R,C) of any content; what was returned before is overwritten. To be called by one thread. */
    Tensor take(TensorOptions options, long rows, long columns) {
        long elements = rows * columns;
        if (memory == null || memory.numel() < elements) {
            close();
            memory = LibtorchBackend.scoped(() -> {
                Tensor made = torch.empty(new long[] {elements}, options, new MemoryFormatOptional());
                made.retainReference();
                return made;
            });
        }
        return memory.narrow(0, 0, elements).view(rows, columns);
    }

    /** Gives the memory back; more may be taken afterwards. */
    @Override
    public void close() {
        if (memory != null) {
            memory.close();
            memory = null;
        }
    }
}
