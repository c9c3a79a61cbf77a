package org.segformer3d.backend.onnxruntime;

import java.nio.FloatBuffer;
import org.segformer3d.api.backend.heap.HeapTensor;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;

/** An array in the Java process: float32, or integers as they came. */
final class OnnxRuntimeTensor extends HeapTensor<HostTensor> {
    OnnxRuntimeTensor(OnnxRuntimeScope owner, HostTensor host) {
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
        float[] floats = values().toFloats();
        requireRoom(target, floats.length);
        target.put(floats);
    }
}
