package org.segformer3d.backend.kernels;

import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.segformer3d.api.backend.Backend;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.config.SegFormer3DConfig;
import org.segformer3d.api.model.InputGeometry;
import org.segformer3d.api.model.ModelLayout;
import org.segformer3d.api.model.RunningCalls;
import org.segformer3d.api.model.SegmentationModel;
import org.segformer3d.api.network.SegFormer3DNetwork;
import org.segformer3d.api.tensor.DType;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** A folded network. Inputs in direct memory are read where they lie, and logits are written where they are wanted. */
final class NativeModel implements SegmentationModel {
    private final NativeBackend backend;
    private final SegFormer3DConfig config;
    private final NetworkForward network;
    private final RunningCalls calls;

    /**
     * Folds the weights.
     *
     * @throws org.segformer3d.api.weights.StateDictMismatchException when they don't fit
     */
    NativeModel(NativeBackend backend, SegFormer3DConfig config, StateDict weights) {
        weights.require(ModelLayout.of(config).parameters());
        this.backend = backend;
        this.config = config;
        this.network = new NetworkForward(config, weights, backend.pool());
        this.calls = new RunningCalls(network::close);
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
        return "fused";
    }

    @Override
    public Tensor forward(Scope scope, Tensor input) {
        return calls.run(() -> {
            NativeScope owner = backend.scope(scope);
            return owner.own(logits(backend.tensor(input).host(), Optional.empty()));
        });
    }

    @Override
    public HostTensor predict(HostTensor input) {
        return predict(input, Optional.empty());
    }

    @Override
    public HostTensor predict(HostTensor input, Optional<HostTensor> spent) {
        return calls.run(() -> {
            backend.requireOpen();
            return logits(input, spent);
        });
    }

    private HostTensor logits(HostTensor input, Optional<HostTensor> spent) {
        InputGeometry geometry = SegFormer3DNetwork.of(config).geometry(input.shape());
        Grid size = geometry.input();
        long[] shape = {input.size(0), config.numClasses(), size.depth(), size.height(), size.width()};
        HostTensor logits = spent.filter(kept ->
                        kept.dtype() == DType.FLOAT32 && kept.bytes().isDirect() && Arrays.equals(kept.shape(), shape))
                .orElseGet(() -> HostTensor.zeros(DType.FLOAT32, shape));
        try (Volumes volumes = Volumes.of(input)) {
            network.logits(input.size(0), geometry, volumes.address(), Kernels.address(logits.bytes()));
        } finally {
            Reference.reachabilityFence(logits);
        }
        return logits;
    }

    @Override
    public List<Tensor> encode(Scope scope, Tensor input) {
        return calls.run(() -> {
            NativeScope owner = backend.scope(scope);
            HostTensor host = backend.tensor(input).host();
            InputGeometry geometry = SegFormer3DNetwork.of(config).geometry(host.shape());
            List<HostTensor> maps = new ArrayList<>();
            for (int stage = 0; stage < SegFormer3DConfig.STAGES; stage++) {
                Grid grid = geometry.stages().get(stage);
                maps.add(HostTensor.zeros(
                        DType.FLOAT32,
                        host.size(0),
                        config.embedDims().get(stage),
                        grid.depth(),
                        grid.height(),
                        grid.width()));
            }
            try (Volumes volumes = Volumes.of(host)) {
                network.features(
                        host.size(0),
                        geometry,
                        volumes.address(),
                        maps.stream().map(map -> Kernels.address(map.bytes())).toList());
            } finally {
                Reference.reachabilityFence(maps);
            }
            List<Tensor> features = new ArrayList<>();
            maps.forEach(map -> features.add(owner.own(map)));
            return List.copyOf(features);
        });
    }

    /** An input where the kernels can read it: itself where it is float32 in direct memory, else a copy that is given back at once. */
    private record Volumes(HostTensor host, Optional<Memory> copy) implements AutoCloseable {
        static Volumes of(HostTensor input) {
            HostTensor floats = input.toFloat32();
            if (floats.bytes().isDirect()) {
                return new Volumes(floats, Optional.empty());
            }
            Memory memory = Memory.floats(floats.elements());
            memory.asFloats().put(floats.floatBuffer());
            return new Volumes(floats, Optional.of(memory));
        }

        long address() {
            return copy.map(Memory::address).orElseGet(() -> Kernels.address(host.bytes()));
        }

        @Override
        public void close() {
            copy.ifPresent(Memory::close);
            Reference.reachabilityFence(host);
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
