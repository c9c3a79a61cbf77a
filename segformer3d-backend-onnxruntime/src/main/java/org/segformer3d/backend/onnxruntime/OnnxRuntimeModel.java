package org.segformer3d.backend.onnxruntime;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.model.AssembledModel;
import org.segformer3d.api.model.AssembledNetwork;
import org.segformer3d.api.model.RunningCalls;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.onnx.OnnxNetwork;

/** The whole network as one graph: the file that {@code export} writes. */
final class OnnxRuntimeModel implements SegmentationModel {
    private final OnnxRuntimeBackend backend;
    private final SegFormer3DConfig config;
    private final StateDict weights;
    private final Session session;
    /** Block by block, made when somebody asks for feature maps. */
    private AssembledModel blocks;

    private final RunningCalls calls = new RunningCalls(this::release);

    OnnxRuntimeModel(OnnxRuntimeBackend backend, SegFormer3DConfig config, StateDict weights) {
        this.backend = backend;
        this.config = config;
        this.weights = weights;
        this.session = new Session(backend, OnnxNetwork.toBytes(new NetworkExport(config, weights, "", Map.of())));
    }

    @Override
    public SegFormer3DConfig config() {
        return config;
    }

    @Override
    public Backend backend() {
        return backend;
    }

    @Override
    public String implementation() {
        return "plain";
    }

    @Override
    public Tensor forward(Scope scope, Tensor input) {
        return calls.run(() -> {
            OnnxRuntimeScope owner = backend.scope(scope);
            HostTensor host = backend.tensor(input).host();
            AssembledNetwork.geometry(config, host.shape());
            return owner.own(session.run(
                    Map.of(NetworkExporter.INPUT, host.toFloat32()), Optional.empty(), NetworkExporter.LOGITS));
        });
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        return calls.run(() -> {
            backend.scope(scope);
            backend.tensor(input);
            return blocks().encode(scope, input);
        });
    }

    private synchronized AssembledModel blocks() {
        if (blocks == null) {
            blocks = AssembledModel.load(backend, config, weights);
        }
        return blocks;
    }

    private synchronized void release() {
        session.close();
        if (blocks != null) {
            blocks.close();
        }
    }

    @Override
    public boolean isClosed() {
        return calls.isClosed();
    }

    @Override
    public void close() {
        calls.close();
    }
}
