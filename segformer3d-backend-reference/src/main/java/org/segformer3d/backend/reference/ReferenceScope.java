package org.segformer3d.backend.reference;

import org.segformer3d.api.backend.heap.HeapScope;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/** A set of tensors that are closed together. */
final class ReferenceScope extends HeapScope {
    ReferenceScope(ReferenceBackend backend) {
        super(backend);
    }

    @Override
    public Tensor tensor(HostTensor host) {
        requireOpen();
        return own(host.toDoubles(), host.shape());
    }

    /** Makes a tensor of an array that nothing else writes to from now on. */
    ReferenceTensor own(double[] data, long... shape) {
        return new ReferenceTensor(this, data, shape);
    }
}
