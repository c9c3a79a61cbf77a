package org.segformer3d.backend.kernels;

import java.util.Map;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.heap.HeapBackend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** The open backend: a pool of threads. Its tensors are arrays in direct memory, which the collector frees. */
final class NativeBackend extends HeapBackend<NativeScope, NativeTensor> {
    private final Pool pool;

    NativeBackend(BackendOptions options) {
        super(options, NativeScope.class, NativeTensor.class);
        this.pool = new Pool(options.threads());
    }

    Pool pool() {
        return pool;
    }

    @Override
    public String name() {
        return NativeProvider.NAME;
    }

    @Override
    public Map<String, String> versions() {
        return Map.of("kernels", KernelLibrary.isa().key());
    }

    @Override
    public NativeScope newScope() {
        requireOpen();
        return new NativeScope(this);
    }

    @Override
    public SegmentationModel load(Network network, StateDict weights) {
        requireOpen();
        if (!(network instanceof SegFormer3DNetwork segformer)) {
            throw new BackendException(
                    "backend '" + NativeProvider.NAME + "' computes segformer3d only; found model_name "
                            + network.architecture() + ", for which libtorch can be chosen");
        }
        if (segformer.layers().isReplaced()) {
            throw new BackendException("backend '" + NativeProvider.NAME
                    + "' computes the paper's layers only; found model_parameters.layers "
                    + segformer.config().layers() + ", for which libtorch can be chosen");
        }
        return new NativeModel(this, segformer.config(), weights);
    }

    @Override
    public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
        NativeScope owner = scope(scope);
        return owner.own(canvas(tensor(x).host(), size));
    }

    @Override
    public void close() {
        super.close();
        pool.close();
    }
}
