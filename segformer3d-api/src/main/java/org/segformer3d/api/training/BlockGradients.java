package org.segformer3d.api.training;

import java.util.List;
import org.segformer3d.api.tensor.HostTensor;
import org.segformer3d.api.weights.StateDict;

/**
 * Output and vector–Jacobian products of one block in training mode.
 *
 * @param output the block's output
 * @param inputs gradient with respect to each input
 * @param parameters gradient with respect to each trained parameter, under its name within the block
 */
public record BlockGradients(HostTensor output, List<HostTensor> inputs, StateDict parameters) {
    /** Copies the list. */
    public BlockGradients {
        inputs = List.copyOf(inputs);
    }
}
