package org.segformer3d.backend.onnxruntime;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtLoggingLevel;
import java.util.Map;
import org.segformer3d.api.backend.BackendException;
import org.segformer3d.api.backend.BackendOptions;
import org.segformer3d.api.backend.BackendOptions.Implementation;
import org.segformer3d.api.backend.heap.HeapBackend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** The open backend. Its tensors are arrays of the Java process; only sessions hold native memory. */
final class OnnxRuntimeBackend extends HeapBackend<OnnxRuntimeScope, OnnxRuntimeTensor> {
    private final OrtEnvironment environment;

    OnnxRuntimeBackend(BackendOptions options) {
        super(options, OnnxRuntimeScope.class, OnnxRuntimeTensor.class);
        try {
            // One for the whole process, which lives as long as it does.
            this.environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
        } catch (LinkageError e) {
            throw new BackendException("ONNX Runtime's native library can't be loaded: " + e.getMessage(), e);
        }
    }

    OrtEnvironment environment() {
        return environment;
    }

    @Override
    public String name() {
        return OnnxRuntimeProvider.NAME;
    }

    @Override
    public Map<String, String> versions() {
        return Map.of("onnxruntime", environment.getVersion());
    }

    @Override
    public OnnxRuntimeScope newScope() {
        requireOpen();
        return new OnnxRuntimeScope(this);
    }

    /** Loads the whole network as one graph. */
    @Override
    public SegmentationModel load(Network network, StateDict weights) {
        requireOpen();
        boolean folded = options().implementation() == Implementation.FOLDED;
        if (folded && !(network instanceof SegFormer3DNetwork)) {
            throw new BackendException("backend '" + name() + "' folds segformer3d only; found "
                    + network.architecture() + "; ask for auto or plain");
        }
        return new OnnxRuntimeModel(this, network, weights, folded);
    }

    @Override
    public Tensor resizeCanvas(Scope scope, Tensor x, Grid size) {
        OnnxRuntimeScope owner = scope(scope);
        return owner.own(canvas(tensor(x).host(), size));
    }
}
