package org.segformer3d.backend.onnxruntime;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.export.NetworkExport;
import org.segformer3d.api.export.NetworkExporter;
import org.segformer3d.api.model.RunningCalls;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.record.Recording;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;
import org.segformer3d.onnx.OnnxNetwork;

/** A whole network as one graph: the file that {@code export} writes. */
final class OnnxRuntimeModel implements SegmentationModel {
    private final OnnxRuntimeBackend backend;
    private final Network network;
    /** What is computed: the network, or its folded form. */
    private final NetworkExport export;

    private final String implementation;
    private final Graphs logits;
    private final Graphs features;
    private final RunningCalls calls = new RunningCalls(this::release);

    OnnxRuntimeModel(OnnxRuntimeBackend backend, Network network, StateDict weights, boolean folded) {
        this.backend = backend;
        this.network = network;
        NetworkExport plain = new NetworkExport(network, weights, "", Map.of());
        this.export = folded ? plain.folded() : plain;
        this.implementation = folded ? "folded" : "plain";
        Network computed = export.network();
        this.logits = new Graphs((ops, parameters, input) ->
                computed.forward(ops, parameters, input).subList(0, 1));
        this.features = new Graphs(computed::encode);
        // Most networks have one graph for all sizes, which is best made before the first volume comes.
        logits.of(network.inputRule().nearest(new Grid(1, 1, 1)));
    }

    /** A loaded graph and how many results it has; {@code null} and 0 where there are none. */
    private record Loaded(Session session, int results) {
        void close() {
            if (session != null) {
                session.close();
            }
        }
    }

    /** The graphs of something that is computed with the network: one for all sizes, or one for each size that was met. */
    private final class Graphs {
        private final Recording.Body body;
        private final Map<Grid, Loaded> bySize = new HashMap<>();
        private Loaded general;

        Graphs(Recording.Body body) {
            this.body = body;
        }

        synchronized Loaded of(Grid size) {
            if (general != null) {
                return general;
            }
            Loaded known = bySize.get(size);
            if (known != null) {
                return known;
            }
            Recording recording = Recording.of(export.network(), body, Optional.of(size));
            // A network may name no feature maps, and a graph without results isn't one.
            Loaded made = recording.outputs().isEmpty()
                    ? new Loaded(null, 0)
                    : new Loaded(
                            new Session(backend, OnnxNetwork.toBytes(export, recording)),
                            recording.outputs().size());
            if (recording.fixed().isEmpty()) {
                general = made;
            } else {
                bySize.put(size, made);
            }
            return made;
        }

        synchronized void close() {
            if (general != null) {
                general.close();
            }
            bySize.values().forEach(Loaded::close);
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
        return calls.run(() -> {
            OnnxRuntimeScope owner = backend.scope(scope);
            HostTensor host = checked(input);
            return owner.own(logits.of(Grid.of(host.shape()))
                    .session()
                    .run(host, List.of(NetworkExporter.LOGITS))
                    .get(0));
        });
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        return calls.run(() -> {
            OnnxRuntimeScope owner = backend.scope(scope);
            HostTensor host = checked(input);
            Loaded graph = features.of(Grid.of(host.shape()));
            if (graph.results() == 0) {
                return List.of();
            }
            List<String> names = java.util.stream.IntStream.range(0, graph.results())
                    .mapToObj(OnnxNetwork::output)
                    .toList();
            return graph.session().run(host, names).stream()
                    .<Tensor>map(owner::own)
                    .toList();
        });
    }

    private HostTensor checked(Tensor input) {
        HostTensor host = backend.tensor(input).host();
        long[] shape = host.shape();
        if (shape.length != 5 || shape[1] != network.inChannels() || shape[0] < 1) {
            throw new IllegalArgumentException(
                    "input: found shape " + Shapes.text(shape) + ", expected (B," + network.inChannels() + ",D,H,W)");
        }
        network.inputRule().check(network.architecture(), Grid.of(shape));
        return host.toFloat32();
    }

    private void release() {
        logits.close();
        features.close();
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
