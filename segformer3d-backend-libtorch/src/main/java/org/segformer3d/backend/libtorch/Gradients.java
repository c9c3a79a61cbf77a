package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.ParameterSpec;

/** Where gradients add up: every worker but the first has sums of its own, which are added to the first's in the end. Must be closed. */
final class Gradients implements AutoCloseable {
    private final LibtorchBackend backend;
    private final List<ParameterSpec> specs;
    private final FlatTensors total;
    private final List<FlatTensors> others = new ArrayList<>();

    /**
     * Makes sums on top of some that are there.
     *
     * @param total owned by the caller
     */
    Gradients(LibtorchBackend backend, List<ParameterSpec> specs, FlatTensors total) {
        this.backend = backend;
        this.specs = specs;
        this.total = total;
    }

    /** Sees to it that there are sums for that many workers. */
    void prepare(int workers) {
        while (others.size() < workers - 1) {
            others.add(new FlatTensors(backend, specs));
        }
    }

    /** Returns the sum of a weight's gradients that the current worker adds to. */
    Tensor view(String name) {
        int worker = Workers.current();
        return (worker == 0 ? total : others.get(worker - 1)).view(name);
    }

    /** Adds everything to the first worker's sums. */
    void collect() {
        for (FlatTensors other : others) {
            LibtorchBackend.scoped(() -> total.vector().add_(other.vector()));
            other.zero();
        }
    }

    @Override
    public void close() {
        others.forEach(FlatTensors::close);
        others.clear();
    }
}
