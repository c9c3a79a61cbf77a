package org.segformer3d.eval.inference;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;

/** Decodes blocks of logits at once, so that only labels are kept of a volume. */
final class LabelCollector implements SlabConsumer {
    private final Grid size;
    private final LabelSpec.Decoder decoder;
    private final HostTensor labels;

    /** Creates a collector for the labels of an image of this size. */
    LabelCollector(LabelSpec spec, Grid size) {
        this.size = size;
        this.decoder = spec.decoder();
        DType type = spec.writesBytes() ? DType.UINT8 : DType.INT16;
        // On the heap, where it is freed as soon as it is missed by nobody.
        this.labels = HostTensor.wrap(
                type,
                ByteBuffer.allocate(Math.multiplyExact(size.tokens(), type.bytes())),
                size.depth(),
                size.height(),
                size.width());
    }

    @Override
    public void accept(int start, int row, HostTensor logits) {
        short[] block = decoder.decode(logits);
        int length = Math.toIntExact(logits.size(2)) * size.width();
        ByteBuffer bytes = labels.bytes();
        ShortBuffer shorts = bytes.order(ByteOrder.LITTLE_ENDIAN).asShortBuffer();
        for (int d = 0; d < logits.size(1); d++) {
            int to = ((start + d) * size.height() + row) * size.width();
            if (labels.dtype() == DType.INT16) {
                shorts.put(to, block, d * length, length);
                continue;
            }
            for (int n = 0; n < length; n++) {
                bytes.put(to + n, (byte) block[d * length + n]);
            }
        }
    }

    /** Returns the labels (D, H, W). */
    HostTensor labels() {
        return labels;
    }
}
