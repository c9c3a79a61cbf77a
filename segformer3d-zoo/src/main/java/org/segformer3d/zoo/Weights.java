package org.segformer3d.zoo;

import org.segformer3d.api.block.ParameterSpec;
import org.segformer3d.api.tensor.Tensor;

/**
 * What a network takes its weights from while it computes. The names, shapes and beginnings of all weights therefore stand where they are
 * used, and once: whoever wants the list of them runs the network on shapes alone and writes down what it asks for.
 */
interface Weights {
    /** Returns the tensor of that full name, which has the specification's shape. */
    Tensor get(ParameterSpec spec);
}
