package org.segformer3d.backend.kernels;

import org.segformer3d.api.backend.heap.HeapScope;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/** A set of tensors that are closed together. */
final class NativeScope extends HeapScope {
    NativeScope(NativeBackend backend) {
        super(backend);
    }

    @Override
    public Tensor tensor(HostTensor host) {
        requireOpen();
        HostTensor floats = host.dtype().isFloating() ? host.toFloat32() : host;
        // A conversion is a copy already.
        return own(floats == host ? host.copy() : floats);
    }

    /** Makes a tensor of an array in direct memory that nothing else writes to from now on. */
    NativeTensor own(HostTensor host) {
        return new NativeTensor(this, host);
    }
}
