package org.segformer3d.zoo;

import java.util.List;
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
}
