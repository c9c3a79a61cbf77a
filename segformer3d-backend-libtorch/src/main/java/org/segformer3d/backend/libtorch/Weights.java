package org.segformer3d.backend.libtorch;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Tensor;
import org.segformer3d.api.block.BlockContext;
import org.segformer3d.api.block.BlockParameters;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.Mode;
import org.segformer3d.api.tensor.Scope;
import org.segformer3d.api.tensor.Shapes;

/** What every block of this backend needs: its native weights, its mode and the way to compute with them. */
final class Weights {
    private final LibtorchBackend backend;
    private final Mode mode;
    private final BlockParameters parameters;

    Weights(BlockContext context, BlockParameters parameters) {
        if (!(context.backend() instanceof LibtorchBackend libtorch)) {
            throw new IllegalArgumentException("blocks of backend 'libtorch' can't work on backend '"
                    + context.backend().name() + "'");
        }
        this.backend = libtorch;
        this.mode = context.mode();
        this.parameters = parameters;
    }

    LibtorchBackend backend() {
        return backend;
    }

    boolean training() {
        return mode == Mode.TRAINING;
    }

    Tensor get(String name) {
        return LibtorchTensor.unwrap(backend, parameters.get(name));
    }

    private Tensor getIfPresent(String name) {
        try {
            return get(name);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    Functional.BatchNorm batchNorm(String prefix) {
        return new Functional.BatchNorm(
                get(prefix + "weight"),
                get(prefix + "bias"),
                get(prefix + "running_mean"),
                get(prefix + "running_var"),
                training() ? getIfPresent(prefix + "num_batches_tracked") : null);
    }

    /** Computes a block's output, in the compute type under autocast, too: recorded for the backward pass in training only. */
    LibtorchTensor compute(Scope scope, Supplier<Tensor> computation) {
        return backend.compute(scope, training(), () -> computation.get().to(DTypes.of(backend.computeType())));
    }

    /** Returns the native tokens (B,N,C) after checking their shape against width and grid. */
    Tensor tokens(org.segformer3d.api.tensor.Tensor x, int width, Grid grid) {
        Tensor value = LibtorchTensor.unwrap(backend, x);
        long[] shape = x.shape();
        if (shape.length != 3 || shape[2] != width || shape[1] != grid.tokens()) {
            throw new IllegalArgumentException("tokens: found shape " + Shapes.text(shape) + ", expected (B,"
                    + grid.tokens() + "," + width + ") for a grid of " + grid);
        }
        requireComputeType(x);
        return value;
    }

    /** Returns the native volume (B,C,D,H,W) of any element type after checking its rank and channels. */
    Tensor volume(org.segformer3d.api.tensor.Tensor x, int channels) {
        Tensor value = LibtorchTensor.unwrap(backend, x);
        requireMap(x.shape(), channels);
        return value;
    }

    /** Returns the native map (B,C,D,H,W) after checking its rank, channels and type. */
    Tensor map(org.segformer3d.api.tensor.Tensor x, int channels) {
        Tensor value = LibtorchTensor.unwrap(backend, x);
        requireMap(x.shape(), channels);
        requireComputeType(x);
        return value;
    }

    private static void requireMap(long[] shape, int channels) {
        if (shape.length != 5 || shape[1] != channels) {
            throw new IllegalArgumentException(
                    "feature map: found shape " + Shapes.text(shape) + ", expected (B," + channels + ",D,H,W)");
        }
    }

    private void requireComputeType(org.segformer3d.api.tensor.Tensor x) {
        if (x.dtype() != backend.computeType()) {
            throw new IllegalArgumentException("element type: found " + x.dtype() + ", expected "
                    + backend.computeType() + " (what this backend computes in)");
        }
    }
}
