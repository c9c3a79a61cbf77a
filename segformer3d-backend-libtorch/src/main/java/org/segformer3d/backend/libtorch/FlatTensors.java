package org.segformer3d.backend.libtorch;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/**
 * Named tensors that lie one after the other in one vector, so that an optimizer, a norm or an average is a few operations on that
 * vector instead of a few on each of hundreds of tensors. Must be closed.
 */
final class FlatTensors implements AutoCloseable {
    /** Elements a tensor's start is aligned to: 64 bytes in float32. The gaps are zero and stay so. */
    private static final long ALIGNMENT = 16;

    private final LibtorchBackend backend;
    private final Tensor vector;
    private final Map<String, Tensor> views = new LinkedHashMap<>();

    /** Creates zeros of the specified shapes. */
    FlatTensors(LibtorchBackend backend, List<ParameterSpec> specs) {
        this.backend = backend;
        this.vector = LibtorchBackend.scoped(() -> kept(torch.zeros(lengthOf(specs), backend.floating())));
        long offset = 0;
        for (ParameterSpec spec : specs) {
            long start = offset;
            views.put(
                    spec.name(),
                    LibtorchBackend.scoped(() -> kept(vector.narrow(0, start, spec.elements())
                            .view(spec.dims())
                            .detach())));
            offset += padded(spec.elements());
        }
    }

    private static long[] lengthOf(List<ParameterSpec> specs) {
        return new long[] {specs.stream().mapToLong(s -> padded(s.elements())).sum()};
    }

    private static long padded(long elements) {
        return (elements + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static Tensor kept(Tensor tensor) {
        tensor.retainReference();
        return tensor;
    }

    Tensor vector() {
        return vector;
    }

    /** Returns the tensors by name, in the order of their specifications; they share the vector's memory. */
    Map<String, Tensor> views() {
        return views;
    }

    Tensor view(String name) {
        return views.get(name);
    }

    /** Overwrites every tensor with the entry of its name, behind a prefix. */
    void copyFrom(StateDict weights, String prefix) {
        LibtorchBackend.scoped(() -> {
            views.forEach((name, view) -> view.copy_(backend.copyIn(weights.get(prefix + name))));
            return null;
        });
    }

    void copyFrom(FlatTensors other) {
        LibtorchBackend.scoped(() -> vector.copy_(other.vector));
    }

    /** Adds a copy of every tensor to a map, behind a prefix. */
    void copyTo(Map<String, HostTensor> target, String prefix) {
        views.forEach((name, view) -> target.put(prefix + name, backend.copyOut(view)));
    }

    void zero() {
        LibtorchBackend.scoped(() -> vector.zero_());
    }

    /** this ← decay·this + (1−decay)·other. */
    void average(FlatTensors other, double decay) {
        LibtorchBackend.scoped(() -> vector.mul_(new Scalar(decay)).add_(other.vector, new Scalar(1 - decay)));
    }

    @Override
    public void close() {
        views.values().forEach(Tensor::close);
        vector.close();
    }
}
