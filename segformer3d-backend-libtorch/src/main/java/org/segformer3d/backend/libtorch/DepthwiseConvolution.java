package org.segformer3d.backend.libtorch;

import java.util.List;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.segformer3d.api.block.Grid;

/**
 * The depth-wise 3³ convolution of channels-last tokens as three 3² ones over slices: oneDNN has a fast kernel for two dimensions and
 * none for three. Its gradients are made of the same.
 */
final class DepthwiseConvolution {
    /** Elements of a slab of slices: it should stay in the cache. */
    private static final long SLAB_ELEMENTS = 1 << 19;

    private static final long[] ONE = {1, 1};

    private DepthwiseConvolution() {}

    /**
     * A few slices at a time, so that the sum over the kernel's planes is made in the cache.
     *
     * @param result where to write, contiguous
     * @param rows (N,C) of one sample, contiguous
     * @param planes the kernel's three planes along depth, (C,1,3,3) each
     * @param bias (C), {@code null} for none
     */
    static void into(Tensor result, Tensor rows, Grid grid, List<Tensor> planes, Tensor bias) {
        long c = rows.size(1);
        long depth = grid.depth();
        Tensor slices = rows.view(depth, grid.height(), grid.width(), c).permute(0, 3, 1, 2);
        Tensor target = result.view(depth, grid.height(), grid.width(), c);
        long slab = Math.max(1, SLAB_ELEMENTS / (c * grid.height() * grid.width()));
        for (long first = 0; first < depth; first += slab) {
            long from = first;
            long to = Math.min(depth, from + slab);
            LibtorchBackend.scoped(() -> target.narrow(0, from, to - from)
                    .copy_(slab(slices, from, to, planes, bias).permute(0, 2, 3, 1)));
        }
    }

    /**
     * Returns slices from…to−1 of the result.
     *
     * @param slices all slices of the input, (D,C,H,W)
     */
    static Tensor slab(Tensor slices, long from, long to, List<Tensor> planes, Tensor bias) {
        Tensor y = plane(slices.narrow(0, from, to - from), planes.get(1), bias);
        long below = Math.max(from, 1);
        if (below < to) {
            y.narrow(0, below - from, to - below)
                    .add_(plane(slices.narrow(0, below - 1, to - below), planes.get(0), null));
        }
        long above = Math.min(to, slices.size(0) - 1);
        if (from < above) {
            y.narrow(0, 0, above - from).add_(plane(slices.narrow(0, from + 1, above - from), planes.get(2), null));
        }
        return y;
    }

    private static Tensor plane(Tensor slices, Tensor kernel, Tensor bias) {
        return torch.conv2d(
                slices,
                kernel,
                bias == null ? new TensorOptional() : Functional.some(bias),
                ONE,
                ONE,
                ONE,
                kernel.size(0));
    }

    /** Returns a kernel's planes along depth. */
    static List<Tensor> planes(Tensor kernel) {
        return List.of(
                kernel.select(2, 0).contiguous(),
                kernel.select(2, 1).contiguous(),
                kernel.select(2, 2).contiguous());
    }

    /** Returns the planes with which {@link #into} takes the output's gradient to the input's. */
    static List<Tensor> transposed(Tensor kernel) {
        return planes(kernel.flip(2, 3, 4));
    }

    /**
     * Adds the gradient at the kernel.
     *
     * @param target (C,1,3,3,3)
     * @param dy (N,C) of one sample, contiguous
     * @param rows the input, of the same shape
     */
    static void addKernelGradient(Tensor target, Tensor dy, Tensor rows, Grid grid) {
        long c = rows.size(1);
        long depth = grid.depth();
        Tensor inputs = rows.view(depth, grid.height(), grid.width(), c).permute(0, 3, 1, 2);
        Tensor outputs = dy.view(depth, grid.height(), grid.width(), c).permute(0, 3, 1, 2);
        for (int plane = 0; plane < 3; plane++) {
            // output slice d takes input slice d + plane − 1
            long first = Math.max(0, 1 - plane);
            long count = Math.min(depth, depth + 1 - plane) - first;
            if (count <= 0) {
                continue;
            }
            Tensor place = target.select(2, plane);
            T_TensorTensorTensor_T found = torch.convolution_backward(
                    outputs.narrow(0, first, count),
                    inputs.narrow(0, first + plane - 1, count),
                    place,
                    new long[0],
                    ONE,
                    ONE,
                    ONE,
                    false,
                    new long[] {0, 0},
                    c,
                    Products.mask(false, true, false));
            place.add_(found.get1());
        }
    }
}
