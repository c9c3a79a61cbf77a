package org.segformer3d.api.network;

import java.util.Objects;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.ops.Ops;
import org.segformer3d.api.tensor.Shapes;
import org.segformer3d.api.tensor.Tensor;

/**
 * A token sequence with its spatial extent: token n = (d·height + h)·width + w.
 *
 * @param tensor tokens (B,N,C) with N = grid.tokens(), never {@code null}
 * @param grid extent of the sequence, never {@code null}
 */
public record Tokens(Tensor tensor, Grid grid) {
    /** Checks for {@code null}. */
    public Tokens {
        Objects.requireNonNull(tensor, "tensor");
        Objects.requireNonNull(grid, "grid");
    }

    /** Returns the tokens (B,N,C) of a feature map (B,C,D,H,W). */
    public static Tensor of(Ops ops, Tensor map) {
        long[] shape = map.shape();
        long tokens = shape[2] * shape[3] * shape[4];
        return ops.permute(ops.reshape(map, shape[0], shape[1], tokens), 0, 2, 1);
    }

    /** Returns the feature map (B,C,D,H,W) of tokens (B,N,C). */
    public static Tensor map(Ops ops, Tensor tokens, Grid grid) {
        long[] shape = tokens.shape();
        return ops.reshape(ops.permute(tokens, 0, 2, 1), shape[0], shape[2], grid.depth(), grid.height(), grid.width());
    }

    /**
     * Checks tokens.
     *
     * @param width C
     * @throws IllegalArgumentException when x isn't (B,N,C) on the grid
     */
    public static void require(Tensor x, int width, Grid grid) {
        long[] shape = x.shape();
        if (shape.length != 3 || shape[0] < 1 || shape[1] != grid.tokens() || shape[2] != width) {
            throw new IllegalArgumentException("tokens: found shape " + Shapes.text(shape) + ", expected (B,"
                    + grid.tokens() + "," + width + ") on the grid " + grid);
        }
    }
}
