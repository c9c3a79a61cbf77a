package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** Puts blocks of logits together to those of the whole volume. */
final class LogitsCollector implements SlabConsumer {
    private final Grid size;
    private HostTensor whole;

    /** Creates a collector for the logits of an image of this size. */
    LogitsCollector(Grid size) {
        this.size = size;
    }

    @Override
    public void accept(int start, int row, HostTensor logits) {
        int classes = Math.toIntExact(logits.size(0));
        int slices = Math.toIntExact(logits.size(1));
        if (whole == null) {
            whole = HostTensor.zeros(DType.FLOAT32, classes, size.depth(), size.height(), size.width());
        }
        int length = Math.toIntExact(logits.size(2)) * size.width();
        FloatBuffer target = whole.floatBuffer();
        FloatBuffer source = logits.floatBuffer();
        for (int c = 0; c < classes; c++) {
            for (int d = 0; d < slices; d++) {
                int to = ((c * size.depth() + start + d) * size.height() + row) * size.width();
                target.put(to, source, (c * slices + d) * length, length);
            }
        }
    }

    /** Returns the logits (K, D, H, W). */
    HostTensor whole() {
        return whole;
    }
}
