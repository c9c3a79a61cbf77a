package org.segformer3d.zoo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.config.ConfigException;
import org.segformer3d.api.network.Architectures;
import org.segformer3d.api.network.Network;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/**
 * What the networks of this module have in common. A subclass says what it computes; its parameters are what it asks for while it computes
 * on shapes alone.
 */
abstract class ZooNetwork implements Network {
    private final String architecture;
    private final Start start;
    private final Keys keys;
    private List<ParameterSpec> parameters;

    ZooNetwork(String architecture, Start start, Keys keys) {
        this.architecture = architecture;
        this.start = start;
        this.keys = keys;
    }

    /** Computes logits (B,K,D,H,W) of a checked input (B,C,D,H,W), finest first. */
    abstract List<Tensor> forward(Cursor cursor, Tensor image);

    /** Returns whether an input may have so many channels. */
    boolean accepts(long channels) {
        return channels == inChannels();
    }

    /** Returns whether the network is for slices, (B,C,H,W). */
    boolean isFlat() {
        return false;
    }

    /** Returns whether an entry of a file says nothing that the others don't: a second name, or numbers that follow from the configuration. */
    boolean isRedundant(String name) {
        return false;
    }

    /** Returns the values of entries that older files lack, by name; empty where a file must have everything. */
    Map<String, HostTensor> missing(Set<String> present) {
        return Map.of();
    }

    @Override
    public final String architecture() {
        return architecture;
    }

    @Override
    public final Map<String, Object> toMap() {
        return keys.read();
    }

    @Override
    public final Network withChannels(int newInChannels, int newNumClasses) {
        Map<String, Object> changed = new LinkedHashMap<>(toMap());
        for (String key : List.of("in_channels", "input_channels")) {
            changed.computeIfPresent(key, (name, value) -> newInChannels);
        }
        for (String key : List.of("out_channels", "num_classes")) {
            changed.computeIfPresent(key, (name, value) -> newNumClasses);
        }
        Network network = Architectures.network(architecture, changed);
        if (network.inChannels() != newInChannels) {
            throw new ConfigException(architecture + ": found " + newInChannels + " input channels, expected "
                    + network.inChannels() + ", which it always has");
        }
        return network;
    }

    @Override
    public final synchronized List<ParameterSpec> parameters() {
        if (parameters == null) {
            Map<String, ParameterSpec> asked = new LinkedHashMap<>();
            Weights weights = spec -> {
                asked.put(spec.name(), spec);
                return CountingOps.shaped(spec.dims());
            };
            Grid size = inputRule().nearest(new Grid(1, 1, 1));
            forward(
                    new Cursor(new CountingOps(Pass.INFERENCE), weights, start, ""),
                    CountingOps.shaped(1, inChannels(), size.depth(), size.height(), size.width()));
            parameters = List.copyOf(asked.values());
        }
        return parameters;
    }

    @Override
    public final StateDict adapt(StateDict file) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        file.tensors().forEach((name, tensor) -> {
            if (!isRedundant(name)) {
                tensors.put(name, tensor);
            }
        });
        missing(file.names()).forEach(tensors::putIfAbsent);
        return StateDict.of(tensors);
    }

    @Override
    public final List<Tensor> forward(Ops ops, BlockParameters weights, Tensor input) {
        long[] shape = input.shape();
        boolean flat = shape.length == 4 && isFlat();
        if (shape.length != 5 && !flat || !accepts(shape[1])) {
            throw new IllegalArgumentException(
                    "input: found shape " + Shapes.text(shape) + ", expected (B," + inChannels() + ",D,H,W)");
        }
        long depth = flat ? 1 : shape[2];
        long height = shape[shape.length - 2];
        long width = shape[shape.length - 1];
        inputRule().check(architecture, new Grid((int) depth, (int) height, (int) width));
        Tensor volume = flat ? ops.reshape(input, shape[0], shape[1], depth, height, width) : input;
        List<Tensor> logits = forward(new Cursor(ops, spec -> weights.get(spec.name()), start, ""), volume);
        return flat
                ? logits.stream()
                        .map(x -> ops.reshape(x, shape[0], numClasses(), height, width))
                        .toList()
                : logits;
    }

    /** Two networks are equal when their architectures and configurations are. */
    @Override
    public final boolean equals(Object other) {
        return other instanceof ZooNetwork that
                && architecture.equals(that.architecture)
                && toMap().equals(that.toMap());
    }

    @Override
    public final int hashCode() {
        return Objects.hash(architecture, toMap());
    }

    @Override
    public final String toString() {
        return architecture + " " + toMap();
    }
}
