package org.segformer3d.zoo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;
import org.segformer3d.api.weights.StateDict;

/** What the networks of this module have in common. */
abstract class ZooNetwork {
    private final String architecture;
    private final Start start;
    private final Keys keys;

    ZooNetwork(String architecture, Start start, Keys keys) {
        this.architecture = architecture;
        this.start = start;
        this.keys = keys;
    }

    public abstract int inChannels();

    public abstract int numClasses();

    abstract SizeRule rule();

    boolean accepts(int channels) {
        return channels == inChannels();
    }

    abstract List<Tensor> forward(Part part, Tensor image);

    /** Returns all entries of the state dict, in the order of computation. */
    public List<ParameterSpec> parameters() {
        long[] size = rule().example();
        Map<String, ParameterSpec> asked = new LinkedHashMap<>();
        trace(asked, new CountingOps(Pass.INFERENCE), 1, inChannels(), size[0], size[1], size[2]);
        return List.copyOf(asked.values());
    }

    /** Returns whether an entry of a file says nothing that the others don't: a second name, or numbers that follow from the configuration. */
    boolean isRedundant(String name) {
        return false;
    }

    /** Returns the values of entries that older files lack, by name; empty where a file must have everything. */
    Map<String, HostTensor> missing(Set<String> present) {
        return Map.of();
    }

    /** Returns weights as this network names them, made of what the original's files hold. */
    public StateDict adapt(StateDict file) {
        Map<String, HostTensor> tensors = new LinkedHashMap<>();
        file.tensors().forEach((name, tensor) -> {
            if (!isRedundant(name)) {
                tensors.put(name, tensor);
            }
        });
        missing(file.names()).forEach(tensors::putIfAbsent);
        return StateDict.of(tensors);
    }

    /** Computes logits, finest first. */
    public List<Tensor> forward(Ops ops, BlockParameters parameters, Tensor input) {
        long[] shape = input.shape();
        boolean flat = shape.length == 4;
        if (shape.length != 5 && !(flat && isFlat()) || !accepts((int) shape[1])) {
            throw new IllegalArgumentException(architecture + ": found an input of shape " + Shapes.text(shape)
                    + ", expected (B," + inChannels() + (isFlat() ? ",H,W)" : ",D,H,W)"));
        }
        long depth = flat ? 1 : shape[2];
        long height = shape[shape.length - 2];
        long width = shape[shape.length - 1];
        rule().check(architecture, depth, height, width);
        Tensor volume = flat ? ops.reshape(input, shape[0], shape[1], 1, height, width) : input;
        List<Tensor> logits = forward(new Part(ops, spec -> parameters.get(spec.name()), start, ""), volume);
        return flat
                ? logits.stream()
                        .map(x -> ops.reshape(x, x.shape()[0], x.shape()[1], x.shape()[3], x.shape()[4]))
                        .toList()
                : logits;
    }

    /** Returns whether the network is for slices, (B,C,H,W). */
    boolean isFlat() {
        return false;
    }

    /** Returns the multiply-accumulates for an input (B,C,D,H,W). */
    public CountingOps.Macs macs(long... input) {
        CountingOps ops = new CountingOps(Pass.INFERENCE);
        trace(new LinkedHashMap<>(), ops, input);
        return ops.macs();
    }

    private void trace(Map<String, ParameterSpec> asked, Ops ops, long... input) {
        Weights weights = spec -> {
            asked.put(spec.name(), spec);
            return CountingOps.shaped(spec.dims());
        };
        forward(new Part(ops, weights, start, ""), CountingOps.shaped(input));
    }
}
