package org.segformer3d.api.backend;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.RunningCalls;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.FoldedSegFormer3D;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** A network with its weights on a backend, computed operation by operation: works for any network and any backend with operations. */
public final class NetworkModel implements SegmentationModel {
    private final Backend backend;
    private final Network network;
    private final Network computed;
    private final BlockParameters parameters;
    private final String implementation;
    private final RunningCalls calls;

    private NetworkModel(
            Backend backend,
            Network network,
            Network computed,
            String implementation,
            Scope scope,
            BlockParameters parameters) {
        this.backend = backend;
        this.network = network;
        this.computed = computed;
        this.implementation = implementation;
        this.parameters = parameters;
        this.calls = new RunningCalls(scope::close);
    }

    /**
     * Copies weights to a backend.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public static NetworkModel load(Backend backend, Network network, StateDict weights) {
        return load(backend, network, network, weights, "plain");
    }

    /**
     * Copies weights to a backend, folded; what isn't folded since it was replaced is computed as it is.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when the weights don't fit
     */
    public static NetworkModel folded(Backend backend, SegFormer3DNetwork network, StateDict weights) {
        SegFormer3DNetwork folded = FoldedSegFormer3D.network(network);
        return load(backend, network, folded, FoldedSegFormer3D.weights(network, weights), "folded");
    }

    private static NetworkModel load(
            Backend backend, Network network, Network computed, StateDict weights, String implementation) {
        weights.require(computed.parameters());
        Scope scope = backend.newScope();
        try {
            Map<String, Tensor> tensors = new HashMap<>();
            weights.tensors().forEach((name, host) -> tensors.put(name, scope.tensor(host)));
            return new NetworkModel(
                    backend, network, computed, implementation, scope, new BlockParameters(tensors, ""));
        } catch (RuntimeException e) {
            scope.close();
            throw e;
        }
    }

    @Override
    public Network network() {
        return network;
    }

    @Override
    public SegFormer3DConfig config() {
        return SegFormer3DConfig.fromMap(network.toMap());
    }

    @Override
    public Backend backend() {
        return backend;
    }

    @Override
    public String implementation() {
        return implementation;
    }

    @Override
    public Tensor forward(Scope scope, Tensor input) {
        return calls.run(() -> on(
                input,
                x -> computed.forward(backend.ops(scope, Pass.INFERENCE), parameters, x)
                        .get(0)));
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        return calls.run(() -> on(input, x -> computed.encode(backend.ops(scope, Pass.INFERENCE), parameters, x)));
    }

    /** Computes with an input in the compute type: scans may be integers, operations take floating types. */
    private <T> T on(Tensor input, Function<Tensor, T> computation) {
        if (input.dtype().isFloating()) {
            return computation.apply(input);
        }
        try (Scope inner = backend.newScope()) {
            return computation.apply(inner.tensor(input.toHost().toFloat64()));
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
