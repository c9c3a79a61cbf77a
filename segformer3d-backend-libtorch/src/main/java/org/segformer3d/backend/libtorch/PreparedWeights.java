package org.segformer3d.backend.libtorch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.weights.StateDict;

/** Weights on the device as a fused form wants them. Folding is done in float64 and rounded once, at the end. Must be closed. */
final class PreparedWeights implements AutoCloseable {
    private final LibtorchBackend backend;
    private final StateDict source;
    private final ScalarType type;
    private final List<Tensor> kept = new ArrayList<>();
    private final Map<String, Tensor> named = new LinkedHashMap<>();
    private boolean closed;

    /**
     * Starts with nothing prepared.
     *
     * @param type what prepared weights are rounded to
     */
    PreparedWeights(LibtorchBackend backend, StateDict source, ScalarType type) {
        this.backend = backend;
        this.source = source;
        this.type = type;
    }

    /** Returns what prepared weights are rounded to. */
    ScalarType type() {
        return type;
    }

    /** Returns an entry as it is, in the prepared type. */
    Tensor get(String name) {
        return named.computeIfAbsent(name, key -> keep(backend.copyIn(source.get(key))));
    }

    /** Returns an entry in float64, for arithmetic; it belongs to the open pointer scope. */
    Tensor exact(String name) {
        return backend.copyIn(source.get(name)).to(torch.ScalarType.Double);
    }

    /** Returns what a BatchNorm multiplies with, weight/√(running_var + ε), in float64; it belongs to the open pointer scope. */
    Tensor batchNormScale(String prefix) {
        return exact(prefix + "weight")
                .div(exact(prefix + "running_var")
                        .add(new Scalar(BlockSpec.NORM_EPSILON))
                        .sqrt());
    }

    /** Keeps a tensor, in the prepared type, until this is closed. */
    Tensor keep(Tensor value) {
        Tensor typed = value.to(type).contiguous();
        typed.retainReference();
        kept.add(typed);
        return typed;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            kept.forEach(Tensor::close);
        }
    }
}
