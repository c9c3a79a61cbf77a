package org.segformer3d.zoo;

import org.segformer3d.api.tensor.Tensor;

/**
 * The convolution block of UNETR and Swin UNETR: y = norm2(conv2 3³(lrelu(norm1(conv1 3³ x)))), plus r = x or norm3(conv3 1³ x) where the
 * number of channels changes, and lrelu of the sum; no convolution has a bias.
 *
 * @param batchNorm BatchNorm instead of InstanceNorm without scale and shift
 * @param residual whether there is r
 */
record ConvolutionBlock(boolean batchNorm, boolean residual) {
    private static final double SLOPE = 0.01;
    private static final int[] NO_PADDING = new int[3];

    Tensor forward(Cursor part, Tensor x, long out) {
        return part.within(p -> {
            Tensor first = p.ops().leakyRelu(norm(p, conv(p, x, "conv1.conv", out, 3), "norm1"), SLOPE);
            Tensor second = norm(p, conv(p, first, "conv2.conv", out, 3), "norm2");
            if (!residual) {
                return p.ops().leakyRelu(second, SLOPE);
            }
            Tensor rest = x.shape()[1] == out ? x : norm(p, conv(p, x, "conv3.conv", out, 1), "norm3");
            return p.ops().leakyRelu(p.ops().add(second, rest), SLOPE);
        });
    }

    /** The up block: the coarse map doubled by a transposed convolution, the skip behind it, then this block. */
    Tensor up(Cursor part, Tensor x, Tensor skip, long out) {
        return part.within(p -> {
            Tensor wide = p.up(x, "transp_conv.conv", out, Cursor.cube(2), NO_PADDING, false);
            return forward(p.at("conv_block"), p.ops().concat(1, wide, skip), out);
        });
    }

    private static Tensor conv(Cursor p, Tensor x, String name, long out, int edge) {
        return p.convolution(x, name, out, Cursor.cube(edge), Cursor.cube(1), false);
    }

    private Tensor norm(Cursor p, Tensor x, String name) {
        return batchNorm ? p.batchNorm(x, name) : p.instanceNorm(x);
    }
}
