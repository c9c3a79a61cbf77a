package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;

/** What a part of the network keeps from its forward pass for its backward pass; several threads may add to it. */
final class Kept implements AutoCloseable {
    private final List<Tensor> tensors = new ArrayList<>();

    /** Keeps a tensor alive beyond the open pointer scope, until {@link #close}. */
    synchronized Tensor keep(Tensor tensor) {
        tensor.retainReference();
        tensors.add(tensor);
        return tensor;
    }

    /** Gives everything back; more may be kept afterwards. */
    @Override
    public synchronized void close() {
        tensors.forEach(Tensor::close);
        tensors.clear();
    }
}
