package org.segformer3d.zoo;

import org.segformer3d.api.block.Initialization;

/** How a network's Linear layers and convolutions start. */
enum Start {
    /** PyTorch's defaults: weight and bias uniform in ±1/√fan_in. */
    PYTORCH {
        @Override
        Initialization weight(long fanIn) {
            return new Initialization.Uniform(1 / Math.sqrt(fanIn));
        }

        @Override
        Initialization bias(long fanIn) {
            return new Initialization.Uniform(1 / Math.sqrt(fanIn));
        }
    },
    /** He's normal distribution for leaky ReLU of slope 0.01, biases 0; nnU-Net's. */
    HE {
        @Override
        Initialization weight(long fanIn) {
            return new Initialization.Normal(Math.sqrt(2 / (1 + 0.01 * 0.01) / fanIn));
        }

        @Override
        Initialization bias(long fanIn) {
            return Initialization.ZERO;
        }
    };

    /** @param fanIn inputs of one output */
    abstract Initialization weight(long fanIn);

    /** @param fanIn inputs of one output */
    abstract Initialization bias(long fanIn);
}
