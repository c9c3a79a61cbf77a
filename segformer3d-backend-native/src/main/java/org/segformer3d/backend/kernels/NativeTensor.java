package org.segformer3d.backend.kernels;

import java.nio.FloatBuffer;
import org.segformer3d.api.backend.heap.HeapTensor;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** An array in direct memory: float32, or integers as they came. */
final class NativeTensor extends HeapTensor<HostTensor> {
    NativeTensor(NativeScope owner, HostTensor host) {
        super(owner, host);
    }

    /** Returns the array itself; callers must not write to it. */
    HostTensor host() {
        return values();
    }

    @Override
    public long[] shape() {
        return values().shape();
    }

    @Override
    public DType dtype() {
        return values().dtype();
    }

    @Override
    public HostTensor toHost() {
        return values().copy();
    }

    @Override
    public void copyTo(FloatBuffer target) {
        HostTensor host = values();
        requireRoom(target, Math.toIntExact(host.elements()));
        target.put(host.toFloat32().floatBuffer());
    }
}
