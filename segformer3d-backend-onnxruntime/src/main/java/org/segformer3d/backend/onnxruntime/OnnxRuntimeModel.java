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

    private volatile boolean closed;

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
        requireOpen();
        OnnxRuntimeScope owner = backend.scope(scope);
        HostTensor host = backend.tensor(input).host();
        AssembledNetwork.geometry(config, host.shape());
        return owner.own(
                session.run(Map.of(NetworkExporter.INPUT, host.toFloat32()), Optional.empty(), NetworkExporter.LOGITS));
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        requireOpen();
        backend.scope(scope);
        backend.tensor(input);
        synchronized (this) {
            requireOpen();
            if (blocks == null) {
                blocks = AssembledModel.load(backend, config, weights);
            }
        }
        return blocks.encode(scope, input);
    }

    @Override
    public boolean isClosed() {
        return closed;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            session.close();
            if (blocks != null) {
                blocks.close();
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the model is closed");
        }
    }
}
