package org.segformer3d.backend.reference;

import org.segformer3d.api.block.Grid;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * Tokens that were checked against a width and a grid.
 *
 * @param data (B,N,C)
 * @param batch B
 * @param tokens N
 * @param width C
 */
record TokenInput(double[] data, int batch, int tokens, int width) {
    /**
     * Checks a token tensor.
     *
     * @throws IllegalArgumentException when its shape isn't (B, grid.tokens(), width)
     */
    static TokenInput of(ReferenceBackend backend, Tensor x, int width, Grid grid) {
        ReferenceTensor tensor = backend.tensor(x);
        long[] shape = tensor.shape();
        if (shape.length != 3 || shape[0] < 1 || shape[1] != grid.tokens() || shape[2] != width) {
            throw new IllegalArgumentException("tokens: found shape " + Shapes.text(shape) + ", expected (B,"
                    + grid.tokens() + "," + width + ") on the grid " + grid);
        }
        return new TokenInput(tensor.data(), Math.toIntExact(shape[0]), grid.tokens(), width);
    }

    /** Returns the number of rows B·N. */
    int rows() {
        return batch * tokens;
    }

    /** Returns values of this input's shape as a tensor. */
    ReferenceTensor like(ReferenceScope scope, double[] values) {
        return scope.own(values, batch, tokens, width);
    }
}
