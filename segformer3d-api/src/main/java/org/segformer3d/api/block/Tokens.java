package org.segformer3d.api.block;

import java.util.Objects;
import org.segformer3d.api.tensor.Tensor;

/**
 * A token sequence with its spatial extent.
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
}
