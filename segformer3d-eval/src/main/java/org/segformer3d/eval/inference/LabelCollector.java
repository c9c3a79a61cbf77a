package org.segformer3d.eval.inference;

import java.nio.ByteBuffer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;

/** Decodes blocks of logits at once, so that only labels are kept of a volume. */
final class LabelCollector implements SlabConsumer {
    private final LabelSpec spec;
    private final Grid size;
    private HostTensor labels;

    /** Creates a collector for the labels of an image of this size. */
    LabelCollector(LabelSpec spec, Grid size) {
        this.spec = spec;
        this.size = size;
    }

    @Override
    public void accept(int start, int row, HostTensor logits) {
        HostTensor block = spec.decode(logits);
        if (labels == null) {
            labels = HostTensor.zeros(block.dtype(), size.depth(), size.height(), size.width());
        }
        int line = size.width() * block.dtype().bytes();
        int bytes = Math.toIntExact(block.size(1)) * line;
        ByteBuffer source = block.bytes();
        ByteBuffer target = labels.bytes();
        for (int d = 0; d < block.size(0); d++) {
            target.put(((start + d) * size.height() + row) * line, source, d * bytes, bytes);
        }
    }

    /** Returns the labels (D, H, W). */
    HostTensor labels() {
        return labels;
    }
}
