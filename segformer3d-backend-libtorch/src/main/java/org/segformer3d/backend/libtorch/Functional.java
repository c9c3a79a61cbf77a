package org.segformer3d.backend.libtorch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.BlockSpec;
import org.segformer3d.api.block.Grid;
import org.segformer3d.api.block.PerAxis;

/**
 * The handful of operations the network consists of, on native tensors. Every caller has a {@code PointerScope} open, which owns
 * what these return.
 */
final class Functional {
    private Functional() {}

    /** Returns the sizes of a native tensor. */
    static long[] shape(Tensor x) {
        long[] shape = new long[(int) x.dim()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = x.size(i);
        }
        return shape;
    }

    static TensorOptional some(Tensor x) {
        return new TensorOptional(x);
    }

    /** x Wᵀ + b over the last axis. */
    static Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        return torch.linear(x, weight, some(bias));
    }

    /** LayerNorm over the last axis. */
    static Tensor layerNorm(Tensor x, Tensor weight, Tensor bias) {
        return torch.layer_norm(
                x, new long[] {weight.size(0)}, some(weight), some(bias), BlockSpec.NORM_EPSILON, false);
    }

    /** Convolution of (B,C,D,H,W). */
    static Tensor conv3d(Tensor x, Tensor weight, Tensor bias, PerAxis stride, PerAxis padding, long groups) {
        return torch.conv3d(
                x,
                weight,
                bias == null ? new TensorOptional() : some(bias),
                stride.toLongs(),
                padding.toLongs(),
                new long[] {1, 1, 1},
                groups);
    }

    /** Convolution of (B,C,D,H,W) with the same stride and padding along every axis. */
    static Tensor conv3d(Tensor x, Tensor weight, Tensor bias, int stride, int padding, long groups) {
        return conv3d(x, weight, bias, PerAxis.of(stride), PerAxis.of(padding), groups);
    }

    /** BatchNorm over all axes but the second; in training it updates the running statistics in place. */
    static Tensor batchNorm(Tensor x, BatchNorm norm, boolean training, double momentum, double epsilon) {
        Tensor y = torch.batch_norm(
                x,
                some(norm.weight()),
                some(norm.bias()),
                some(norm.mean()),
                some(norm.variance()),
                training,
                momentum,
                epsilon,
                true);
        if (training && norm.count() != null) {
            norm.count().add_(new Scalar(1L));
        }
        return y;
    }

    /**
     * Parameters and running statistics of a BatchNorm.
     *
     * @param count batches seen, {@code null} where the weights have none
     */
    record BatchNorm(Tensor weight, Tensor bias, Tensor mean, Tensor variance, Tensor count) {}

    /** Trilinear resizing of (B,C,D,H,W), align_corners=False. */
    static Tensor resize(Tensor x, Grid size) {
        return torch.upsample_trilinear3d(x, new long[] {size.depth(), size.height(), size.width()}, false);
    }

    /** (B,C,D,H,W) → (B,N,C); a view. */
    static Tensor tokens(Tensor map) {
        return map.flatten(2, 4).transpose(1, 2);
    }

    /**
     * (B,N,C) → (B,C,D,H,W); a view, whose memory is channels-last where the tokens are contiguous.
     *
     * <p>The plain blocks make it contiguous. That is no more accurate in general: on the recorded training pass of the smallest network
     * one activation before the decoder's ReLU is about −1e-6, as large as float32's rounding, so the layout decides its sign by chance.
     * Channels-last lands on the other side (gradients 2e-3 off), NCDHW on the recorded one (6e-5). See docs/parity.md.
     */
    static Tensor map(Tensor tokens, Grid grid) {
        return tokens.transpose(1, 2)
                .reshape(tokens.size(0), tokens.size(2), grid.depth(), grid.height(), grid.width());
    }

    /**
     * (N,C) → (1,C,D,H,W); a view of one volume's contiguous rows, which libtorch recognises as channels-last.
     *
     * <p>It looks at the strides, that of the single volume included, and turns and copies what doesn't look so: {@link #map} of one
     * volume makes a depth-wise convolution five times as slow.
     */
    static Tensor volume(Tensor rows, Grid grid) {
        return rows.view(1, grid.depth(), grid.height(), grid.width(), rows.size(1))
                .permute(0, 4, 1, 2, 3);
    }

    /** Returns whether (B,C,D,H,W) has its channels last in memory, and so many that it matters. */
    static boolean isChannelsLast(Tensor x) {
        return x.size(1) > 1 && !x.is_contiguous() && x.permute(0, 2, 3, 4, 1).is_contiguous();
    }

    /**
     * (B,C,D,H,W) with its channels last in memory.
     *
     * <p>libtorch looks at all strides, those of axes of size 1 included, and turns and copies what doesn't look channels-last; so they are
     * set anew.
     */
    static Tensor channelsLast(Tensor x) {
        Tensor last = x.permute(0, 2, 3, 4, 1).contiguous();
        long[] shape = shape(last);
        return last.view(-1).view(shape).permute(0, 4, 1, 2, 3);
    }

    static Tensor cat(long axis, Tensor... parts) {
        return torch.cat(new TensorVector(parts), axis);
    }

    /** Zero-pads or crops (B,C,D,H,W) at the far end of each spatial axis. */
    static Tensor canvas(Tensor x, Grid size) {
        Tensor y = x;
        long[] padding = new long[6];
        boolean pads = false;
        for (int axis = 0; axis < 3; axis++) {
            long missing = size.size(axis) - y.size(axis + 2);
            if (missing < 0) {
                y = y.narrow(axis + 2L, 0, size.size(axis));
            } else if (missing > 0) {
                // constant_pad_nd counts axes from the last one
                padding[2 * (2 - axis) + 1] = missing;
                pads = true;
            }
        }
        if (pads) {
            return torch.constant_pad_nd(y, padding, new Scalar(0.0));
        }
        return y.contiguous();
    }
}
