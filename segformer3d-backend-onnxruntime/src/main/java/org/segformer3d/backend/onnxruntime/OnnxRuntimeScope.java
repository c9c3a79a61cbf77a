package org.segformer3d.backend.onnxruntime;

import org.segformer3d.api.backend.heap.HeapScope;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Tensor;

/** A set of tensors that are closed together. */
final class OnnxRuntimeScope extends HeapScope {
    OnnxRuntimeScope(OnnxRuntimeBackend backend) {
        super(backend);
    }

    @Override
    public Tensor tensor(HostTensor host) {
        requireOpen();
        return own(host.dtype().isFloating() ? copyAsFloats(host) : host.copy());
    }

    private static HostTensor copyAsFloats(HostTensor host) {
        HostTensor floats = host.toFloat32();
        // A conversion is a copy already.
        return floats == host ? host.copy() : floats;
    }

    /** Makes a tensor of an array that nothing else writes to from now on. */
    OnnxRuntimeTensor own(HostTensor host) {
        return new OnnxRuntimeTensor(this, host);
    }
}
