package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.Grid;

/**
 * Half of a transformer block with its residual connection, and its gradients written out. Tokens are (B·N,C), the samples of a batch
 * one after the other. Between a forward pass and {@link #forget} it keeps what the backward pass needs.
 */
interface TrainedHalf {
    /** Computes the tokens behind the half; the caller's pointer scope owns them. */
    Tensor forward(Tensor x, Grid grid);

    /** Adds the weights' gradients and returns the input's. */
    Tensor backward(Tensor dy);

    /** Ends what the last forward pass was for; the next one may find memory again. */
    void forget();

    /** Gives all memory back; another forward pass may follow. */
    void close();
}
