package org.segformer3d.api.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Layers;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** A model assembled from blocks, block by block as the paper draws it, together with the weights it owns. */
public final class AssembledModel implements SegmentationModel {
    private final Backend backend;
    private final SegFormer3DConfig config;
    private final AssembledNetwork network;
    private final RunningCalls calls;

    private AssembledModel(Backend backend, SegFormer3DConfig config, Scope weights, AssembledNetwork network) {
        this.backend = backend;
        this.config = config;
        this.network = network;
        this.calls = new RunningCalls(() -> {
            network.close();
            weights.close();
        });
    }

    /**
     * Copies weights to a backend and assembles the network around them.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public static AssembledModel load(Backend backend, SegFormer3DConfig config, StateDict weights) {
        Layers layers = Layers.resolve(config, backend.layers());
        weights.require(ModelLayout.of(config, layers).parameters());
        Scope scope = backend.newScope();
        try {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            weights.tensors().forEach((name, host) -> tensors.put(name, scope.tensor(host)));
            return new AssembledModel(
                    backend,
                    config,
                    scope,
                    AssembledNetwork.build(backend.context(Mode.INFERENCE), config, layers, tensors));
        } catch (RuntimeException e) {
            scope.close();
            throw e;
        }
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
        return calls.run(() -> network.forward(scope, input));
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        return calls.run(() -> network.encode(scope, input));
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
