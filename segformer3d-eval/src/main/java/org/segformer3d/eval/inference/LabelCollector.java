package org.segformer3d.eval.inference;

import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.data.labels.LabelSpec;

/** Decodes slabs of logits at once, so that only labels are kept of a volume. */
final class LabelCollector implements SlabConsumer {
    private final LabelSpec spec;
    private final long[] shape;
    private HostTensor labels;

    /** Creates a collector for the labels of an image (C, D, H, W). */
    LabelCollector(LabelSpec spec, HostTensor image) {
        this.spec = spec;
        this.shape = image.shape();
    }

    @Override
    public void accept(int start, HostTensor logits) {
        HostTensor slab = spec.decode(logits);
        if (labels == null) {
            labels = HostTensor.zeros(slab.dtype(), shape[1], shape[2], shape[3]);
        }
        int plane = Math.toIntExact(shape[2] * shape[3]) * slab.dtype().bytes();
        labels.bytes().position(start * plane).put(slab.bytes());
    }

    /** Returns the labels (D, H, W). */
    HostTensor labels() {
        return labels;
    }
}
