package org.segformer3d.zoo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.ops.CountingOps;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.ops.Pass;
import org.segformer3d.api.tensor.Tensor;

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
