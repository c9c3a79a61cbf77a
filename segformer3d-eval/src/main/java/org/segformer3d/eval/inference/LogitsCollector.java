package org.segformer3d.eval.inference;

import java.nio.FloatBuffer;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** Puts slabs of logits together to those of the whole volume. */
final class LogitsCollector implements SlabConsumer {
    private final long[] shape;
    private HostTensor whole;

    /** Creates a collector for the logits of an image (C, D, H, W). */
    LogitsCollector(HostTensor image) {
        this.shape = image.shape();
    }

    @Override
    public void accept(int start, HostTensor logits) {
        int slices = Math.toIntExact(logits.size(1));
        if (slices == shape[1]) {
            whole = logits;
            return;
        }
        int classes = Math.toIntExact(logits.size(0));
        if (whole == null) {
            whole = HostTensor.zeros(DType.FLOAT32, classes, shape[1], shape[2], shape[3]);
        }
        int plane = Math.toIntExact(shape[2] * shape[3]);
        FloatBuffer target = whole.floatBuffer();
        FloatBuffer source = logits.floatBuffer();
        for (int c = 0; c < classes; c++) {
            target.put(Math.toIntExact((c * shape[1] + start) * plane), source, c * slices * plane, slices * plane);
        }
    }

    /** Returns the logits (K, D, H, W). */
    HostTensor whole() {
        return whole;
    }
}
