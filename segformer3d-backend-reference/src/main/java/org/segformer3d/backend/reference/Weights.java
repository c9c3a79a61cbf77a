package org.segformer3d.backend.reference;

import java.util.Arrays;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.PerAxis;
import org.segformer3d.api.tensor.Shapes;

/** Looks up weights and checks their shapes. */
final class Weights {
    private Weights() {}

    /**
     * Returns the values of a weight.
     *
     * @throws IllegalArgumentException when there is none of that name or its shape is another
     */
    static double[] of(ReferenceBackend backend, BlockParameters parameters, String name, long... shape) {
        ReferenceTensor tensor = backend.tensor(parameters.get(name));
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new IllegalArgumentException("parameter " + name + ": found shape " + Shapes.text(tensor.shape())
                    + ", expected " + Shapes.text(shape));
        }
        return tensor.data();
    }

    /** Returns the Linear whose weight and bias are found at a name. */
    static Linear linear(ReferenceBackend backend, BlockParameters parameters, String name, int in, int out) {
        return new Linear(
                of(backend, parameters, name + ".weight", out, in),
                of(backend, parameters, name + ".bias", out),
                in,
                out);
    }

    /** Returns the LayerNorm whose weight and bias are found at a name. */
    static LayerNorm layerNorm(ReferenceBackend backend, BlockParameters parameters, String name, int width) {
        return new LayerNorm(
                of(backend, parameters, name + "weight", width), of(backend, parameters, name + "bias", width));
    }

    /** Returns the Conv3d whose weight and bias are found at a name. */
    static Convolution convolution(
            ReferenceBackend backend,
            BlockParameters parameters,
            String name,
            int in,
            int out,
            PerAxis kernel,
            PerAxis stride,
            PerAxis padding) {
        return new Convolution(
                of(backend, parameters, name + ".weight", out, in, kernel.depth(), kernel.height(), kernel.width()),
                of(backend, parameters, name + ".bias", out),
                in,
                out,
                kernel,
                stride,
                padding);
    }
}
